"""Housekeeping flows: saved by people, run by the clock once a day or by a person at once, as an operation like any change of many."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from django.db import models, transaction
from django.db.models import Exists, F, OuterRef, Q
from django.utils import timezone

from accounts.models import Level, User
from anomalies.mentions import mentioned_in
from anomalies.models import Anomaly, AnomalyTag, BulkChange, Change, Flow, FlowEntry, Tag
from anomalies.querysets import AnomalyQuerySet
from anomalies.services import bulk
from datastores.models import Datastore, Operation
from orgs.errors import FieldError, Forbidden, Invalid, NotFound
from orgs.uniqueness import conflict_if_taken

PLAIN: Final = ("name", "is_active", "action", "inactivity", "statuses", "archive_status", "comment")
LISTS: Final = ("datastores", "tags", "extra_tags")
# What the lists hold, in words.
KINDS: Final = {"datastores": "datastore", "tags": "tag", "extra_tags": "tag"}
SENT: Final = {"is_active": "active", "datastores": "datastore_ids"}


@transaction.atomic
def create_flow(user: User, values: Mapping[str, Any]) -> Flow:
    """`values` by field of the model; datastores as ids, tags as names. Raises as `change_flow` does."""
    return save(Flow(org_id=user.org_id), values, user=user)


@transaction.atomic
def change_flow(flow: Flow, values: Mapping[str, Any], *, user: User) -> Flow:
    """With `values` applied and told in its history.

    Raises Conflict for a name that is taken, Invalid naming each value that does not fit the others or the org, and for a flow that would
    reach further than the person does: its datastores must be named, with Author on each, but by an Admin.
    """
    if dict(values) == {"is_active": False}:
        return switched_off(flow, user=user)
    return save(flow, values, user=user)


def stored(flow: Flow) -> Flow:
    with conflict_if_taken(f"There is a flow named {flow.name!r} already."):
        flow.save()
    return flow


def switched_off(flow: Flow, *, user: User) -> Flow:
    """Any Manager may stop a flow, also one that they could not have made."""
    before = shown(flow)
    flow.is_active = False
    flow.save(update_fields=["is_active", "updated"])
    note(flow, user=user, before=before)
    return flow


def save(flow: Flow, values: Mapping[str, Any], *, user: User) -> Flow:
    before = shown(flow) if flow.pk else {}
    for field in PLAIN:
        if field in values:
            setattr(flow, field, values[field])
    lists = found_lists(flow, values, user=user)
    if errors := [*misfits(flow, lists), *strangers(flow), *overreach(lists["datastores"], user)]:
        raise Invalid("The flow was not saved.", errors=errors)
    stored(flow)
    for field, rows in lists.items():
        getattr(flow, field).set(rows)
    note(flow, user=user, before=before)
    return flow


def found_lists(flow: Flow, values: Mapping[str, Any], *, user: User) -> dict[str, list[Any]]:
    """The rows of the three lists as they shall be. Raises Invalid naming each id and name that the person's org does not have."""
    lists = {field: list(getattr(flow, field).all()) if flow.pk else [] for field in LISTS}
    errors: list[FieldError] = []
    sources: Mapping[str, tuple[models.QuerySet[Any], str]] = {
        "datastores": (Datastore.objects.visible_to(user), "pk"),
        "tags": (Tag.objects.for_org(user.org_id), "name"),
        "extra_tags": (Tag.objects.for_org(user.org_id), "name"),
    }
    for field, (rows, key) in sources.items():
        if field in values:
            known = {getattr(row, key): row for row in rows.filter(**{f"{key}__in": list(values[field])})}
            errors += unknown(field, values[field], known)
            lists[field] = [known[value] for value in values[field] if value in known]
    if errors:
        raise Invalid("The flow was not saved.", errors=errors)
    return lists


def unknown(field: str, values: Iterable[Any], known: Mapping[Any, Any]) -> list[FieldError]:
    loc = ("body", SENT.get(field, field))
    return [
        FieldError((*loc, place), "not_found", f"There is no {KINDS[field]} {value!r}.")
        for place, value in enumerate(values)
        if value not in known
    ]


def misfits(flow: Flow, lists: Mapping[str, Sequence[Any]]) -> list[FieldError]:
    """What the action needs, and what it does not take."""
    archives = flow.action == Flow.Action.ARCHIVE
    reasons = ", ".join(Flow.REASONS)
    found = []
    if archives and flow.archive_status not in Flow.REASONS:
        found.append(FieldError(("body", "archive_status"), "invalid_choice", f"Archiving needs a reason: {reasons}."))
    if archives and not set(flow.statuses) <= set(Anomaly.OPEN):
        found.append(FieldError(("body", "statuses"), "invalid_choice", f"Only open anomalies are archived: {', '.join(Anomaly.OPEN)}."))
    for field, value in (("archive_status", flow.archive_status), ("extra_tags", lists["extra_tags"]), ("comment", flow.comment)):
        if not archives and value:
            found.append(FieldError(("body", field), "invalid", "Nothing is left of what is deleted for good: this goes with archiving."))
    return found


def strangers(flow: Flow) -> list[FieldError]:
    """Whom the comment mentions and the org does not have: nothing could be archived with it."""
    named = mentioned_in(flow.comment)
    known = set(User.objects.for_org(flow.org_id).filter(pk__in=named).values_list("pk", flat=True)) if named else set()
    return [FieldError(("body", "comment"), "not_found", f"There is no person {pk}.") for pk in named if pk not in known]


def overreach(datastores: Sequence[Datastore], user: User) -> list[FieldError]:
    if user.is_admin:
        return []
    if not datastores:
        return [FieldError(("body", "datastore_ids"), "required", "Name the datastores; only an Admin's flow reaches all of them.")]
    mine = set(Datastore.objects.visible_to(user, level=Level.AUTHOR).values_list("pk", flat=True))
    return [
        FieldError(("body", "datastore_ids", place), "forbidden", f"You need the level author on {datastore.name}.")
        for place, datastore in enumerate(datastores)
        if datastore.pk not in mine
    ]


def shown(flow: Flow) -> dict[str, Any]:
    """The flow as its history tells of it."""
    plain = {SENT.get(field, field): getattr(flow, field) for field in PLAIN}
    return plain | {field: [{"id": row.pk, "name": row.name} for row in getattr(flow, field).all()] for field in LISTS}


def note(flow: Flow, *, user: User, before: Mapping[str, Any]) -> None:
    after = shown(flow)
    changeset = {field: [before.get(field), value] for field, value in after.items() if before.get(field) != value}
    if changeset:
        FlowEntry.objects.create(org_id=flow.org_id, flow=flow, timestamp=timezone.now(), user=user, changeset=changeset)


def idle(flow: Flow, *, now: datetime) -> AnomalyQuerySet:
    """The anomalies that the flow is about: nothing of theirs has changed, and nobody has commented, for as long as it says."""
    since = now - flow.inactive_for
    datastores, tags = ([row.pk for row in getattr(flow, field).all()] for field in ("datastores", "tags"))
    statuses = flow.statuses or (Anomaly.OPEN if flow.action == Flow.Action.ARCHIVE else Anomaly.Status.values)
    found = Anomaly.objects.for_org(flow.org_id).filter(deleted=None, status__in=statuses, created__lt=since, updated__lt=since)
    if datastores:
        found = found.filter(datastore__in=datastores)
    if tags:
        found = found.filter(Exists(AnomalyTag.objects.filter(org=flow.org_id, tag__in=tags, anomaly=OuterRef("pk"))))
    return found.filter(~Exists(Change.objects.filter(anomaly=OuterRef("pk"), timestamp__gte=since)))


def change_of(flow: Flow) -> dict[str, Any]:
    """What is done to each, as `bulk.Wanted` reads it."""
    if flow.action == Flow.Action.DELETE:
        return {"remove": True}
    archive = {"status": flow.archive_status, "comment": flow.comment}
    return {"archive": archive, "tags_add": [tag.name for tag in flow.extra_tags.all()]}


@transaction.atomic
def execute(flow: Flow, *, user: User | None, now: datetime) -> Operation:
    """The operation that applies the flow, as it is by now, to what is idle, the oldest first; while one is under way, that one.

    Raises NotFound for a flow that is gone, Forbidden for a person whom it would reach further than they do; `user` None is the clock.
    """
    flow = held(flow)
    if user is not None and (errors := overreach(list(flow.datastores.all()), user)):
        raise Forbidden(f"This flow reaches further than you do. {' '.join(error.msg for error in errors)}")
    running = Operation.objects.filter(flow_entry__flow=flow, status__in=Operation.UNFINISHED).first()
    if running is not None:
        return running
    # A duplicate whose original is deleted has changed, and would stay: duplicates go first.
    order = (F("duplicate_of").asc(nulls_last=True), "pk") if flow.action == Flow.Action.DELETE else ("pk",)
    ids = list(idle(flow, now=now).order_by(*order).values_list("pk", flat=True)[: bulk.LIMIT])
    made = BulkChange.objects.create(org_id=flow.org_id, query=f"flow={flow.pk}", change=change_of(flow), ids=ids)
    operation = bulk.begin(made, kind=Operation.Kind.FLOW, user_id=user.pk if user else None)
    FlowEntry.objects.create(org_id=flow.org_id, flow=flow, timestamp=now, user=user, operation=operation)
    Flow.objects.filter(pk=flow.pk).update(last_run=now)
    return operation


def held(flow: Flow) -> Flow:
    """The flow as it is now, kept from others until the transaction ends. Raises NotFound for one that is gone."""
    found = Flow.objects.select_for_update().filter(pk=flow.pk).first()
    if found is None:
        raise NotFound("This flow was deleted meanwhile.")
    return found


def still_idle(operation: Operation, ids: Collection[int]) -> set[int]:
    """Those of `ids` that the flow is about still: what was touched since the run began is none of them. None is, once the flow is gone."""
    entry = FlowEntry.objects.filter(operation=operation).select_related("flow").first()
    if entry is None:
        return set()
    return set(idle(entry.flow, now=entry.timestamp).filter(pk__in=ids).values_list("pk", flat=True))


def due(*, now: datetime) -> list[tuple[int, int]]:
    """Active flows that have not run on this day (UTC): (org, flow)."""
    return list(waiting(now).order_by("last_run", "pk").values_list("org_id", "pk"))


def waiting(now: datetime) -> models.QuerySet[Flow]:
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    return Flow.objects.filter(is_active=True).filter(Q(last_run=None) | Q(last_run__lt=today))


@transaction.atomic
def execute_due(flow_id: int, *, now: datetime) -> Operation | None:
    """Runs the flow unless somebody has switched it off or run it meanwhile."""
    flow = waiting(now).select_for_update().filter(pk=flow_id).first()
    return None if flow is None else execute(flow, user=None, now=now)
