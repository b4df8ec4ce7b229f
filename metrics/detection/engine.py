"""The detector as a batch of series per call: points and states in, verdicts out.

A state is a record of `STATE`, one per series, at most 8 kB, without pointers: it can be stored and loaded as bytes. A verdict is a
record of `VERDICT`. Everything depends only on the points in their order, on when each was received and on the clock given to
`tick`; how points are grouped into calls changes no bit. The rules are in the README of this package.

Importing this module needs numpy only; the kernels are compiled, or loaded from numba's cache, at the first `advance` or `tick`.
"""

from __future__ import annotations

import hashlib
import os
import sys
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from metrics.detection import constants as k
from metrics.detection.layout import (
    ABSENT,
    ATTRIBUTES,
    BACKFILL,
    CLOCK,
    CLOSE,
    ESCALATE,
    EXTEND,
    FEATURES,
    GAP,
    KINDS,
    LABELS,
    LATE,
    LEARNING,
    LIVE,
    MERGED,
    OPEN,
    PENDING,
    SCORED,
    STATE,
    VERDICT,
    VERSION,
    WARMING,
    WORK,
)
from metrics.detection.outlook import Outlook, outlook

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType

    from numpy.typing import ArrayLike, NDArray

__all__ = [
    "ABSENT",
    "CLOSE",
    "ESCALATE",
    "EXTEND",
    "FEATURES",
    "GAP",
    "KINDS",
    "LABELS",
    "LATE",
    "LEARNING",
    "MERGED",
    "OPEN",
    "PENDING",
    "Outlook",
    "SCORED",
    "STATE",
    "THRESHOLDS",
    "VERDICT",
    "VERSION",
    "advance",
    "attributes",
    "is_compiled",
    "kernel_sources",
    "new_states",
    "outlook",
    "relearn",
    "set_aggregation",
    "set_sensitivity",
    "tick",
]

THRESHOLDS: Final = {"low": 3.2, "normal": 2.6, "high": 2.0}

_NEVER: Final = np.iinfo(np.int64).min // 2


_FOLDER: Final = Path(__file__).parent
# Modules of which nothing is compiled.
_PLAIN: Final = {"__init__.py", "engine.py", "outlook.py"}


def kernel_sources() -> list[Path]:
    """The files that the kernels are compiled from."""
    return sorted(path for path in _FOLDER.glob("*.py") if path.name not in _PLAIN)


def is_compiled() -> bool:
    """Whether the kernels are at hand, so that the first `advance` of this process takes a second or two and not half a minute."""
    return "metrics.detection.kernels" in sys.modules or any(_cache().rglob("kernels.advance-*.nbi"))


def _cache() -> Path:
    """Where the compiled kernels of this source are kept: numba itself looks at the file of the entry point only."""
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in kernel_sources())).hexdigest()
    return Path(os.environ.get("NUMBA_CACHE_DIR") or _FOLDER / "__pycache__") / f"detection-{digest[:16]}"


@cache
def _kernels() -> ModuleType:
    import numba

    config: Any = numba.config  # its names appear when numba reads the environment
    before = config.CACHE_DIR
    config.CACHE_DIR = str(_cache())
    try:
        return import_module("metrics.detection.kernels")
    finally:
        config.CACHE_DIR = before


def new_states(count: int) -> NDArray[np.void]:
    """`count` states of series that have no point yet, at normal sensitivity; ndarray of shape (count,), dtype `STATE`."""
    states = np.zeros(count, STATE)
    states["version"] = VERSION
    states["threshold"] = THRESHOLDS["normal"]
    states["newest_ms"] = states["closed_ms"] = _NEVER
    return states


def set_sensitivity(states: NDArray[np.void], rows: ArrayLike, sensitivity: str | float | Sequence[str | float] | NDArray[Any]) -> None:
    """Sets the surprise at which an alert starts: names of `THRESHOLDS` or positive numbers, one for all rows or one each.

    Raises: KeyError for an unknown name; ValueError for a threshold that is not positive.
    """
    given = [sensitivity] if isinstance(sensitivity, (str, float, int)) else list(sensitivity)
    thresholds = np.array([THRESHOLDS[one] if isinstance(one, str) else float(one) for one in given])
    if not (thresholds > 0).all():
        raise ValueError("A threshold must be positive.")
    states["threshold"][np.asarray(rows)] = thresholds if len(given) > 1 else thresholds[0]


def set_aggregation(states: NDArray[np.void], rows: ArrayLike, *, minutes_sum: bool) -> None:
    """Says whether points of one minute add up before they are scored. A change starts the learning anew."""
    changed = np.atleast_1d(np.asarray(rows, dtype=np.int64))
    changed = changed[states["minutes_sum"][changed] != minutes_sum]
    fresh = new_states(len(changed))
    fresh["threshold"] = states["threshold"][changed]
    fresh["minutes_sum"] = minutes_sum
    fresh["bin_width_ms"] = k.MINUTE_MS if minutes_sum else 0
    states[changed] = fresh


def relearn(states: NDArray[np.void], rows: ArrayLike) -> None:
    """Takes what the last points show as the normal level, from the next point on ("this is the new normal")."""
    states["reset_due"][np.asarray(rows, dtype=np.int64)] = 1


def advance(
    states: NDArray[np.void],
    rows: ArrayLike,
    timestamps_ms: ArrayLike,
    values: ArrayLike,
    received_ms: ArrayLike,
    *,
    backfill: ArrayLike | None = None,
) -> NDArray[np.void]:
    """Takes points in log order; `states` is advanced in place, no other argument is changed.

    rows : (n,) int64, index into `states`.  timestamps_ms : (n,) int64.  values : (n,) float64; NaN and infinity are gaps.
    received_ms : (n,) int64 or one number, when the point's request was received.  backfill : (n,) bool, history that says nothing
    about whether the series is alive; none by default.
    Returns: ndarray of `VERDICT`. In log order, for every point one record, preceded by the record of a silence that it ended (status
    ABSENT) and of a bin that it closed (timestamp = start of the bin), so at least n records.
    Raises: IndexError for a row outside `states`; ValueError for arrays of different length or states of another version.
    O(1) time and memory per point. For the mathematics see README.md.
    """
    row_of = np.ascontiguousarray(rows, dtype=np.int64)
    times = np.ascontiguousarray(timestamps_ms, dtype=np.int64)
    points = np.ascontiguousarray(values, dtype=np.float64)
    count = len(row_of)
    received = np.ascontiguousarray(np.broadcast_to(np.asarray(received_ms, dtype=np.int64), count))
    kinds = np.full(count, LIVE, np.uint8)
    if backfill is not None:
        kinds[np.broadcast_to(np.asarray(backfill, dtype=np.bool_), count)] = BACKFILL
    _check(states, row_of, times, points)
    return _run(states, row_of, times, points, received, kinds)


def tick(states: NDArray[np.void], now_ms: int, rows: ArrayLike | None = None) -> NDArray[np.void]:
    """What the clock alone decides at `now_ms` for `rows` (all by default): silences that start, summed minutes that are over.

    `states` is changed in place. Asking again at the same time gives nothing. Raises and costs as `advance`, per row.
    """
    chosen = np.arange(len(states)) if rows is None else np.ascontiguousarray(rows, dtype=np.int64)
    _check(states, chosen)
    count = len(chosen)
    clock = np.full(count, now_ms, np.int64)
    return _run(states, chosen, clock, np.full(count, np.nan), clock, np.full(count, CLOCK, np.uint8))


def attributes(states: NDArray[np.void]) -> NDArray[np.void]:
    """What the product shows of each series, (count,): step and cycle in seconds (0 = unknown, none), kind, whether still learning."""
    shown = np.zeros(len(states), ATTRIBUTES)
    known = states["mode"] != WARMING
    shown["resolution_s"] = np.where(known, states["step_ms"] / 1000.0, 0.0)
    shown["is_counter"] = states["is_counter"] != 0
    shown["learning"] = ~known | (states["last_ms"] - states["first_ms"] < 2 * states["cycle_ms"] * states["is_seasonal"])
    shown["learning"] |= states["is_alerting"] == 0
    shown["stale"] = states["is_silent"] != 0
    shown["last_ms"] = np.where(states["newest_ms"] == _NEVER, 0, states["newest_ms"])
    shown["points"] = states["seen"]
    shown["period_s"] = np.where(known & (states["is_seasonal"] != 0), states["cycle_ms"] / 1000.0, 0.0)
    rhythmic = known & (states["rhythm"] > 0) & (states["error"][:, 6] < states["error"][:, 4])
    shown["period_s"][rhythmic] = (states["rhythm"] * states["step_ms"] / 1000.0)[rhythmic]
    return shown


def _run(states: NDArray[np.void], *columns: NDArray[Any]) -> NDArray[np.void]:
    out, work = np.empty(3 * len(columns[0]), VERDICT), np.zeros(1, WORK)
    made: int = _kernels().advance(states, out, work, *columns)
    return out[:made]


def _check(states: NDArray[np.void], rows: NDArray[np.int64], *columns: NDArray[Any]) -> None:
    if states.dtype != STATE or not states.flags.c_contiguous or not states.flags.writeable:
        raise ValueError("States must be a writeable contiguous array of STATE.")
    if any(column.shape != rows.shape for column in columns) or rows.ndim != 1:
        raise ValueError("Rows, timestamps and values must be one-dimensional and of equal length.")
    if len(rows) and (rows.min() < 0 or rows.max() >= len(states)):
        raise IndexError("A row is outside the states.")
    if len(rows) and (states["version"][rows] != VERSION).any():
        raise ValueError("A state is of another version.")
