"""What is expected of a series after its newest point: its detector's state, brought up to date and carried on.

The state is the one that the detection loop saved last, some minutes old at most, taken through the points that have come since. A series
that was not saved yet is learned from its stored points, as after `manage.py detector rebuild`.
"""

import logging
from dataclasses import dataclass
from typing import Final

import numpy as np
import redis
from django.core.cache import cache
from django.utils import timezone
from numpy.typing import NDArray

from metrics import points
from metrics.arrays import DAY_MS
from metrics.detection import constants, engine
from metrics.models import Metric
from metrics.shards import saved
from orgs.moments import unix_ms

log = logging.getLogger(__name__)

DEFAULT_S: Final = 86_400
MOST_S: Final = 7 * 86_400
MOST_POINTS: Final = 10_000
# A series that was never saved is learned from so much of its past: four weeks, after which a memory of the week holds little else.
# What was saved is that far behind at most.
LEARNED_MS: Final = 28 * DAY_MS
LEARNED_POINTS: Final = 100_000
KEPT_S: Final = 30


@dataclass(frozen=True)
class Ahead:
    """What is expected, and of what: `newest_ms` is the newest point that is known of (None: none); while `is_learning` it is empty."""

    outlook: engine.Outlook
    newest_ms: int | None
    is_learning: bool


def ahead_of(metric: Metric, *, horizon_s: int, before_ms: int | None = None) -> Ahead:
    """The next `horizon_s` seconds after the newest point, those before `before_ms`; at most MOST_POINTS points."""
    state = _state_of(metric)[0]
    newest_ms = int(state["newest_ms"]) if state["seen"] else None
    is_learning = bool(engine.attributes(state.reshape(1))["learning"][0])
    until_ms = 0 if newest_ms is None or is_learning else newest_ms + 1000 * horizon_s
    if before_ms is not None:
        until_ms = min(until_ms, before_ms - 1)
    return Ahead(engine.outlook(state, until_ms=until_ms, most=MOST_POINTS), newest_ms, is_learning)


def _state_of(metric: Metric) -> NDArray[np.void]:
    """The series' state as of its newest point; shape (1,)."""
    key = f"outlook:{metric.pk}:{engine.VERSION}"
    kept = _cached(key)
    if kept is not None:
        return _brought_up(metric, np.frombuffer(kept, engine.STATE))
    state = _brought_up(metric, saved.state_of(metric.pk))
    _keep(key, state.tobytes())
    return state


def _brought_up(metric: Metric, state: NDArray[np.void] | None) -> NDArray[np.void]:
    """The state taken through the points that have come since. As it is, while the detector is not compiled: that would take too long."""
    now_ms = unix_ms(timezone.now())
    known = engine.new_states(1) if state is None else state.copy()
    since_ms = max(now_ms - _past_ms(metric), int(known["newest_ms"][0]) + 1)
    new = points.read(metric.org_id, [metric.pk], since_ms, now_ms + DAY_MS)[metric.pk]
    is_enough = known["seen"][0] + new.values.size >= constants.WARM_UP
    if new.values.size and is_enough and engine.is_compiled():
        rows = np.zeros(new.values.size, np.int64)
        engine.advance(known, rows, new.timestamps_ms, new.values, 0, backfill=True)
    return known


def _past_ms(metric: Metric) -> int:
    return min(LEARNED_MS, int(LEARNED_POINTS * 1000 * (metric.resolution_s or 60.0)))


def _cached(key: str) -> bytes | None:
    try:
        kept: bytes | None = cache.get(key)
    except redis.RedisError:
        return None
    return kept


def _keep(key: str, state: bytes) -> None:
    try:
        cache.set(key, state, KEPT_S)
    except redis.RedisError:
        log.warning("an outlook was made but not kept: the cache is away")
