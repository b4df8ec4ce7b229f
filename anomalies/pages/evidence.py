"""The small picture beside each anomaly of a list: its series around the anomaly, with what was expected."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.core.cache import cache
from redis.exceptions import RedisError

from anomalies.models import Anomaly
from metrics import points
from metrics.sparklines import Band, Spark, Window, sparkline
from orgs.moments import unix_ms

log = logging.getLogger(__name__)

POINTS_SHOWN: Final = 96
SHORTEST: Final = timedelta(hours=3)
LONGEST: Final = timedelta(days=4)
# Pictures that are far apart in time are read apart; a page with more groups than this asks for the oldest ones once they are looked at.
MAX_READS: Final = 6
MAX_SPAN_MS: Final = int(timedelta(days=6) / timedelta(milliseconds=1))
KEEP_FINISHED_S: Final = 24 * 3600
KEEP_GROWING_S: Final = 30


@dataclass(frozen=True)
class Wanted:
    """One picture: of which anomaly of which series, over what, and whether its whole range is past."""

    key: str
    anomaly_id: int
    series: int
    window: Window
    is_finished: bool


@dataclass(frozen=True)
class Sparks:
    """Pictures by anomaly id, for those that have points; and of whom there was no time to draw one."""

    drawn: Mapping[int, Spark]
    later: frozenset[int]


def wanted(anomaly: Anomaly, now: datetime) -> Wanted | None:
    """What to draw for an anomaly of a series; None for the other types."""
    if anomaly.metric is None or anomaly.metric_id is None or anomaly.started_at is None:
        return None
    before = timedelta(seconds=POINTS_SHOWN * (anomaly.metric.resolution_s or 60.0))
    before = min(max(before, SHORTEST), LONGEST)
    last = anomaly.ended_at or now
    wanted_end = min(max(last, anomaly.started_at) + before / 3, anomaly.started_at + 2 * before)
    window = Window(
        start_ms=unix_ms(anomaly.started_at - before),
        end_ms=unix_ms(min(now, wanted_end)) + 1,
        hit_start_ms=unix_ms(anomaly.started_at),
        hit_end_ms=unix_ms(anomaly.ended_at),
        peak_ms=unix_ms(anomaly.peak_at),
    )
    key = f"spark:{anomaly.pk}:{window.hit_end_ms}:{window.peak_ms}"
    return Wanted(key, anomaly.pk, anomaly.metric_id, window, anomaly.ended_at is not None and wanted_end < now)


def sparks(org_id: int, anomalies: Iterable[Anomaly], now: datetime) -> Sparks:
    """At most MAX_READS reads of the point store, none when all are remembered."""
    asked = [want for anomaly in anomalies if (want := wanted(anomaly, now))]
    known = _remembered([want.key for want in asked])
    missing = [want for want in asked if want.key not in known]
    drawn = {want.key: spark for group in grouped(missing)[:MAX_READS] for want, spark in _drawn(org_id, group)}
    _remember([(want, drawn[want.key]) for want in missing if want.key in drawn])
    found = known | drawn
    return Sparks(
        drawn={want.anomaly_id: spark for want in asked if (spark := found.get(want.key))},
        later=frozenset(want.anomaly_id for want in asked if want.key not in found),
    )


def grouped(wants: Sequence[Wanted]) -> list[list[Wanted]]:
    """The pictures in groups that span at most MAX_SPAN_MS each, the newest group first."""
    groups: list[list[Wanted]] = []
    for want in sorted(wants, key=lambda want: want.window.end_ms, reverse=True):
        if not groups or groups[-1][0].window.end_ms - want.window.start_ms > MAX_SPAN_MS:
            groups.append([])
        groups[-1].append(want)
    return groups


def _drawn(org_id: int, group: list[Wanted]) -> list[tuple[Wanted, Spark | None]]:
    start, end = min(want.window.start_ms for want in group), max(want.window.end_ms for want in group)
    series = sorted({want.series for want in group})
    read = points.read(org_id, series, start, end)
    verdicts = points.read_verdicts(org_id, series, start, end)
    return [(want, picture(want.window, read[want.series], verdicts[want.series])) for want in group]


def picture(window: Window, read: points.Points, verdicts: points.Verdicts) -> Spark | None:
    """The picture of one series over a window, with the band that the detector expected."""
    band = Band(verdicts.timestamps_ms, verdicts.lower, verdicts.upper)
    return sparkline(read.timestamps_ms, read.values, window, band=band)


def _remembered(keys: list[str]) -> dict[str, Spark | None]:
    try:
        return dict(cache.get_many(keys)) if keys else {}
    except (RedisError, OSError):
        log.warning("cache away: sparklines are drawn anew")
        return {}


def _remember(drawn: list[tuple[Wanted, Spark | None]]) -> None:
    """A picture to which nothing can be added is kept for a day, any other for half a minute."""
    try:
        for is_finished, seconds in ((False, KEEP_GROWING_S), (True, KEEP_FINISHED_S)):
            batch = {want.key: spark for want, spark in drawn if want.is_finished is is_finished}
            if batch:
                cache.set_many(batch, timeout=seconds)
    except (RedisError, OSError):
        log.warning("cache away: sparklines are not kept")
