"""One step of a shard: orders, then points, then the clock. The same steps from the same states end in the same states, bit for bit."""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from metrics.arrays import Bools, Ints
from metrics.detection import constants, engine
from metrics.detection.layout import CLOSE, SILENCE
from metrics.points import LogSlice, Points
from metrics.shards.clock import clock_after, holes
from metrics.shards.states import UNKNOWN, ShardStates

HISTORY: Final = "history"  # argument of an order to rebuild, when the reason is history that came late

# The stored points of a series (id, org id) that are older than a time in ms.
History = Callable[[int, int, int], Points]


@dataclass(frozen=True)
class Order:
    """What somebody wants a detector to do: an operation of `DetectionOrder.Op`, on one series."""

    op: str
    series: int
    argument: str = ""


@dataclass(frozen=True)
class Step:
    """Everything that decides what a step does.

    `now_ms`: whatever was received before it is in `log` or was in an earlier step's; so it is no later than the oldest request that
    `log` leaves behind. `clock_ms`: the detector's clock before the step.
    """

    seq: int
    now_ms: int
    clock_ms: int
    pause_ms: int
    log: LogSlice
    orders: tuple[Order, ...] = ()

    @property
    def clock_after_ms(self) -> int:
        return clock_after(self.log.received_ms, clock_ms=self.clock_ms, now_ms=self.now_ms)


@dataclass(frozen=True)
class StepVerdicts:
    """What a step found, in arrays of one length: each series' verdicts in order of time.

    `ended_ms` says when an excursion that a verdict closes was over; elsewhere it means nothing.
    """

    verdicts: NDArray[np.void]
    series: Ints
    orgs: Ints
    ended_ms: Ints
    backfill: Bools


@dataclass
class _Parts:
    """Verdicts of the calls of one step, before they are joined."""

    verdicts: list[NDArray[np.void]] = field(default_factory=list)
    ended_ms: list[Ints] = field(default_factory=list)
    backfill: list[Bools] = field(default_factory=list)


def take_step(shard: ShardStates, step: Step, *, history: History) -> StepVerdicts:
    """Takes a step with every row that has not taken it yet. `shard` is changed in place.

    `history` is asked only for series that are to be learned anew.
    """
    parts = _Parts()
    obey(shard, step, history, parts)
    newcomers = np.unique(step.log.series)
    newcomers = newcomers[shard.rows_of(newcomers) == UNKNOWN]
    if len(newcomers):
        shard.allot(newcomers, done=step.seq - 1)
    take_points(shard, step, parts)
    due = np.flatnonzero((shard.series[: shard.size] > 0) & (shard.done[: shard.size] < step.seq))
    keep(parts, shard, engine.tick(shard.states, step.clock_after_ms, due), backfill=False)
    shard.done[: shard.size] = np.maximum(shard.done[: shard.size], step.seq)
    return joined(shard, parts)


def obey(shard: ShardStates, step: Step, history: History, parts: _Parts) -> None:
    for order in step.orders:
        row = int(shard.rows_of(np.array([order.series]))[0])
        if row == UNKNOWN and order.op == "sensitivity":
            shard.allot(np.array([order.series]), done=step.seq - 1)
            row = int(shard.rows_of(np.array([order.series]))[0])
        if row == UNKNOWN or shard.done[row] >= step.seq:
            continue
        if order.op == "sensitivity":
            engine.set_sensitivity(shard.states, [row], order.argument)
        elif order.op == "relearn":
            engine.relearn(shard.states, [row])
        elif order.op == "drop":
            shard.drop(np.array([row]))
        elif order.op == "rebuild" and order.argument == HISTORY:
            take_late(shard, row, history, parts)
        elif order.op == "rebuild":
            rebuild(shard, row, history)


def take_late(shard: ShardStates, row: int, history: History, parts: _Parts) -> None:
    """Rebuilds. Of a series that was not judged yet, what is found is told as found in history; of another it has been told."""
    was_judged = bool(shard.states["is_alerting"][row])
    verdicts = rebuild(shard, row, history)
    if was_judged:
        # What is open in the new state nobody was told of: if it goes on, it begins with the next point.
        shard.states["is_open"][row] = 0
    else:
        keep(parts, shard, verdicts[verdicts["event"] != 0], backfill=True)


def rebuild(shard: ShardStates, row: int, history: History) -> NDArray[np.void]:
    """A fresh state that has seen the stored points up to the newest that the old one had seen; their verdicts."""
    old = shard.states[row].copy()
    threshold, is_sum = float(old["threshold"]), bool(old["minutes_sum"])
    until_ms = int(old["newest_ms"]) + 1 if old["seen"] else np.iinfo(np.int64).max
    past = history(int(shard.series[row]), int(shard.orgs[row]), until_ms)
    shard.states[row] = engine.new_states(1)[0]
    engine.set_sensitivity(shard.states, [row], threshold)
    engine.set_aggregation(shard.states, [row], minutes_sum=is_sum)
    rows = np.full(len(past.values), row)
    verdicts = engine.advance(shard.states, rows, past.timestamps_ms, past.values, 0, backfill=True)
    for name in ("arrival_ms", "is_live", "is_silent", "silence_ms"):
        shard.states[name][row] = old[name]
    return verdicts


def take_points(shard: ShardStates, step: Step, parts: _Parts) -> None:
    """Advances the due rows, stretch by stretch: between two stretches the clock stood still, or a series turned into sums."""
    log = step.log
    rows = shard.rows_of(log.series)
    stops = dict(holes(log.received_ms, clock_ms=step.clock_ms, now_ms=step.now_ms, pause_ms=step.pause_ms))
    due = shard.done[rows] < step.seq
    sums = turns_into_sums(shard, rows, log, due)
    shard.orgs[rows[due]] = log.org_ids[due]
    for start, end in stretches(log, stops, sums):
        stand_still(shard, step, stops.get(start, 0))
        if start in sums:
            engine.set_aggregation(shard.states, sums[start], minutes_sum=True)
        mine = np.flatnonzero(due[start:end]) + start
        if len(mine):
            taken = (log.timestamps_ms[mine], log.values[mine], log.received_ms[mine])
            is_history = bool(log.backfill[start])
            keep(parts, shard, engine.advance(shard.states, rows[mine], *taken, backfill=is_history), backfill=is_history)
    stand_still(shard, step, stops.get(len(log.series), 0))
    newest = due & (shard.states["newest_ms"][rows] == log.timestamps_ms) & (shard.states["minutes_sum"][rows] == 0)
    shard.last_values[rows[newest]] = log.values[newest]


def note_sums(shard: ShardStates, verdicts: NDArray[np.void]) -> None:
    """Of series that add up, the last value is that of the newest minute that is over, and what comes for it late; before one is, the sum
    so far."""
    told = verdicts[shard.states["minutes_sum"][verdicts["row"]] != 0]
    of_closed = told[told["timestamp_ms"] == shard.states["closed_ms"][told["row"]]]
    over = of_closed[~np.isin(of_closed["status"], (engine.LATE, engine.PENDING, engine.ABSENT))]
    shard.last_values[over["row"]] = over["value"]
    late = of_closed[of_closed["status"] == engine.LATE]
    np.add.at(shard.last_values, late["row"], np.nan_to_num(late["value"]))
    rows = np.unique(told["row"])
    first = rows[(shard.states["closed_ms"][rows] < 0) & (shard.states["bin_count"][rows] > 0)]
    shard.last_values[first] = shard.states["bin_sum"][first]


def stand_still(shard: ShardStates, step: Step, length_ms: int) -> None:
    """Moves the last arrivals of the due rows, so that a time in which nobody listened is not counted as silence."""
    if length_ms:
        due = (shard.series[: shard.size] > 0) & (shard.done[: shard.size] < step.seq) & (shard.states["is_live"][: shard.size] != 0)
        shard.states["arrival_ms"][np.flatnonzero(due)] += length_ms


def turns_into_sums(shard: ShardStates, rows: Ints, log: LogSlice, due: Bools) -> dict[int, list[int]]:
    """By place in the log, the rows whose first point to be summed per minute is there; 0 for those with no other point before it."""
    fresh = np.flatnonzero(log.sum & due & (shard.states["minutes_sum"][rows] == 0))
    turning, firsts = np.unique(rows[fresh], return_index=True)
    begun, begins = np.unique(rows, return_index=True)
    first_point = dict(zip(begun.tolist(), begins.tolist(), strict=True)) if len(turning) else {}
    found: dict[int, list[int]] = {}
    for row, place in zip(turning.tolist(), fresh[firsts].tolist(), strict=True):
        found.setdefault(0 if first_point[row] == place else place, []).append(row)
    return found


def stretches(log: LogSlice, stops: dict[int, int], sums: dict[int, list[int]]) -> Iterator[tuple[int, int]]:
    count = len(log.series)
    changes = np.flatnonzero(np.diff(log.backfill)) + 1
    cuts = sorted({0, count, *changes.tolist(), *(place for place in stops if place < count), *sums})
    return itertools.pairwise(cuts)


def keep(parts: _Parts, shard: ShardStates, verdicts: NDArray[np.void], *, backfill: bool) -> None:
    note_sums(shard, verdicts)
    parts.verdicts.append(verdicts)
    parts.ended_ms.append(ends(shard, verdicts))
    parts.backfill.append(np.full(len(verdicts), backfill))


def ends(shard: ShardStates, verdicts: NDArray[np.void]) -> Ints:
    """When what a verdict closes was over: with the first of the calm points that closed it; a silence, with the point that broke it."""
    times = verdicts["timestamp_ms"]
    calm_ms = (constants.CLOSE_AFTER - 1) * shard.states["step_ms"][verdicts["row"]]
    ended: Ints = np.maximum(times - calm_ms, verdicts["episode_ms"])
    for place in np.flatnonzero((verdicts["event"] & CLOSE != 0) & (verdicts["kind"] == SILENCE)).tolist():
        following = [
            later for later in (place + 1, place + 2) if later < len(verdicts) and verdicts["row"][later] == verdicts["row"][place]
        ]
        ended[place] = next((times[later] for later in following if times[later] > times[place]), times[place])
    return ended


def joined(shard: ShardStates, parts: _Parts) -> StepVerdicts:
    verdicts = np.concatenate(parts.verdicts) if parts.verdicts else np.empty(0, engine.VERDICT)
    return StepVerdicts(
        verdicts=verdicts,
        series=shard.series[verdicts["row"]],
        orgs=shard.orgs[verdicts["row"]],
        ended_ms=np.concatenate([np.zeros(0, np.int64), *parts.ended_ms]),
        backfill=np.concatenate([np.zeros(0, np.bool_), *parts.backfill]),
    )
