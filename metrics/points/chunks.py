"""Chunks as rows: hour chunks of a block of neighbouring series, day chunks of one series with counters for roll-ups."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from metrics.arrays import DAY_MS, HOUR_MS, Floats, Ints
from metrics.points.codec import pack_floats, pack_ints, unpack_floats, unpack_ints
from metrics.points.families import BLOCK, BLOCK_BITS
from metrics.points.merge import Run


@dataclass(frozen=True)
class HourChunk:
    """One block's points of one hour: `members` says which series of the block, and how many points of each."""

    block: int
    t0: int
    n: int
    members: bytes
    timestamps: bytes
    data: bytes


@dataclass(frozen=True)
class DayChunk:
    """One series' points of one day (UTC). Regular ones (`step_ms` > 0) store no timestamps.

    `count`, `least`, `most` and `total` are those of the first column without its NaN values; the last three are None when all are NaN.
    """

    series_id: int
    t0: int
    n: int
    first_ms: int
    step_ms: int
    count: int
    least: float | None
    most: float | None
    total: float | None
    timestamps: bytes | None
    data: bytes


def hour_chunks(run: Run) -> Iterator[HourChunk]:
    """The hour chunks that a run fills, each block-hour once."""
    block, hour = run.series >> BLOCK_BITS, run.timestamps_ms // HOUR_MS
    order = np.lexsort((hour, block))
    starts, ends = _groups(block[order], hour[order])
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        picked = np.sort(order[start:end])
        yield _hour_chunk(run.series[picked], run.timestamps_ms[picked], run.data[:, picked])


def day_chunks(run: Run) -> Iterator[DayChunk]:
    """The day chunks that a run fills, each series-day once."""
    days = run.timestamps_ms // DAY_MS
    starts, ends = _groups(run.series, days)
    counters = _counters(run.data[0], starts)
    for position, (start, end) in enumerate(zip(starts.tolist(), ends.tolist(), strict=True)):
        times = run.timestamps_ms[start:end]
        step = _step_of(times)
        count, least, most, total = (column[position] for column in counters)
        yield DayChunk(
            series_id=int(run.series[start]),
            t0=int(days[start]) * DAY_MS,
            n=end - start,
            first_ms=int(times[0]),
            step_ms=step,
            count=int(count),
            least=float(least) if count else None,
            most=float(most) if count else None,
            total=float(total) if count else None,
            timestamps=None if step else pack_ints(times, delta=True, squeeze=True),
            data=pack_floats(run.data[:, start:end].ravel()),
        )


def unpack_members(block: int, members: bytes) -> tuple[Ints, Ints]:
    """The series ids of an hour chunk, and how many points each has."""
    size = members[0]
    offsets = np.frombuffer(members, np.uint8, size, 1).astype(np.int64)
    return (block << BLOCK_BITS) + offsets, unpack_ints(members[1 + size :], size)


def unpack_hour(chunk: HourChunk, columns: int) -> Run:
    series, counts = unpack_members(chunk.block, chunk.members)
    data = unpack_floats(chunk.data, columns * chunk.n).reshape(columns, chunk.n)
    return Run(np.repeat(series, counts), unpack_ints(chunk.timestamps, chunk.n), data)


def day_times(n: int, first_ms: int, step_ms: int, timestamps: bytes | None) -> Ints:
    """The times of a day chunk's points, unix milliseconds, shape (n,)."""
    if timestamps is None:
        return np.arange(n, dtype=np.int64) * step_ms + first_ms
    return unpack_ints(timestamps, n)


def joined(runs: list[Run], columns: int) -> Run:
    """Runs one after the other, unmerged."""
    if not runs:
        return Run(np.empty(0, np.int64), np.empty(0, np.int64), np.empty((columns, 0)))
    return Run(
        np.concatenate([run.series for run in runs]),
        np.concatenate([run.timestamps_ms for run in runs]),
        np.concatenate([run.data for run in runs], axis=1),
    )


def _hour_chunk(series: Ints, times: Ints, data: Floats) -> HourChunk:
    starts, ends = _groups(series)
    offsets = (series[starts] % BLOCK).astype(np.uint8)
    return HourChunk(
        block=int(series[0]) >> BLOCK_BITS,
        t0=int(times[0]) // HOUR_MS * HOUR_MS,
        n=series.size,
        members=bytes([starts.size]) + offsets.tobytes() + pack_ints(ends - starts),
        timestamps=pack_ints(times, delta=True, squeeze=True),
        data=pack_floats(data.ravel()),
    )


def _groups(*keys: Ints) -> tuple[Ints, Ints]:
    """Starts and ends of the runs of equal keys."""
    size = keys[0].size
    if size == 0:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    changes = np.zeros(size - 1, np.bool_)
    for key in keys:
        changes |= key[1:] != key[:-1]
    starts = np.concatenate([[0], np.flatnonzero(changes) + 1])
    return starts, np.append(starts[1:], size)


def _step_of(times: Ints) -> int:
    """The step of evenly spaced times, 0 for others. One time alone has the step of a day: any step gives it back."""
    if times.size == 1:
        return DAY_MS
    steps = np.diff(times)
    return int(steps[0]) if int(steps.min()) == int(steps.max()) else 0


def _counters(values: Floats, starts: Ints) -> tuple[Ints, Floats, Floats, Floats]:
    if starts.size == 0:
        return np.empty(0, np.int64), np.empty(0), np.empty(0), np.empty(0)
    is_value = ~np.isnan(values)
    return (
        np.add.reduceat(is_value.astype(np.int64), starts),
        np.fmin.reduceat(values, starts),
        np.fmax.reduceat(values, starts),
        np.add.reduceat(np.where(is_value, values, 0.0), starts),
    )
