"""The intake: a sender's parsed points -> series ids -> one row of the batch log. What it accepts is on disk when it returns."""

from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import numpy as np
from django.db import transaction

from metrics import points
from metrics.arrays import MINUTE_MS, Floats, Ints
from metrics.ingest import series
from metrics.ingest.batch import Batch, Refusal
from metrics.ingest.senders import Sender
from metrics.points import Rule

OVER_QUOTA: Final = "over_quota"
OVER_QUOTA_REASON: Final = "The org's limit of series is reached; series that exist go on."


@dataclass(frozen=True)
class Outcome:
    """What became of a request: how many points were stored, which new series were made, and every refusal."""

    stored: int
    made: list[str]
    refused: list[Refusal]

    @property
    def refused_points(self) -> int:
        return sum(refusal.points for refusal in self.refused)


@dataclass(frozen=True)
class Ready:
    """Points whose series are known, in the request's order, and what was refused."""

    ids: Ints
    timestamps_ms: Ints
    values: Floats
    made: list[str]
    refused: list[Refusal]


def take(sender: Sender, batch: Batch, *, received_at: datetime, backfill: bool = False) -> Outcome:
    """Stores a parsed batch. Points of new series beyond the quota are refused and counted; all others are stored.

    Raises django.db.OperationalError when the database is away; then nothing is stored.
    """
    ready = prepare(sender, batch)
    with together(ready.refused):
        store_ready(sender, ready, received_at=received_at, backfill=backfill)
    return Outcome(ready.ids.size, ready.made, ready.refused)


def take_all(batches: Iterable[tuple[Sender, Batch]], *, received_at: datetime) -> Outcome:
    """As `take`, several batches of one request under rules of their own: all of them or none. The refusals are in the batches' order."""
    ready = [(sender, prepare(sender, batch)) for sender, batch in batches]
    refused = [refusal for _, one in ready for refusal in one.refused]
    is_one = not refused and sum(one.ids.size > 0 for _, one in ready) <= 1
    with nullcontext() if is_one else transaction.atomic():
        for sender, one in ready:
            store_ready(sender, one, received_at=received_at, backfill=False)
    made = [name for _, one in ready for name in one.made]
    return Outcome(sum(one.ids.size for _, one in ready), made, refused)


def prepare(sender: Sender, batch: Batch) -> Ready:
    """Finds or makes the series of a batch, in transactions of their own."""
    resolved = series.resolve(sender, batch.series)
    ids = np.array([resolved.ids.get(one.name, 0) for one in batch.series], np.int64)[batch.index]
    refused = [*batch.refused, *_over_quota(batch, ids)]
    known = ids > 0
    refused.sort(key=lambda refusal: refusal.index)
    return Ready(ids[known], batch.timestamps_ms[known], batch.values[known], sorted(resolved.made), refused)


def together(refused: list[Refusal]) -> AbstractContextManager[object]:
    """A transaction for what is counted and stored; points alone are one statement, which needs none."""
    return transaction.atomic() if refused else nullcontext()


def store_ready(sender: Sender, ready: Ready, *, received_at: datetime, backfill: bool) -> None:
    """Logs prepared points and counts what was refused, both or neither: part of the caller's transaction."""
    count_refused(sender, ready.refused)
    store(sender, ready.ids, ready.timestamps_ms, ready.values, received_at=received_at, backfill=backfill)


def rehearse(sender: Sender, batch: Batch) -> Outcome:
    """What `take` would answer, with nothing stored and no quota used."""
    known = series.find(sender, batch.series)
    new = [one.name for one in batch.series if one.name not in known][: series.room_left(sender.org_id)]
    accepted = {*known, *new}
    ids = np.array([one.name in accepted for one in batch.series], np.int64)[batch.index]
    refused = [*batch.refused, *_over_quota(batch, ids)]
    return Outcome(int((ids > 0).sum()), sorted(new), sorted(refused, key=lambda refusal: refusal.index))


def _over_quota(batch: Batch, ids: Ints) -> list[Refusal]:
    places = np.flatnonzero(ids == 0)
    return [Refusal(int(batch.places[i]), batch.series[batch.index[i]].name, OVER_QUOTA, OVER_QUOTA_REASON) for i in places]


def count_refused(sender: Sender, refused: list[Refusal]) -> None:
    """Counts the points that the quota refused, and those that are invalid, for the quota page and the alerts."""
    beyond = [refusal for refusal in refused if refusal.code == OVER_QUOTA]
    if beyond:
        series.count_refused(sender.org_id, points=sum(refusal.points for refusal in beyond), example=beyond[0].metric)
    invalid = [refusal for refusal in refused if refusal.code != OVER_QUOTA]
    if invalid:
        example = f"{invalid[0].metric[:200] or 'a point'}: {invalid[0].reason}"
        series.count_invalid(sender.org_id, points=sum(refusal.points for refusal in invalid), example=example)


def store(sender: Sender, ids: Ints, times: Ints, values: Floats, *, received_at: datetime, backfill: bool = False) -> None:
    """Logs points whose series are known, under the sender's rule; on disk when it returns."""
    if sender.rule is Rule.SUM:
        times = times - times % MINUTE_MS
    points.append(sender.org_id, ids, times, values, rule=sender.rule, backfill=backfill, received_at=received_at)
