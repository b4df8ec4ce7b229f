"""Changes of many anomalies at once: counted first, then done chunk by chunk, each with its results and the progress in one transaction.

So a worker that is killed in the middle does nothing twice: whoever takes over begins after the last chunk that was committed.
"""

import logging
import secrets
import time
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final, Self

from celery.exceptions import SoftTimeLimitExceeded
from django.db import InterfaceError, OperationalError, transaction
from django.utils import timezone
from kombu.exceptions import OperationalError as BrokerAway

from accounts.models import User
from accounts.permissions import level_needed
from anomalies.models import Anomaly, BulkChange, BulkResult
from anomalies.querysets import AnomalyQuerySet
from anomalies.services.changes import edit_anomalies
from anomalies.services.edits import NOT_ARCHIVED, NOT_FOUND, Edit, Outcome, Snooze
from anomalies.services.history import FLOW, USER
from anomalies.services.states import hold
from datastores.models import Datastore, Operation
from orgs import keys
from orgs.errors import Conflict, FieldError, Invalid, NotFound

log = logging.getLogger(__name__)

LIMIT: Final = 100_000
CHUNK: Final = 500
TOKEN_LIFE: Final = timedelta(minutes=15)
KEPT_FOR: Final = timedelta(days=30)
FORBIDDEN: Final = "forbidden"
UNCHANGED: Final = "unchanged"
CHANGED_SINCE: Final = "changed_since"
PARTLY: Final = "Somebody has changed some of it since: that stays as it is."
REASONS: Final = {
    NOT_FOUND: "It was deleted meanwhile.",
    FORBIDDEN: "This needs the level author on its datastore.",
    NOT_ARCHIVED: "It is not archived.",
    UNCHANGED: "It was like that already.",
    CHANGED_SINCE: "Somebody has changed it since.",
}


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What a change does to each anomaly; as `Edit`, but for all of them. `restore` only touches archived ones."""

    status: str | None = None
    archive: str | None = None
    comment: str = ""
    mentioned: tuple[int, ...] = ()
    tags_add: tuple[str, ...] = ()
    tags_remove: tuple[str, ...] = ()
    assignees_add: tuple[int, ...] = ()
    assignees_remove: tuple[int, ...] = ()
    snooze: Snooze | None = None
    wake: bool = False
    restore: bool = False
    remove: bool = False

    @classmethod
    def read(cls, change: Mapping[str, Any]) -> Self:
        """From JSON: `{status, archive: {status, comment, mentioned_user_ids}, tags_add, tags_remove, assignee_ids_add, ...}`."""
        archive = change.get("archive") or {}
        return cls(
            status=change.get("status"),
            archive=archive.get("status"),
            comment=archive.get("comment", ""),
            mentioned=tuple(archive.get("mentioned_user_ids", ())),
            tags_add=tuple(change.get("tags_add", ())),
            tags_remove=tuple(change.get("tags_remove", ())),
            assignees_add=tuple(change.get("assignee_ids_add", ())),
            assignees_remove=tuple(change.get("assignee_ids_remove", ())),
            snooze=snooze_in(change.get("snooze")),
            wake=bool(change.get("wake")),
            restore=bool(change.get("restore")),
            remove=bool(change.get("remove")),
        )

    def edits(self, row: "Row") -> list[Edit]:
        """One; two for the deletion of what is not archived yet."""
        if self.remove:
            gone = Edit(anomaly_id=row.id, remove=True)
            return [gone] if row.is_archived else [Edit(anomaly_id=row.id, status=Anomaly.Status.DISCARDED), gone]
        restored = Anomaly.Status.ACKNOWLEDGED.value if self.restore else None
        return [
            Edit(
                anomaly_id=row.id,
                status=self.archive or self.status or restored,
                comment=self.comment,
                mentioned=self.mentioned,
                tags_add=self.tags_add,
                tags_remove=self.tags_remove,
                assignees_add=self.assignees_add,
                assignees_remove=self.assignees_remove,
                snooze=self.snooze,
                wake=self.wake,
            )
        ]


def snooze_in(condition: Mapping[str, Any] | None) -> Snooze | None:
    if condition is None:
        return None
    until = condition.get("until")
    return Snooze(**{**condition, "until": until and datetime.fromisoformat(until)})


@dataclass(frozen=True)
class Row:
    """An anomaly of a chunk, locked."""

    id: int
    status: str
    datastore_id: int

    @property
    def is_archived(self) -> bool:
        return self.status in Anomaly.ARCHIVED


@dataclass(frozen=True)
class Plan:
    """A change that was counted: its token, until when that works, and how many of the set the person may not change."""

    bulk: BulkChange
    token: str
    forbidden: int


def plan(user: User, rows: AnomalyQuerySet, *, query: str, change: Mapping[str, Any], now: datetime) -> Plan:
    """Counts the set and keeps it, changing nothing. Raises Invalid when it has more than LIMIT anomalies."""
    found = list(rows.order_by("pk").values_list("pk", "datastore")[: LIMIT + 1])
    if len(found) > LIMIT:
        raise Invalid(
            "The set is too large to be changed at once.",
            errors=[FieldError(("body", "filter"), "too_many", f"At most {LIMIT:,} anomalies at once. Narrow the filter.")],
        )
    allowed, token = changeable(user) or (), secrets.token_urlsafe(24)
    forget(BulkChange.objects.for_org(user.org_id).filter(operation=None, expires__lt=now))
    bulk = BulkChange.objects.create(
        org_id=user.org_id,
        user=user,
        digest=keys.digest_of(token),
        query=query,
        change=dict(change),
        ids=[pk for pk, _ in found],
        expires=now + TOKEN_LIFE,
    )
    return Plan(bulk, token, sum(datastore not in allowed for _, datastore in found))


def changeable(user: User | None) -> Collection[int] | None:
    """Ids of the datastores whose anomalies the person may change; None for all of them, which is what a flow may."""
    if user is None:
        return None
    return set(Datastore.objects.visible_to(user, level=level_needed("anomaly.update")).values_list("pk", flat=True))


def forget(found: Any) -> None:
    """A few at a time, whenever somebody plans a new one."""
    BulkChange.objects.filter(pk__in=list(found.values_list("pk", flat=True)[:50])).delete()


@transaction.atomic
def start(user: User, token: str, *, now: datetime) -> Operation:
    """The operation that does what was planned under this token; begun again, the same operation.

    Raises NotFound for a token that is not the person's, Conflict for one that is too old.
    """
    mine = BulkChange.objects.for_org(user.org_id).filter(user=user)
    bulk = mine.select_for_update().defer("ids").filter(digest=keys.digest_of(token)).first()
    if bulk is None:
        raise NotFound("There is no such plan. Ask for a new one with `filter` and `change`.")
    if bulk.operation is not None:
        return bulk.operation
    if bulk.expires is None or bulk.expires < now:
        raise Conflict("This plan is too old: the set may have changed since. Ask for a new one.")
    return begin(bulk, kind=Operation.Kind.BULK, user_id=user.pk)


def begin(bulk: BulkChange, *, kind: Operation.Kind, user_id: int | None) -> Operation:
    """Makes the operation, begun by this person (None: the clock); a worker takes it as soon as the caller's transaction is committed."""
    total = len(BulkChange.objects.values_list("ids", flat=True).get(pk=bulk.pk))
    operation = Operation.objects.create(
        org_id=bulk.org_id,
        kind=kind,
        user_id=user_id,
        total=total,
        counters={"changed": 0, "skipped": 0},
        is_undoable=bulk.undoes_id is None and not Wanted.read(bulk.change).remove,
    )
    BulkChange.objects.filter(pk=bulk.pk).update(operation=operation)
    transaction.on_commit(partial(wake, operation.pk))
    return operation


def wake(operation_id: int) -> None:
    """Without a broker, the clock finds the operation within a minute."""
    from anomalies.tasks import run_bulk_change

    try:
        run_bulk_change.apply_async((operation_id,), retry=False)
    except BrokerAway:
        log.warning("operation %s waits for the clock: the broker is away", operation_id)


def unfinished() -> list[int]:
    """Operations of this kind that wait or were cut off."""
    kinds = (Operation.Kind.BULK, Operation.Kind.UNDO, Operation.Kind.FLOW)
    found = Operation.objects.filter(kind__in=kinds, status__in=Operation.UNFINISHED)
    return list(found.order_by("pk").values_list("pk", flat=True))


def run(operation_id: int, *, budget_s: float) -> bool:
    """Does chunk after chunk until the operation has ended, somebody aborts it or the time is up; whether something is left to do."""
    until = time.monotonic() + budget_s
    try:
        while step(operation_id):
            if time.monotonic() > until:
                return True
    except (OperationalError, InterfaceError, SoftTimeLimitExceeded):
        raise  # whoever takes over goes on
    except Exception as exc:
        # Whoever takes over would meet the same, minute after minute.
        log.exception("operation %s failed", operation_id)
        fail(operation_id, f"It went wrong and was ended; what was done until then stays. ({type(exc).__name__})")
    return False


def fail(operation_id: int, message: str) -> None:
    ended = {"status": Operation.Status.FAILURE, "ended": timezone.now(), "message": message}
    Operation.objects.filter(pk=operation_id, status__in=Operation.UNFINISHED).update(**ended)


@transaction.atomic
def step(operation_id: int) -> bool:
    """One chunk; False when nothing is left to do here, or another process is at it."""
    locked = Operation.objects.select_for_update(skip_locked=True, of=("self",)).select_related("bulk_change__user")
    operation = locked.filter(pk=operation_id, status__in=Operation.UNFINISHED).first()
    if operation is None:
        return False
    bulk = operation.bulk_change
    if operation.kind != Operation.Kind.FLOW and (bulk.user is None or not bulk.user.is_active):
        fail(operation_id, "The person who began it is gone; what was done until then stays.")
        return False
    chunk = next(iter(BulkChange.objects.filter(pk=bulk.pk).values_list(f"ids__{operation.done}_{operation.done + CHUNK}", flat=True)))
    results = results_of(bulk, chunk) if chunk else []
    BulkResult.objects.bulk_create(results)
    return advance(operation, results)


def advance(operation: Operation, results: Sequence[BulkResult]) -> bool:
    """Whether there is more to do."""
    counts, now = Counter(result.outcome for result in results), timezone.now()
    operation.counters = {name: operation.counters.get(name, 0) + counts[name] for name in ("changed", "skipped")}
    operation.done += len(results)
    operation.started = operation.started or now
    operation.status = Operation.Status.RUNNING
    if is_last := operation.done >= (operation.total or 0):
        operation.status, operation.ended = Operation.Status.SUCCESS, now
        operation.message = in_words(operation)
    operation.save(update_fields=["counters", "done", "started", "status", "ended", "message"])
    return not is_last


def in_words(operation: Operation) -> str:
    """How many were changed, and why the others were not."""
    changed, skipped = operation.counters["changed"], operation.counters["skipped"]
    if not skipped:
        return f"{changed:,} changed."
    found = BulkResult.objects.filter(bulk_change__operation=operation, outcome=BulkResult.Outcome.SKIPPED)
    codes = Counter(found.values_list("code", flat=True))
    why = ", ".join(f"{count:,} {code.replace('_', ' ')}" for code, count in codes.most_common())
    return f"{changed:,} changed, {skipped:,} skipped: {why}."


def results_of(bulk: BulkChange, ids: Sequence[int]) -> list[BulkResult]:
    """Changes the anomalies with these ids; one result for each."""
    from anomalies.services.undo import undone

    if bulk.undoes_id is not None:
        return undone(bulk, ids)
    wanted = Wanted.read(bulk.change)
    if wanted.remove:
        hold(bulk.org_id, ids, leaving=ids)
    rows = locked_rows(bulk.org_id, ids)
    skipped = unfit(bulk, ids, rows)
    skipped |= {pk: NOT_ARCHIVED for pk, row in rows.items() if wanted.restore and not row.is_archived and pk not in skipped}
    edits = [edit for pk, row in rows.items() if pk not in skipped for edit in wanted.edits(row)]
    return told(bulk, ids, skipped, edits, edited(bulk, edits))


def locked_rows(org_id: int, ids: Sequence[int]) -> dict[int, Row]:
    rows = Anomaly.objects.for_org(org_id).filter(pk__in=ids, deleted=None).order_by("pk").select_for_update(no_key=True)
    return {pk: Row(pk, status, datastore) for pk, status, datastore in rows.values_list("pk", "status", "datastore_id")}


def unfit(bulk: BulkChange, ids: Iterable[int], rows: Mapping[int, Row]) -> dict[int, str]:
    """Why some cannot be changed at all: gone, no longer what the flow is about, or not the person's to change."""
    allowed = changeable(bulk.user)
    gone = {pk: NOT_FOUND for pk in ids if pk not in rows} | touched(bulk, rows)
    return gone | {pk: FORBIDDEN for pk, row in rows.items() if allowed is not None and row.datastore_id not in allowed}


def touched(bulk: BulkChange, rows: Mapping[int, Row]) -> dict[int, str]:
    """What a flow was about when its run began and is not any more."""
    from anomalies.services.flows import still_idle

    if bulk.operation is None or bulk.operation.kind != Operation.Kind.FLOW:
        return {}
    idle = still_idle(bulk.operation, rows.keys())
    return {pk: CHANGED_SINCE for pk in rows if pk not in idle}


def edited(bulk: BulkChange, edits: Sequence[Edit]) -> Outcome:
    return edit_anomalies(bulk.org_id, edits, user=bulk.user, actor=USER if bulk.user else FLOW, strict=False)


def told(bulk: BulkChange, ids: Sequence[int], skipped: Mapping[int, str], edits: Sequence[Edit], outcome: Outcome) -> list[BulkResult]:
    """One result per id, in their order."""
    refused = {edits[place].anomaly_id: errors[0] for place, errors in sorted(outcome.refused.items(), reverse=True)}
    # Without those from which only the original went.
    changed = set(outcome.changed) & {edit.anomaly_id for edit in edits}

    def result(pk: int) -> BulkResult:
        made = partial(BulkResult, org_id=bulk.org_id, bulk_change=bulk, anomaly_id=pk)
        if pk in changed:
            code = skipped.get(pk, "")
            return made(
                outcome=BulkResult.Outcome.CHANGED, transaction_id=outcome.transaction_id, code=code, message=PARTLY if code else ""
            )
        if pk in refused:
            return made(outcome=BulkResult.Outcome.SKIPPED, code=refused[pk].code, message=refused[pk].msg)
        code = skipped.get(pk, UNCHANGED)
        return made(outcome=BulkResult.Outcome.SKIPPED, code=code, message=REASONS[code])

    return [result(pk) for pk in ids]


def drop_old(*, now: datetime) -> int:
    """Forgets sets and results of changes that were made long ago; the operations stay. In the caller's org; how many went."""
    return BulkChange.objects.filter(created__lt=now - KEPT_FOR).delete()[1].get("anomalies.BulkChange", 0)
