"""From findings to anomalies: open, extend, escalate and close in bulk, with a constant number of statements."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from functools import partial
from itertools import chain
from typing import Any, Final

from celery import current_app
from django.db import connection, transaction
from django.db.models import Sum
from django.db.models.functions import Coalesce

from anomalies.models import Anomaly
from anomalies.services.findings import Detector, Finding, Peak, higher
from anomalies.services.fingerprints import metric_fingerprint
from anomalies.services.history import DETECTOR, Changeset, Line, write_history
from anomalies.services.sleep import AWAKE, Occurrence, Problem, is_over, meet, sleep_of, sleeping, wake
from anomalies.services.weights import metric_weight
from anomalies.services.wording import described, sentence
from config.database.prepared import packed
from orgs.moments import from_unix_ms, iso_millis, unix_ms
from orgs.tenancy import Reason, across, within

RENDER_TASK: Final = "metrics.tasks.render_chart"
PICTURES_PER_STEP: Final = 50  # when everything breaks at once, the others are drawn when somebody looks

# Deleting a series waits until the step is over; the other way round, the step leaves the series out.
SERIES: Final = "SELECT id, org_id, datastore_id FROM metrics_metric WHERE id = ANY(%s) ORDER BY id FOR KEY SHARE"

# The newest anomaly of each excursion: after a sequel, the sequel.
NEWEST: Final = """
SELECT w.place, newest.id
FROM json_to_recordset(%s) AS w (place integer, org_id bigint, metric_id bigint, kind text, episode_at timestamptz)
CROSS JOIN LATERAL (
    SELECT a.id FROM anomalies_anomaly a
    WHERE a.org_id = w.org_id AND a.metric_id = w.metric_id AND a.type = 'metric' AND a.kind = w.kind AND a.episode_at = w.episode_at
    ORDER BY a.started_at DESC LIMIT 1
) AS newest
"""

COLUMNS: Final = {
    "weight": "integer",
    "weight_breakdown": "jsonb",
    "message": "text",
    "ended_at": "timestamptz",
    "peak_at": "timestamptz",
    "peak_value": "float8",
    "expected": "float8",
    "expected_lower": "float8",
    "expected_upper": "float8",
    "score": "float8",
    "detectors": "jsonb",
    "direction": "text",
    "fingerprint": "bigint",
}
BIRTH_COLUMNS: Final = COLUMNS | {
    "description": "text",
    "org_id": "bigint",
    "datastore_id": "bigint",
    "metric_id": "bigint",
    "kind": "text",
    "episode_at": "timestamptz",
    "started_at": "timestamptz",
    "is_backfilled": "boolean",
    "snoozed_at": "timestamptz",
    "snoozed_by_id": "bigint",
    "snooze_until": "timestamptz",
    "snooze_count": "integer",
    "snooze_weight": "integer",
    "snooze_back_in_band": "boolean",
}

OPEN: Final = f"""
INSERT INTO anomalies_anomaly
    (uuid, type, status, is_new, source_enriched, created, updated, {", ".join(BIRTH_COLUMNS)})
SELECT gen_random_uuid(), 'metric', 'Active', true, false, %s, %s, {", ".join(BIRTH_COLUMNS)}
FROM json_to_recordset(%s) AS born ({", ".join(f"{name} {kind}" for name, kind in BIRTH_COLUMNS.items())})
ON CONFLICT (metric_id, kind, started_at) WHERE type = 'metric' DO NOTHING
RETURNING id, org_id, metric_id, weight, started_at, peak_at, is_backfilled, snoozed_at
"""  # noqa: S608 - column names of this module

CHANGE: Final = f"""
UPDATE anomalies_anomaly AS a
SET updated = CASE WHEN now.is_told THEN %s ELSE a.updated END, {", ".join(f"{name} = now.{name}" for name in COLUMNS)}
FROM json_to_recordset(%s) AS now (id bigint, is_told boolean, {", ".join(f"{name} {kind}" for name, kind in COLUMNS.items())})
WHERE a.id = now.id
"""  # noqa: S608 - column names of this module

# What the history tells of a change; the rest of the columns follow from these.
TOLD: Final = ("score", "weight", "peak_value", "ended_at")
# A little more of the same is no news: it neither fills the history nor outdates what somebody is about to save.
NEWS: Final = ("weight", "ended_at")
NEWS_SCORE: Final = 5.0


@dataclass(frozen=True)
class Recorded:
    """What became of the findings of one step: ids of anomalies."""

    opened: tuple[int, ...] = ()
    changed: tuple[int, ...] = ()


@dataclass(frozen=True)
class Start:
    """Where an anomaly begins, and its peak so far."""

    at_ms: int
    peak: Peak


@dataclass(frozen=True)
class Home:
    """Where a series lives."""

    org_id: int
    datastore_id: int


def record(findings: Sequence[Finding], *, now: datetime) -> Recorded:
    """Opens, extends, escalates and closes, with the history of each, in the caller's transaction.

    Doing it twice changes nothing. Series that no longer exist are left out. An archived anomaly only learns when it ended; if its
    excursion escalates, a new anomaly begins there. So it does where an excursion that imported history began goes on live: what
    happens now must not hide behind what nobody was told of. Pictures of what was opened live are ordered on commit.
    """
    if not findings:
        return Recorded()
    homes = homes_of({finding.series for finding in findings})
    by_org: dict[int, list[Finding]] = {}
    for finding in (one for one in findings if one.series in homes):
        by_org.setdefault(homes[finding.series].org_id, []).append(finding)
    done = [record_org(org_id, by_org[org_id], homes, now=now) for org_id in sorted(by_org)]
    return Recorded(opened=tuple(chain(*(one.opened for one in done))), changed=tuple(chain(*(one.changed for one in done))))


def record_org(org_id: int, findings: Sequence[Finding], homes: Mapping[int, Home], *, now: datetime) -> Recorded:
    """The same for the findings of one org, in its name."""
    with within(org_id):
        past = record_part([finding for finding in findings if finding.backfilled], homes, now=now)
        present = record_part([finding for finding in findings if not finding.backfilled], homes, now=now)
    return Recorded(opened=past.opened + present.opened, changed=past.changed + present.changed)


def record_part(findings: Sequence[Finding], homes: Mapping[int, Home], *, now: datetime) -> Recorded:
    """The same for findings of which each is about another excursion."""
    if not findings:
        return Recorded()
    sleepers = sleeping({problem_of(finding, homes) for finding in findings if not finding.backfilled})
    standing, asleep = standing_anomalies(findings, homes, also=sleepers)
    births, changes = [], []
    for place, finding in enumerate(findings):
        anomaly = standing.get(place)
        if start := beginning(finding, anomaly):
            births.append(birth_of(finding, homes[finding.series], start=start))
        if anomaly is not None and (changed := changed_by(finding, anomaly, successor=start)):
            changes.append((anomaly, changed))
    put_to_sleep(births, asleep, now=now)
    return Recorded(opened=open_all(births, now=now), changed=change_all(changes, now=now))


def homes_of(series: Iterable[int]) -> dict[int, Home]:
    with across(Reason.DETECTION), connection.cursor() as cursor:
        cursor.execute(SERIES, [sorted(series)])
        return {pk: Home(org_id, datastore_id) for pk, org_id, datastore_id in cursor.fetchall()}


def problem_of(finding: Finding, homes: Mapping[int, Home]) -> Problem:
    return homes[finding.series].org_id, metric_fingerprint(finding.series, direction=finding.direction)


def standing_anomalies(
    findings: Sequence[Finding], homes: Mapping[int, Home], *, also: Sequence[int] = ()
) -> tuple[dict[int, Anomaly], list[Anomaly]]:
    """By place in `findings`, the newest anomaly of the excursion, and those with the ids `also`: all locked in order of id, as all
    bulk changes lock.
    """
    wanted = [
        {
            "place": place,
            "org_id": homes[finding.series].org_id,
            "metric_id": finding.series,
            "kind": finding.kind,
            "episode_at": from_unix_ms(finding.episode_ms),
        }
        for place, finding in enumerate(findings)
    ]
    with connection.cursor() as cursor:
        cursor.execute(NEWEST, [packed(wanted)])
        places = {pk: place for place, pk in cursor.fetchall()}
    rows = list(Anomaly.objects.filter(pk__in=[*places, *also]).order_by("pk").select_for_update(no_key=True))
    return {places[one.pk]: one for one in rows if one.pk in places}, [one for one in rows if one.pk in set(also)]


def is_settled(anomaly: Anomaly) -> bool:
    """Whether people are done with it."""
    return anomaly.is_archived or anomaly.deleted is not None


def beginning(finding: Finding, anomaly: Anomaly | None) -> Start | None:
    """Where a new anomaly begins, if one does, beside the newest that the excursion has."""
    escalation = None
    if finding.escalated_ms is not None and finding.escalated_peak is not None:
        escalation = Start(finding.escalated_ms, finding.escalated_peak)
    if anomaly is None:
        return Start(finding.episode_ms, finding.peak) if finding.opened and finding.peak else escalation
    if is_settled(anomaly):
        return escalation
    if anomaly.is_backfilled and not finding.backfilled and finding.peak:
        return Start(finding.first_ms, finding.peak)
    return None


def birth_of(finding: Finding, home: Home, *, start: Start) -> dict[str, Any]:
    """The row of a new anomaly."""
    peak, started_ms = start.peak, start.at_ms
    end_ms = finding.ended_ms if finding.ended_ms is None else max(finding.ended_ms, started_ms)
    state = state_of(
        peak,
        kind=finding.kind,
        direction=finding.direction,
        started_ms=started_ms,
        end_ms=end_ms,
        until_ms=end_ms or finding.last_ms,
        tags=0,
    )
    return state | {
        "description": described(state["message"], peak),
        "org_id": home.org_id,
        "datastore_id": home.datastore_id,
        "metric_id": finding.series,
        "kind": finding.kind,
        "direction": finding.direction,
        "fingerprint": metric_fingerprint(finding.series, direction=finding.direction),
        "episode_at": from_unix_ms(finding.episode_ms),
        "started_at": from_unix_ms(started_ms),
        "is_backfilled": finding.backfilled,
        **AWAKE,
    }


def put_to_sleep(births: Sequence[dict[str, Any]], asleep: Sequence[Anomaly], *, now: datetime) -> None:
    """Tells those that sleep of the new occurrences of their problems, and lets these sleep along. Imported history wakes nobody."""
    live = [birth for birth in births if not birth["is_backfilled"]]
    found = [
        Occurrence((birth["org_id"], birth["fingerprint"]), birth["weight"], is_out_of_band=birth["ended_at"] is None) for birth in live
    ]
    for birth, sleep in zip(live, meet(asleep, found, now=now), strict=True):
        birth.update(sleep.fields if sleep else {})


def changed_by(finding: Finding, anomaly: Anomaly, *, successor: Start | None) -> Finding | None:
    """The finding, cut down to what may still change the anomaly; None when nothing may."""
    if successor is None and not is_settled(anomaly):
        return finding
    end_ms = successor.at_ms if successor else finding.ended_ms
    return None if anomaly.ended_at or end_ms is None else replace(finding, peak=None, ended_ms=end_ms)


def change_all(changes: Sequence[tuple[Anomaly, Finding]], *, now: datetime) -> tuple[int, ...]:
    """Brings anomalies up to date; the ids of those that something people see has changed of."""
    if not changes:
        return ()
    tags = tag_points([anomaly.pk for anomaly, _ in changes])
    rows, lines, woken = [], [], []
    for anomaly, finding in changes:
        after = after_finding(anomaly, finding, tags=tags.get(anomaly.pk, 0))
        sleep = sleep_of(anomaly)
        if sleep is not None and is_over(sleep.snooze, weight=after["weight"], has_ended=after["ended_at"] is not None):
            woken.append(anomaly)
        told = differences(anomaly, after)
        if told:
            rows.append(after | {"id": anomaly.pk, "is_told": is_news(told)})
        if is_news(told):
            lines.append(Line(anomaly.org_id, anomaly.pk, told))
    if rows:
        with connection.cursor() as cursor:
            cursor.execute(CHANGE, [now, packed(rows)])
        write_history(lines, actor=DETECTOR, at=now)
    wake(woken, now=now)
    return tuple(row["id"] for row in rows)


def is_news(told: Changeset) -> bool:
    before, after = told.get("score", (0.0, 0.0))
    return any(name in told for name in NEWS) or float(str(after)) - float(str(before)) >= NEWS_SCORE


def after_finding(anomaly: Anomaly, finding: Finding, *, tags: int) -> dict[str, Any]:
    """The columns of the anomaly as the finding leaves them."""
    peak, direction = peak_in(anomaly), anomaly.direction
    if finding.peak is not None:
        direction = finding.direction
        peak = higher(peak, finding.peak, direction)
    started_ms = unix_ms(anomaly.started_at) or finding.episode_ms
    end_ms = None if finding.ended_ms is None else max(finding.ended_ms, started_ms)
    state = state_of(
        peak,
        kind=anomaly.kind,
        direction=direction,
        started_ms=started_ms,
        end_ms=end_ms,
        until_ms=end_ms or finding.last_ms,
        tags=tags,
    )
    return state | {"direction": direction, "fingerprint": metric_fingerprint(finding.series, direction=direction)}


def state_of(peak: Peak, *, kind: str, direction: str, started_ms: int, end_ms: int | None, until_ms: int, tags: int) -> dict[str, Any]:
    """The columns that follow from the peak and the time. `until_ms` is up to when it is known to last."""
    lasted_s = max(0, until_ms - started_ms) / 1000
    weight = metric_weight(peak.score, duration_s=lasted_s, tags=tags)
    return {
        "weight": weight.total,
        "weight_breakdown": weight.breakdown,
        "message": sentence(kind, peak=peak, direction=direction, started_ms=started_ms, lasted_s=lasted_s if end_ms else 0.0),
        "ended_at": from_unix_ms(end_ms),
        "peak_at": from_unix_ms(peak.at_ms),
        "peak_value": peak.value,
        "expected": peak.expected,
        "expected_lower": peak.lower,
        "expected_upper": peak.upper,
        "score": peak.score,
        "detectors": [asdict(detector) for detector in peak.detectors],
    }


def peak_in(anomaly: Anomaly) -> Peak:
    return Peak(
        at_ms=unix_ms(anomaly.peak_at) or 0,
        score=anomaly.score or 0.0,
        value=anomaly.peak_value,
        expected=anomaly.expected,
        lower=anomaly.expected_lower,
        upper=anomaly.expected_upper,
        detectors=tuple(Detector(one["name"], one.get("label", ""), one["score"]) for one in anomaly.detectors),
    )


def differences(anomaly: Anomaly, after: Mapping[str, Any]) -> Changeset:
    before = {name: getattr(anomaly, name) for name in TOLD}
    return {name: (text_of(before[name]), text_of(after[name])) for name in TOLD if before[name] != after[name]}


def open_all(births: Sequence[dict[str, Any]], *, now: datetime) -> tuple[int, ...]:
    if not births:
        return ()
    with connection.cursor() as cursor:
        cursor.execute(OPEN, [now, now, packed(births)])
        born = cursor.fetchall()
    lines = [birth_line(org_id, pk, weight, is_asleep=asleep is not None) for pk, org_id, _, weight, *_, asleep in born]
    write_history(lines, actor=DETECTOR, at=now)
    live = [(metric_id, started_at, peak_at) for _, _, metric_id, _, started_at, peak_at, is_backfilled, _ in born if not is_backfilled]
    transaction.on_commit(partial(order_pictures, live[:PICTURES_PER_STEP]), robust=True)
    return tuple(row[0] for row in born)


def birth_line(org_id: int, pk: int, weight: int, *, is_asleep: bool) -> Line:
    return Line(org_id, pk, {"status": (None, "Active"), "weight": (None, weight)}, is_asleep=is_asleep)


def order_pictures(live: Sequence[tuple[int, datetime, datetime]]) -> None:
    """Asks workers to draw each series around the start: (metric, started_at, peak_at).

    The first failure ends it: each would wait for the same broker. What was not ordered is drawn when somebody looks.
    """
    for metric_id, started_at, peak_at in live:
        current_app.send_task(RENDER_TASK, args=[metric_id, unix_ms(started_at), unix_ms(peak_at)], retry=False, expires=120)


def tag_points(anomaly_ids: Sequence[int]) -> dict[int, int]:
    """By anomaly, the sum of its tags' modifiers; anomalies without tags are left out."""
    if not anomaly_ids:
        return {}
    sums = Anomaly.objects.filter(pk__in=anomaly_ids, global_tags__isnull=False).order_by()
    return dict(sums.annotate(points=Coalesce(Sum("global_tags__weight_modifier"), 0)).values_list("pk", "points"))


def text_of(value: object) -> object:
    return iso_millis(value) if isinstance(value, datetime) else value
