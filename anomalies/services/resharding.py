"""Spreading the detector's states over another number of shards."""

from dataclasses import dataclass
from datetime import datetime

import numpy as np
from django.db import transaction
from django.db.models import F
from numpy.typing import NDArray

from anomalies.services.loop import ShardWorker, remember
from metrics.models import DetectionBlock, DetectionShard, DetectionStep
from metrics.shards import saved
from metrics.shards.states import BLOCK, ShardStates
from orgs.tenancy import Reason, across


class WorkersRunning(RuntimeError):
    """A worker holds a shard, or moved one meanwhile."""


@dataclass(frozen=True)
class Resharded:
    """How many shards there were and are, and how many series moved house."""

    before: int
    after: int
    series: int


@across(Reason.DETECTION)
def reshard(*, shards: int, now: datetime) -> Resharded:
    """Spreads all states over `shards` shards; nothing when they are already. Nothing is lost and nothing is told twice.

    Workers must not run. Raises WorkersRunning when one does; then nothing has changed.
    """
    before = DetectionShard.objects.values_list("shards", flat=True).first()
    if before is None or before == shards:
        return Resharded(before=before or shards, after=shards, series=0)
    mark = catch_up(before, now=now)
    return spread(before, shards, mark=mark)


def catch_up(shards: int, *, now: datetime) -> int:
    """Brings all shards to the mark of the one that is ahead, reporting what they find; that mark."""
    mark = max(DetectionShard.objects.values_list("mark", flat=True))
    behind = set(range(shards)) - set(DetectionShard.objects.filter(mark=mark).values_list("shard", flat=True))
    for shard in sorted(behind):
        if ShardWorker(shard, shards=shards).step(now, until=mark).is_busy:
            raise WorkersRunning(f"A worker holds shard {shard}. Stop the workers first.")
    return mark


@transaction.atomic(durable=True)
def spread(before: int, after: int, *, mark: int) -> Resharded:
    """Writes the blocks of the new shards, then takes the old ones away."""
    for shard in range(max(before, after)):
        if not saved.try_lock(shard):
            raise WorkersRunning(f"A worker holds shard {shard}. Stop the workers first.")
    records = list(DetectionShard.objects.all())
    if {record.mark for record in records} != {mark}:
        raise WorkersRunning("A worker went on meanwhile. Stop the workers first.")
    seq = max(record.seq for record in records)
    moved = 0
    written = [saved.BEYOND] * after
    for record in records:
        states = remember(record.shard, record, shards=before).states
        moved += len(states)
        for shard in range(after):
            written[shard] += write_share(states, shard, after, first=written[shard], seq=seq)
    settle(records, after, seq=seq, mark=mark)
    return Resharded(before=before, after=after, series=moved)


def write_share(states: ShardStates, shard: int, shards: int, *, first: int, seq: int) -> int:
    """Saves the states that belong to one new shard as blocks from number `first` on; how many blocks."""
    series = states.series[: states.size]
    mine = np.flatnonzero((series > 0) & (series % shards == shard))
    parts: list[NDArray[np.int64]] = [mine[start : start + BLOCK] for start in range(0, len(mine), BLOCK)]
    for place, rows in enumerate(parts):
        saved.write_block(shard, first + place, states.states[rows], series=states.series[rows], orgs=states.orgs[rows], seq=seq)
    return len(parts)


def settle(records: list[DetectionShard], after: int, *, seq: int, mark: int) -> None:
    DetectionBlock.objects.filter(block__lt=saved.BEYOND).delete()
    DetectionBlock.objects.update(block=F("block") - saved.BEYOND)
    DetectionStep.objects.all().delete()
    clock_ms = max(record.clock_ms for record in records)
    last_tick = max((record.last_tick for record in records if record.last_tick), default=None)
    DetectionShard.objects.all().delete()
    DetectionShard.objects.bulk_create(
        DetectionShard(
            shard=shard,
            shards=after,
            seq=seq,
            mark=mark,
            clock_ms=clock_ms,
            checkpoint_seq=seq,
            checkpoint_mark=mark,
            last_tick=last_tick,
        )
        for shard in range(after)
    )
