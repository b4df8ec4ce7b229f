"""What PostgreSQL holds of a shard: how far it is, the steps since the oldest saved block, the blocks. In the caller's transaction."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import cramjam
import numpy as np
from django.conf import settings
from django.db import connection
from django.db.models import F
from numpy.typing import NDArray

from metrics import points
from metrics.arrays import Ints
from metrics.detection import engine
from metrics.models import DetectionBlock, DetectionOrder, DetectionShard, DetectionStep
from metrics.shards.states import ShardStates
from metrics.shards.steps import HISTORY, Order, Step
from orgs.tenancy import Reason, across

LOCK_SPACE: Final = 0x504C  # of the advisory locks of shards, so that they are no other part's locks
ORDERS_PER_STEP: Final = 5000
# Blocks of a re-sharding are written from this number on, beyond all others, and take their places when those are gone.
BEYOND: Final = 1_000_000
REBUILDS_PER_STEP: Final = 20  # each reads a series' whole past
STATEMENT_LIMIT_S: Final = 120  # the slowest of a full step takes seconds; what takes longer waits for something that does not come


class ShardsChanged(RuntimeError):
    """The number of shards was changed, and the saved states are still spread over the old number."""


@dataclass(frozen=True)
class Obeyed:
    """Orders of one step and the rows that hold them."""

    orders: tuple[Order, ...]
    ids: tuple[int, ...]


def try_lock(shard: int) -> bool:
    """Takes the shard until the transaction ends; False while another process has it. Takes no transaction number, unlike a row lock:
    readers of the log wait for whoever has one.

    From then on PostgreSQL ends any statement of the transaction after STATEMENT_LIMIT_S, so nobody holds a shard for ever, not even a
    process that has died while its statement waited.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_try_advisory_xact_lock(%s, %s), set_config('statement_timeout', %s, true)",
            [LOCK_SPACE, shard, f"{STATEMENT_LIMIT_S}s"],
        )
        return bool(cursor.fetchone()[0])


def lock(shard: int) -> None:
    """Waits until nobody has the shard, and takes it until the transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [LOCK_SPACE, shard])


def shard_record(shard: int, *, shards: int) -> DetectionShard:
    """How far the shard is; one that never ran is unsaved. Raises ShardsChanged when there were `shards` of them no longer."""
    records = {record.shard: record for record in DetectionShard.objects.all()}
    others = {record.shards for record in records.values()} - {shards}
    if others:
        raise ShardsChanged(
            f"DETECT_SHARDS is {shards}, but the detector's states are spread over {others.pop()} shards. "
            "Stop the workers, run `manage.py reshard`, and start them again."
        )
    return records.get(shard) or DetectionShard(shard=shard, shards=shards)


def is_of_another_cluster(mark: int) -> bool:
    """Whether the mark lies in this server's future: the database was restored from a dump, and transaction numbers began anew."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT %s > pg_snapshot_xmax(pg_current_snapshot())::text::bigint", [mark])
        return bool(cursor.fetchone()[0])


def waiting_orders(shard: int, *, shards: int, late: Sequence[tuple[int, int]]) -> Obeyed:
    """The oldest orders for the shard's series, in order, then those for history that came late (`late`, ids and series); only some of
    those that cost much."""
    mine = DetectionOrder.objects.annotate(place=F("metric_id") % shards).filter(place=shard).exclude(op="rebuild", argument=HISTORY)
    rows = list(mine.values_list("pk", "op", "metric_id", "argument")[:ORDERS_PER_STEP])
    costly = [row for row in rows if row[1] == DetectionOrder.Op.REBUILD]
    left = {row[0] for row in costly[REBUILDS_PER_STEP:]}
    taken = [row for row in rows if row[0] not in left]
    taken += [(pk, DetectionOrder.Op.REBUILD.value, one, HISTORY) for pk, one in late[: max(0, REBUILDS_PER_STEP - len(costly))]]
    return Obeyed(orders=tuple(Order(op, series, argument) for _, op, series, argument in taken), ids=tuple(row[0] for row in taken))


def note_step(shard: int, step: Step) -> None:
    """Writes the step down, so that it can be done again."""
    DetectionStep.objects.create(
        shard=shard,
        seq=step.seq,
        mark=step.log.mark,
        now_ms=step.now_ms,
        clock_ms=step.clock_ms,
        pause_ms=step.pause_ms,
        orders=[[order.op, order.series, order.argument] for order in step.orders],
    )


def noted_steps(shard: int, *, shards: int, after: int, mark: int) -> Iterator[Step]:
    """The steps after number `after`, with the same points as the first time; `mark` is where the first of them began to read."""
    for noted in DetectionStep.objects.filter(shard=shard, seq__gt=after).order_by("seq"):
        log = points.read_log(shard, shards, mark if mark <= noted.mark else 0, until=noted.mark)
        mark = noted.mark
        yield Step(
            seq=noted.seq,
            now_ms=noted.now_ms,
            clock_ms=noted.clock_ms,
            pause_ms=noted.pause_ms,
            log=log,
            orders=tuple(Order(*order) for order in noted.orders),
        )


def save_shard(record: DetectionShard, step: Step, *, blocks: Sequence[int], now: datetime) -> None:
    """Moves the high-water mark past the step, and forgets the noted steps that no block (`blocks`: the step of each) needs any more."""
    record.seq, record.mark, record.clock_ms, record.last_tick = step.seq, step.log.mark, step.clock_after_ms, now
    oldest = min(blocks, default=step.seq)
    if oldest > record.checkpoint_seq:
        record.checkpoint_mark = mark_after(record.shard, oldest, record=record)
        record.checkpoint_seq = oldest
        DetectionStep.objects.filter(shard=record.shard, seq__lte=oldest).delete()
    record.save()


def mark_after(shard: int, seq: int, *, record: DetectionShard) -> int:
    if seq == record.seq:
        return record.mark
    return DetectionStep.objects.values_list("mark", flat=True).get(shard=shard, seq=seq)


def save_blocks(shard: int, memory: ShardStates, blocks: Sequence[int], *, seq: int, digests: dict[int, bytes]) -> int:
    """Writes these blocks as they are after step `seq`; of those that are as their digest says, only the number. Bytes written."""
    written = 0
    for block in blocks:
        rows = memory.rows_in(block)
        digest = digest_of(memory.states[rows], memory.series[rows], memory.orgs[rows])
        if digests.get(block) == digest:
            DetectionBlock.objects.filter(shard=shard, block=block).update(seq=seq)
            continue
        written += write_block(shard, block, memory.states[rows], series=memory.series[rows], orgs=memory.orgs[rows], seq=seq)
        digests[block] = digest
    return written


def write_block(shard: int, block: int, states: NDArray[np.void], *, series: Ints, orgs: Ints, seq: int) -> int:
    """Saves one block, instead of what was saved in its place; bytes written."""
    packed = bytes(cramjam.lz4.compress_block(states.tobytes()))
    fields = {
        "seq": seq,
        "version": engine.VERSION,
        "digest": digest_of(states, series, orgs),
        "series": np.concatenate([series, orgs]).tobytes(),
        "states": packed,
    }
    DetectionBlock.objects.update_or_create(shard=shard, block=block, defaults=fields)
    return len(packed)


def digest_of(states: NDArray[np.void], series: Ints, orgs: Ints) -> bytes:
    digest = hashlib.blake2b(digest_size=16)
    for column in (states, series, orgs):
        digest.update(column.tobytes())
    return digest.digest()


def load_blocks(shard: int, memory: ShardStates) -> tuple[dict[int, int], dict[int, bytes]]:
    """Fills `memory` with the saved blocks; the step and the digest of each.

    States of another layout cannot be read: their series begin anew, and are ordered to learn from the stored points.
    """
    steps: dict[int, int] = {}
    digests: dict[int, bytes] = {}
    outdated: list[int] = []
    for saved in DetectionBlock.objects.filter(shard=shard, block__lt=BEYOND).order_by("block").iterator(chunk_size=16):
        series, orgs = np.frombuffer(saved.series, np.int64).reshape(2, -1)
        is_outdated = saved.version != engine.VERSION
        states = blank_states(series) if is_outdated else unpacked(saved.states)
        memory.put_block(saved.block, states=states, series=series, orgs=orgs, done=saved.seq)
        steps[saved.block] = saved.seq
        digests[saved.block] = b"" if is_outdated else bytes(saved.digest)
        outdated += series[series > 0].tolist() if is_outdated else []
    memory.loaded()
    order_all_anew(outdated)
    return steps, digests


@across(Reason.DETECTION)
def state_of(series: int) -> NDArray[np.void] | None:
    """The saved state of one series, shape (1,); None when it was not saved yet, or in another layout.

    A block holds series of many orgs: whoever asks has made sure that this one may be seen.
    """
    mine = DetectionBlock.objects.filter(shard=series % settings.DETECT_SHARDS, block__lt=BEYOND, version=engine.VERSION)
    with connection.cursor() as cursor:
        # The server looks for the id among the bytes, so that the ids of all blocks need not be sent; what it finds may lie across two.
        cursor.execute(_HOLDING, [series % settings.DETECT_SHARDS, BEYOND, np.int64(series).tobytes()])
        blocks = [block for (block,) in cursor.fetchall()]
    for block in mine.filter(block__in=blocks).order_by("block"):
        places = np.flatnonzero(np.frombuffer(block.series, np.int64).reshape(2, -1)[0] == series)
        if places.size:
            return unpacked(block.states)[places[:1]]
    return None


_HOLDING: Final = "SELECT block FROM metrics_detectionblock WHERE shard = %s AND block < %s AND position(%s::bytea IN series) > 0"


def blank_states(series: Ints) -> NDArray[np.void]:
    return engine.new_states(len(series))


def unpacked(states: bytes | memoryview) -> NDArray[np.void]:
    return np.frombuffer(bytes(cramjam.lz4.decompress_block(bytes(states))), engine.STATE)


def order_all_anew(series: Sequence[int]) -> None:
    ordered = DetectionOrder.objects.filter(op=DetectionOrder.Op.REBUILD, argument="", metric_id__in=series)
    waiting = set(ordered.values_list("metric_id", flat=True))
    DetectionOrder.objects.bulk_create(DetectionOrder(metric_id=one, op=DetectionOrder.Op.REBUILD) for one in series if one not in waiting)
