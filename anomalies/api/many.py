"""PATCH and DELETE of many anomalies: one list of entries, one transaction, all of it or nothing."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Final

from django.http import Http404, QueryDict
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.callers import Caller
from accounts.models import Level
from accounts.permissions import level_needed
from anomalies.api.documents import documents
from anomalies.api.examples import ANOMALY, BULK_ARCHIVE, BULK_CHANGE
from anomalies.api.serializers import AnomalyBulkChangeSerializer, AnomalySerializer, BulkArchiveSerializer
from anomalies.models import Anomaly
from anomalies.querysets import AnomalyQuerySet
from anomalies.services import Edit, edit_anomalies, edits, examined
from config.api.filters import read_flag
from config.api.problems import flatten
from config.api.views import reference
from datastores.models import Datastore
from orgs.errors import FieldError, Invalid

MAX_ENTRIES: Final = 10_000
FORBIDDEN: Final = "forbidden"
DUPLICATE_ID: Final = "duplicate_id"
# What clients of bulk calls branch on; whatever else a value may lack is `invalid`, and its message says what.
CODES: Final = frozenset({edits.NOT_FOUND, FORBIDDEN, edits.ARCHIVED, edits.INVALID, DUPLICATE_ID})
# The names of the API for the parts of an edit.
PARTS: Final = {"assignee_ids": "assignees", "assignee_ids_add": "assignees_add", "assignee_ids_remove": "assignees_remove"}


def edit_parts(change: Mapping[str, Any]) -> dict[str, Any]:
    """What PUT and PATCH take, as `Edit` calls it."""
    return {PARTS.get(name, name): value for name, value in change.items()}


@dataclass(frozen=True)
class Ending:
    """How an anomaly is to end: archived for a reason, or deleted for good."""

    archive: bool
    status: str | None = None
    comment: str = ""
    mentioned: tuple[int, ...] = ()
    duplicate_of: str | None = None

    def edit(self, pk: int, *, duplicate_of: int | None, loc: tuple[str | int, ...] = ("body",)) -> Edit:
        if not self.archive:
            return Edit(anomaly_id=pk, remove=True, loc=loc)
        return Edit(anomaly_id=pk, status=self.status, comment=self.comment, mentioned=self.mentioned, duplicate_of=duplicate_of, loc=loc)

    def original_among(self, visible: AnomalyQuerySet) -> int | None:
        """The number of the original; None without one. Raises Invalid for one that is not visible."""
        if self.duplicate_of is None:
            return None
        found = numbers_of([self.duplicate_of], visible).get(self.duplicate_of)
        if found is None:
            raise Invalid("There is no such original.", errors=[missing(("body", "duplicate_of"), self.duplicate_of)])
        return found.pk


def ending_of(sent: Mapping[str, Any], *, query: QueryDict | None = None, loc: tuple[str | int, ...] = ("body",)) -> Ending:
    """What a body says, and the query beside it. Raises Invalid where the two differ or what they say is not enough."""
    said, errors = dict(sent), []
    for name in ("status", "duplicate_of"):
        asked = query.get(name) if query else None
        if asked is not None and said.setdefault(name, asked) != asked:
            errors.append(FieldError(("query", name), edits.INVALID, f"The body says {said[name]!r}."))
    archive = said.get("archive", True) if query is None else read_flag(query, "archive", default=True)
    status = said.get("status")
    if status not in Anomaly.ARCHIVED and (archive or status is not None):
        msg = f"Archiving needs a reason: one of {', '.join(Anomaly.ARCHIVED)}."
        errors.append(FieldError((*loc, "status"), "required" if status is None else "invalid_choice", msg))
    lost = [name for name in ("comment", "mentioned_user_ids", "duplicate_of") if not archive and said.get(name)]
    errors += [FieldError((*loc, name), edits.INVALID, "That goes with archiving; what is deleted keeps nothing.") for name in lost]
    if errors:
        raise Invalid("Nothing was changed.", errors=errors)
    return Ending(
        archive=archive,
        status=said.get("status"),
        comment=said.get("comment", ""),
        mentioned=tuple(said.get("mentioned_user_ids", ())),
        duplicate_of=said.get("duplicate_of"),
    )


@contextmanager
def naming_the_query(query: QueryDict, sent: Mapping[str, Any]) -> Iterator[None]:
    """Errors about what only the query said, or should have said, name the query as their place."""
    try:
        yield
    except Invalid as exc:
        asked = {"status", *query} - sent.keys()
        moved = [replace(one, loc=("query", *one.loc[1:])) if asked.intersection(one.loc[1:2]) else one for one in exc.errors]
        raise Invalid(exc.detail, errors=moved) from None


@dataclass(frozen=True)
class Place:
    """An anomaly, and where levels on it are granted."""

    pk: int
    datastore: int


def numbers_of(refs: Iterable[str], visible: AnomalyQuerySet) -> dict[str, Place]:
    """By what the request calls them, the anomalies that are visible. At most two queries."""
    keys: dict[str, dict[Any, list[str]]] = {"pk": {}, "uuid": {}}
    for ref in refs:
        try:
            ((column, key),) = reference(ref, Anomaly).items()
        except Http404:
            continue
        keys[column].setdefault(key, []).append(ref)
    found: dict[str, Place] = {}
    for column, wanted in keys.items():
        if wanted:
            for key, pk, datastore in visible.filter(**{f"{column}__in": list(wanted)}).values_list(column, "pk", "datastore_id"):
                found.update(dict.fromkeys(wanted[key], Place(pk, datastore)))
    return found


def missing(loc: tuple[str | int, ...], ref: str) -> FieldError:
    return FieldError(loc, edits.NOT_FOUND, f"There is no anomaly {ref}.")


def entries_of(sent: Any, serializer: serializers.Serializer[Any]) -> tuple[dict[int, dict[str, Any]], list[FieldError]]:
    """The entries that are well formed, by their place, and what is wrong with the others. Raises Invalid for what is no list."""
    if not isinstance(sent, list):
        raise Invalid("Send a list of entries.", errors=[FieldError(("body",), edits.INVALID, "Send a list of entries.")])
    if len(sent) > MAX_ENTRIES:
        raise Invalid("Too many.", errors=[FieldError(("body",), edits.INVALID, f"At most {MAX_ENTRIES:,} entries.")])
    entries: dict[int, dict[str, Any]] = {}
    errors: list[FieldError] = []
    for place, entry in enumerate(sent):
        try:
            entries[place] = serializer.run_validation(entry)
        except serializers.ValidationError as wrong:
            errors.extend(flatten(wrong.detail, ("body", place)))
    return entries, errors


class ManyMixin:
    """`bulk_update` and `bulk_destroy`, for a view of anomalies."""

    @extend_schema(
        summary="Change many anomalies",
        description="A list of entries, at most 10,000: all are done, in one transaction, or none is. An entry that cannot be done is "
        "named in `errors` by its place, with the code `not_found`, `forbidden`, `archived`, `duplicate_id` or `invalid`. "
        "Answers with the anomalies, in the order of the entries.",
        request=AnomalyBulkChangeSerializer(many=True),
        responses=AnomalySerializer(many=True),
        examples=[*BULK_CHANGE, ANOMALY],
        filters=False,
    )
    def bulk_update(self: Any, request: Request) -> Response:
        entries, errors = entries_of(request.data, AnomalyBulkChangeSerializer())
        found = Found.of(entries, self.caller, self.operation or "", errors)
        describers = editable(self.caller, "anomaly.describe") if any("description" in entry for entry in entries.values()) else frozenset()
        wanted: list[Edit] = []
        for place, entry in entries.items():
            if (here := found.places.get(place)) is None:
                continue
            if "description" in entry and here.datastore not in describers:
                errors.append(
                    FieldError(("body", place, "description"), FORBIDDEN, "A description needs the level editor on the datastore.")
                )
                continue
            parts = {name: value for name, value in entry.items() if name != "id"}
            wanted.append(Edit(anomaly_id=here.pk, loc=("body", place), **edit_parts(parts)))
        self.do(wanted, errors)
        return Response(documents([edit.anomaly_id for edit in wanted], caller=self.caller))

    @extend_schema(
        summary="Archive or delete many anomalies",
        description="A list of entries, at most 10,000, each as the body of `DELETE /api/anomalies/{id}` with `id` and `archive`. "
        "All are done or none is; errors as those of `PATCH`.",
        request=BulkArchiveSerializer(many=True),
        responses={204: None},
        examples=list(BULK_ARCHIVE),
    )
    def bulk_destroy(self: Any, request: Request) -> Response:
        entries, errors = entries_of(request.data, BulkArchiveSerializer())
        endings: dict[int, Ending] = {}
        for place, entry in entries.items():
            try:
                endings[place] = ending_of(entry, loc=("body", place))
            except Invalid as wrong:
                errors.extend(wrong.errors)
        found = Found.of({place: entries[place] for place in endings}, self.caller, self.operation or "", errors)
        originals = found.originals(endings, errors)
        wanted = [
            ending.edit(found.places[place].pk, duplicate_of=originals.get(place), loc=("body", place))
            for place, ending in endings.items()
            if place in found.places and (ending.duplicate_of is None or place in originals)
        ]
        self.do(wanted, errors)
        return Response(status=204)

    def do(self: Any, wanted: Sequence[Edit], errors: list[FieldError]) -> None:
        """Does all of it. Raises Invalid with everything that is wrong with any entry, in their order."""
        try:
            if not errors:
                edit_anomalies(self.caller.org_id, wanted, user=self.person)
                return
            errors = [*errors, *examined(self.caller.org_id, wanted, user=self.person)]
        except Invalid as wrong:
            errors = list(wrong.errors)
        known = [error if error.code in CODES else replace(error, code=edits.INVALID) for error in errors]
        raise Invalid("Nothing was changed: `errors` says why.", errors=sorted(known, key=lambda error: error.loc[1])) from None


def editable(caller: Caller, operation: str) -> frozenset[int]:
    """Datastores on which the caller may do this."""
    return frozenset(Datastore.objects.visible_to(caller, level=level_needed(operation)).values_list("pk", flat=True))


@dataclass(frozen=True)
class Found:
    """The anomalies that entries name, by the place of the entry, as far as the caller may do what is asked."""

    places: Mapping[int, Place]
    visible: AnomalyQuerySet

    @classmethod
    def of(cls, entries: Mapping[int, Mapping[str, Any]], caller: Caller, operation: str, errors: list[FieldError]) -> "Found":
        """Adds to `errors` who is not there, not the caller's to change, or named twice."""
        visible = Anomaly.objects.visible_to(caller, level=Level.REPORTER)
        known = numbers_of((entry["id"] for entry in entries.values()), visible)
        allowed = editable(caller, operation)
        places: dict[int, Place] = {}
        first: dict[int, int] = {}
        for place, entry in entries.items():
            loc, here = ("body", place, "id"), known.get(entry["id"])
            if here is None:
                errors.append(missing(loc, entry["id"]))
            elif here.pk in first:
                msg = f"Entry {first[here.pk]} is about this anomaly as well."
                errors.append(FieldError(loc, DUPLICATE_ID, msg))
            elif here.datastore not in allowed:
                label = Level(level_needed(operation)).label
                errors.append(FieldError(loc, FORBIDDEN, f"This needs the level {label} on the datastore."))
            else:
                places[place] = here
            if here is not None:
                first.setdefault(here.pk, place)
        return cls(places, visible)

    def originals(self, endings: Mapping[int, Ending], errors: list[FieldError]) -> dict[int, int]:
        """By place, of which anomaly it is a duplicate; adds to `errors` those that are not there."""
        named = {place: ending.duplicate_of for place, ending in endings.items() if ending.duplicate_of is not None}
        known = numbers_of(named.values(), self.visible)
        errors.extend(missing(("body", place, "duplicate_of"), ref) for place, ref in named.items() if ref not in known)
        return {place: known[ref].pk for place, ref in named.items() if ref in known}
