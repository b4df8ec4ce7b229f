"""The detection loop: what one process does for one shard, step by step, each step one transaction.

A step reads what is new in the log, takes the detector's states through it, and stores what that means (anomalies, verdicts, the noted
step, some saved blocks) together with the new high-water mark. Memory runs ahead of the database only inside a step: whatever
goes wrong in it, the memory is thrown away and rebuilt from the saved blocks and the noted steps.
"""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

import numpy as np
import structlog
from django.conf import settings
from django.db import transaction
from numpy.typing import NDArray

from anomalies.services.detected import Recorded, record
from anomalies.services.findings import Finding, findings_of
from metrics import points
from metrics.arrays import DAY_MS
from metrics.models import DetectionOrder, DetectionShard
from metrics.points import LogSlice, Points
from metrics.shards import attributes, late_history, saved
from metrics.shards.states import BLOCK, ShardStates
from metrics.shards.steps import Order, Step, StepVerdicts, take_step
from orgs.moments import unix_ms
from orgs.tenancy import Reason, across, within

log = structlog.get_logger(__name__)

POINTS_PER_STEP: Final = 500_000  # of all shards; bounds a step's memory and the length of its transaction
CYCLE_S: Final = 600  # every block is saved anew before it is older than this
REPLAY_POINTS: Final = 2_000_000  # and before the shard has taken so many points since: some seconds of replay
PAUSE_MS: Final = 30_000
PAUSE_STEPS: Final = 3
PUBLISHED_PER_STEP: Final = 256
FIRST_MS: Final = 0
BUDGET_S: Final = 20.0  # of one task: the queue gets a chance to be asked for something else


@dataclass(frozen=True)
class StepResult:
    """What a step came to: how many points it took, whether more are waiting, and what it found."""

    points: int = 0
    more: bool = False
    recorded: Recorded = field(default_factory=Recorded)
    is_busy: bool = False


@dataclass
class Memory:
    """What a process knows of its shard between two steps.

    `blocks` and `digests`: the step and the content of each saved block. `taken` points since the process began, `saved_at` of them
    when a block was saved.
    """

    states: ShardStates
    seq: int
    blocks: dict[int, int]
    digests: dict[int, bytes]
    taken: int = 0
    saved_at: dict[int, int] = field(default_factory=dict)
    published: NDArray[np.void] = field(default_factory=lambda: np.zeros(0, attributes.SHOWN))
    publish_from: int = 0


class ShardWorker:
    """One shard of detection, for the life of a process."""

    def __init__(self, shard: int, *, shards: int | None = None) -> None:
        self.shard = shard
        self.shards = shards or settings.DETECT_SHARDS
        self.memory: Memory | None = None
        self.result = StepResult()

    def run(self, *, budget_s: float, clock: Callable[[], datetime]) -> StepResult:
        """Steps until the log has been consumed, or for about `budget_s` seconds; the last step's result."""
        end = time.monotonic() + budget_s
        while True:
            result = self.step(clock())
            if not result.more or time.monotonic() > end:
                return result

    def step(self, now: datetime, *, until: int | None = None) -> StepResult:
        """One step at the time `now`. With `until`, no further in the log than that mark."""
        for _ in self.steps(now, until=until):
            pass
        return self.result

    def steps(self, now: datetime, *, until: int | None = None) -> Iterator[str]:
        """The parts of one step, by name, each yielded when it is done. What is left undone at any of them is done again later."""
        self.result = StepResult()
        with across(Reason.DETECTION):
            try:
                with transaction.atomic(durable=True):
                    yield from self._transaction(now, until)
                yield "committed"
            except BaseException:
                self.memory = None
                raise
            yield from self._published(now)

    def _transaction(self, now: datetime, until: int | None) -> Iterator[str]:
        if not saved.try_lock(self.shard):
            self.result = StepResult(is_busy=True)
            yield "busy"
            return
        standing = saved.shard_record(self.shard, shards=self.shards)
        yield "locked"
        memory = self._memory(standing)
        yield "remembered"
        if saved.is_of_another_cluster(standing.mark):
            standing.mark = 0
        read = points.read_log(self.shard, self.shards, standing.mark, limit=POINTS_PER_STEP, until=until)
        late = late_history.due(self.shard, shards=self.shards, memory=memory.states, log=read, now=now)
        obeyed = saved.waiting_orders(self.shard, shards=self.shards, late=late)
        step = self._next_step(standing, obeyed.orders, read, now, is_bounded=until is not None)
        yield "read"
        found = take_step(memory.states, step, history=stored_points(memory.states, now))
        yield "advanced"
        recorded = record(self._findings(found), now=now)
        yield "anomalies recorded"
        log_verdicts(found, now=now)
        yield "verdicts logged"
        saved.note_step(self.shard, step)
        DetectionOrder.objects.filter(pk__in=obeyed.ids).delete()
        late_history.order_for_late(found, now=now)
        yield "step noted"
        self._checkpoint(memory, step)
        yield "blocks saved"
        saved.save_shard(standing, step, blocks=list(memory.blocks.values()), now=now)
        memory.seq = step.seq
        self.result = StepResult(points=len(step.log.series), more=step.log.more, recorded=recorded)
        yield "mark moved"

    def _next_step(self, standing: DetectionShard, orders: tuple[Order, ...], read: LogSlice, now: datetime, *, is_bounded: bool) -> Step:
        return Step(
            seq=standing.seq + 1,
            now_ms=standing.clock_ms if is_bounded else heard_until(read.mark, now),
            clock_ms=standing.clock_ms,
            pause_ms=max(PAUSE_MS, PAUSE_STEPS * 1000 * settings.DETECT_INTERVAL_S),
            log=read,
            orders=orders,
        )

    def _findings(self, found: StepVerdicts) -> list[Finding]:
        return findings_of(found.verdicts, series=found.series, ended_ms=found.ended_ms, backfill=found.backfill)

    def _memory(self, standing: DetectionShard) -> Memory:
        """The states as they were after the newest step: those at hand, or from the database when another process made that step."""
        if self.memory is None or self.memory.seq != standing.seq:
            self.memory = remember(self.shard, standing, shards=self.shards)
        return self.memory

    def _checkpoint(self, memory: Memory, step: Step) -> None:
        """Saves the blocks whose turn it is, and those of which no replay could make the same states."""
        rebuilt = np.array([order.series for order in step.orders if order.op == "rebuild"], np.int64)
        rows = memory.states.rows_of(rebuilt)
        urgent = set((rows[rows >= 0] // BLOCK).tolist())
        for block in range(memory.states.blocks):
            memory.blocks.setdefault(block, step.seq - 1)
        memory.taken += len(step.log.series)
        turn = urgent | set(due_blocks(memory, step))
        saved.save_blocks(self.shard, memory.states, sorted(turn), seq=step.seq, digests=memory.digests)
        memory.blocks.update(dict.fromkeys(turn, step.seq))
        memory.saved_at.update(dict.fromkeys(turn, memory.taken))

    def _published(self, now: datetime) -> Iterator[str]:
        """Tells people what was learned about the next few series. Apart from the step: its loss would cost nothing."""
        if self.memory is None or self.result.is_busy:
            return
        with transaction.atomic(durable=True):
            publish_some(self.memory, now=now)
        yield "attributes published"


def due_blocks(memory: Memory, step: Step) -> list[int]:
    """The blocks to save with a step, oldest first: those half as old as they may become, and so few of them that each has its turn in
    the other half."""
    steps_allowed = CYCLE_S / settings.DETECT_INTERVAL_S / 2
    points_allowed = REPLAY_POINTS / 2
    old = [
        block
        for block, seq in memory.blocks.items()
        if step.seq - seq >= steps_allowed or memory.taken - memory.saved_at.get(block, 0) >= points_allowed
    ]
    share = max(1 / steps_allowed, len(step.log.series) / points_allowed)
    return sorted(old, key=lambda block: (memory.blocks[block], block))[: math.ceil(len(memory.blocks) * share)]


def remember(shard: int, standing: DetectionShard, *, shards: int) -> Memory:
    """The states after the newest step: the saved blocks, and the noted steps since, without telling anybody again."""
    states = ShardStates()
    blocks, digests = saved.load_blocks(shard, states)
    places = states.series.copy()
    replayed = 0
    for step in saved.noted_steps(shard, shards=shards, after=standing.checkpoint_seq, mark=standing.checkpoint_mark):
        take_step(states, step, history=nothing_to_rebuild)
        replayed += len(step.log.series)
    if states.size:
        log.info("detection.remembered", shard=shard, series=len(states), blocks=len(blocks), points_replayed=replayed)
    for block in differing(places, states):
        blocks[block] = standing.checkpoint_seq
    return Memory(states=states, seq=standing.seq, blocks=blocks, digests=digests)


def differing(places: NDArray[np.int64], states: ShardStates) -> list[int]:
    """Blocks whose series are no longer those that were saved there: what was saved is worth no more than not having been saved."""
    before = np.zeros(states.size, np.int64)
    before[: min(len(places), states.size)] = places[: states.size]
    moved = np.flatnonzero(before != states.series[: states.size])
    return [int(block) for block in np.unique(moved // BLOCK)]


def heard_until(mark: int, now: datetime) -> int:
    """The time up to which all that was received has been read: now, or when the first request that is not read yet was received.

    A long transaction anywhere holds all readers of the log back. Points that wait behind it are not silence.
    """
    waiting = points.first_received(mark)
    return unix_ms(min(now, waiting or now))


def stored_points(states: ShardStates, now: datetime) -> Callable[[int, int, int], Points]:
    """How a series' past is read to learn it anew."""
    far_ms = unix_ms(now) + DAY_MS

    def history(series: int, org_id: int, until_ms: int) -> Points:
        with within(org_id):
            return points.read(org_id, [series], FIRST_MS, min(until_ms, far_ms))[series]

    return history


def nothing_to_rebuild(series: int, org_id: int, until_ms: int) -> Points:
    raise AssertionError(f"Series {series} was rebuilt in a step, and its block was not saved with that step.")


def log_verdicts(found: StepVerdicts, *, now: datetime) -> None:
    """Stores forecast, band and score of the scored points, for charts."""
    scored = ~np.isnan(found.verdicts["yhat"])
    verdicts = found.verdicts[scored]
    points.append_verdicts_of(
        found.orgs[scored],
        found.series[scored],
        verdicts["timestamp_ms"],
        yhat=verdicts["yhat"],
        lower=verdicts["lower"],
        upper=verdicts["upper"],
        score=verdicts["score"].astype(np.float64),
        received_at=now,
    )


def publish_some(memory: Memory, *, now: datetime) -> None:
    states = memory.states
    if len(memory.published) < states.size:
        grown = np.zeros(states.size, attributes.SHOWN)
        grown[: len(memory.published)] = memory.published
        memory.published = grown
    rows = np.arange(memory.publish_from, min(memory.publish_from + PUBLISHED_PER_STEP, states.size))
    memory.publish_from = 0 if not len(rows) or rows[-1] + 1 >= states.size else int(rows[-1]) + 1
    gone = attributes.publish(states, rows, memory.published, now_ms=unix_ms(now))
    # Points of a series can still be in the log when it is deleted, and make it a state that nobody needs.
    DetectionOrder.objects.bulk_create(DetectionOrder(metric_id=one, op=DetectionOrder.Op.DROP) for one in gone)


def utc_now() -> datetime:
    return datetime.now(UTC)
