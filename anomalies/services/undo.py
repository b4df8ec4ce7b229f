"""Taking a change of many anomalies back: what it changed and nobody changed since becomes what it was."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import transaction
from django.utils import timezone

from accounts.models import User
from anomalies.models import Anomaly, BulkChange, BulkResult, Change, Comment
from anomalies.services.bulk import CHANGED_SINCE, begin, edited, locked_rows, snooze_in, told, unfit
from anomalies.services.changes import edit_anomalies
from anomalies.services.comments import shown
from anomalies.services.edits import Edit, Outcome
from anomalies.services.history import USER, Line, write_history
from anomalies.services.notices import unsay
from anomalies.services.states import hold
from datastores.models import Operation
from orgs.errors import Conflict, StaleState

# For a change of one anomaly: what a slow page and a slow reader need.
ONE_WITHIN: Final = timedelta(minutes=1)
# What follows from other fields comes back with them.
FOLLOWS: Final = frozenset({"weight", "comment", "duplicate_of"})


@transaction.atomic
def undo(operation: Operation, *, user: User, now: datetime) -> Operation:
    """The operation that takes this one back; asked for again, the same one.

    Raises Conflict for what cannot be undone: other work, deletions, what still runs, and what ended too long ago.
    """
    bulk = BulkChange.objects.select_for_update(of=("self",)).filter(operation=operation).first()
    if bulk is None or not operation.is_undoable:
        raise Conflict("This operation cannot be undone.")
    begun = BulkChange.objects.select_related("operation").filter(undoes=bulk).first()
    if begun is not None and begun.operation is not None:
        return begun.operation
    if operation.is_unfinished:
        raise Conflict("The operation is still running. Abort it first.")
    if operation.undo_until is None or operation.undo_until < now:
        raise Conflict("It is too late to undo this: that works for 10 minutes after the end.")
    changed = bulk.results.filter(outcome=BulkResult.Outcome.CHANGED).order_by("anomaly_id")
    back = BulkChange.objects.create(
        org_id=bulk.org_id, user=user, undoes=bulk, change={"undo": operation.pk}, ids=list(changed.values_list("anomaly_id", flat=True))
    )
    return begin(back, kind=Operation.Kind.UNDO, user_id=user.pk)


@transaction.atomic
def take_back(anomaly: Anomaly, transaction_id: int, *, user: User) -> Outcome:
    """Makes one anomaly what it was before the user's own last change of it.

    Raises StaleState when somebody changed it since or it was not the user's, Conflict when it is too late, Invalid when
    it cannot become that again.
    """
    hold(anomaly.org_id, [anomaly.pk])
    last = Change.objects.filter(anomaly=anomaly).order_by("-timestamp", "-pk").first()
    if last is None or last.transaction_id != transaction_id or last.user_id != user.pk:
        raise StaleState("The anomaly was changed since. Look at it again.")
    if timezone.now() - last.timestamp > ONE_WITHIN:
        raise Conflict("It is too late to undo this: that works for a minute.")
    past = Past(anomaly.pk, last.changeset, is_complete=True)
    outcome = edit_anomalies(anomaly.org_id, list(backwards(past)), user=user)
    take_comments_back([past], user=user)
    anomaly.refresh_from_db()
    return outcome


@dataclass(frozen=True)
class Past:
    """What the change did to one anomaly, without the fields that somebody changed since."""

    anomaly_id: int
    changeset: Mapping[str, Sequence[Any]]
    is_complete: bool


def undone(bulk: BulkChange, ids: Sequence[int]) -> list[BulkResult]:
    """Takes back what was done to the anomalies with these ids; one result for each."""
    assert bulk.undoes_id is not None  # noqa: S101 - the caller has looked
    pasts = pasts_of(bulk.undoes_id, ids)
    rows = locked_rows(bulk.org_id, ids)
    skipped = unfit(bulk, ids, rows)
    back = [past for pk, past in pasts.items() if pk not in skipped]
    edits = [edit for past in back for edit in backwards(past)]
    outcome = edited(bulk, edits)
    take_comments_back([past for past in back if past.anomaly_id in outcome.changed], user=bulk.user)
    skipped |= {past.anomaly_id: CHANGED_SINCE for past in back if not past.is_complete}
    return told(bulk, ids, skipped, edits, outcome)


def pasts_of(undoes_id: int, ids: Sequence[int]) -> dict[int, Past]:
    """By anomaly. Two queries: the lines that the change wrote, and what was written after them."""
    made = BulkResult.objects.filter(bulk_change=undoes_id, anomaly_id__in=ids, outcome=BulkResult.Outcome.CHANGED)
    own = {result.anomaly_id: result.transaction_id or 0 for result in made}
    since = Change.objects.filter(anomaly__in=ids, transaction_id__gte=min(own.values(), default=0))
    changesets: dict[int, dict[str, Any]] = {}
    touched: dict[int, set[str]] = {}
    for anomaly_id, transaction_id, changeset in since.values_list("anomaly_id", "transaction_id", "changeset"):
        if transaction_id == own.get(anomaly_id):
            changesets[anomaly_id] = changeset
        elif transaction_id > own.get(anomaly_id, transaction_id):
            touched.setdefault(anomaly_id, set()).update(changeset)
    return {pk: past_of(pk, changeset, touched.get(pk, set())) for pk, changeset in changesets.items()}


def past_of(pk: int, changeset: Mapping[str, Any], touched: set[str]) -> Past:
    kept = {name: pair for name, pair in changeset.items() if name not in touched}
    return Past(pk, kept, is_complete=not (set(changeset) & touched - FOLLOWS))


def backwards(past: Past) -> Iterator[Edit]:
    """What makes it what it was. Restoring leads to Acknowledged, so that an Active one takes a second step."""
    changes = past.changeset
    before, after = changes.get("status", (None, None))
    reopens = before in Anomaly.OPEN and after in Anomaly.ARCHIVED
    tags, people = (added_and_removed(changes.get(name), key) for name, key in (("global_tags", "name"), ("assignees", "id")))
    snooze = changes.get("snooze")
    original = changes.get("duplicate_of", (None, None))[0]
    edit = Edit(
        anomaly_id=past.anomaly_id,
        status=Anomaly.Status.ACKNOWLEDGED.value if reopens else before,
        description=changes["description"][0] if "description" in changes else None,
        duplicate_of=original["id"] if original and before == Anomaly.Status.DUPLICATE else None,
        tags_add=tags[1],
        tags_remove=tags[0],
        assignees_add=people[1],
        assignees_remove=people[0],
        snooze=snooze_in(snooze[0]) if snooze else None,
        wake=snooze is not None and snooze[0] is None,
    )
    yield edit
    if reopens and before == Anomaly.Status.ACTIVE:
        yield Edit(anomaly_id=past.anomaly_id, status=before)


def added_and_removed(pair: Sequence[Any] | None, key: str) -> tuple[list[Any], list[Any]]:
    """Of two lists of {id, name}, what only the second has and what only the first has."""
    before, after = ([one[key] for one in people] for people in pair or ((), ()))
    return [one for one in after if one not in before], [one for one in before if one not in after]


def take_comments_back(pasts: Sequence[Past], *, user: User | None) -> None:
    """Those that the change left go out of sight, as if their writer had deleted them."""
    ids = [made["id"] for past in pasts for before, made in [past.changeset.get("comment", (None, None))] if before is None and made]
    if not ids:
        return
    now = timezone.now()
    standing = list(Comment.objects.standing().filter(pk__in=ids).order_by("pk").select_for_update())
    Comment.objects.filter(pk__in=[comment.pk for comment in standing]).update(deleted=now, deleted_by=user)
    unsay(standing)
    lines = [Line(comment.org_id, comment.anomaly_id, {"comment": (shown(comment), None)}) for comment in standing]
    write_history(lines, actor=USER, user=user, at=now)
