"""What is done to one anomaly by a word in its address: restore, snooze, duplicate-of; and to what one scan of a partition found."""

from dataclasses import replace
from typing import Any, ClassVar

from django.db import transaction
from django.db.models import QuerySet
from django.http import Http404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.permissions import level_needed
from anomalies import services
from anomalies.api.documents import document
from anomalies.api.examples import ANOMALY, DUPLICATE_OF, PARTITION, SNOOZE
from anomalies.api.many import MAX_ENTRIES, missing, numbers_of
from anomalies.api.serializers import AnomalySerializer, DuplicateOfSerializer, SnoozeChangeSerializer
from anomalies.models import Anomaly
from anomalies.services import Edit, Snooze, edit_anomalies
from anomalies.services.states import hold
from config.api.views import OrgViewSet, number_in
from orgs.errors import Conflict, FieldError, Invalid


class AnomalyVerbViewSet(OrgViewSet):
    """One word each."""

    resource: ClassVar = "anomalies"
    operations: ClassVar = {
        "restore": "anomaly.restore",
        "snooze": "anomaly.snooze",
        "wake": "anomaly.snooze",
        "mark_duplicate": "anomaly.archive",
        "unmark_duplicate": "anomaly.restore",
    }
    queryset = Anomaly.objects.all()
    serializer_class = AnomalySerializer
    volatile: ClassVar = ("is_new",)
    conditional: ClassVar = tuple(operations)

    def get_queryset(self) -> QuerySet[Anomaly]:
        found: QuerySet[Anomaly] = super().get_queryset()
        # Two at once are held in order of id, as soon as both are known.
        return found if self.action == "mark_duplicate" else found.select_for_update(no_key=True)

    def shown(self, row: Anomaly) -> dict[str, Any]:
        return document(row.pk, caller=self.caller)

    def locked(self) -> Anomaly:
        """In the version that If-Match asks for."""
        anomaly: Anomaly = self.get_object()
        self.check_version(anomaly)
        return anomaly

    @extend_schema(
        summary="Restore an archived anomaly",
        description="To Acknowledged, whatever it was before; it is no longer a duplicate of another. 409 for one that is open.",
        request=None,
        responses=AnomalySerializer,
        examples=[ANOMALY],
    )
    @transaction.atomic
    def restore(self, request: Request, id: str) -> Response:
        return self.versioned(self.shown(services.restore_anomaly(self.locked(), user=self.person)))

    @extend_schema(
        summary="Let an anomaly sleep",
        description="Out of the list, the inbox and notifications until its one condition ends: a moment, so many more occurrences of the "
        "same problem, a greater weight, the value back in its band. It wakes by itself, which its history tells. What is the same problem "
        "(the same fingerprint) and comes up meanwhile sleeps along.",
        request=SnoozeChangeSerializer,
        responses=AnomalySerializer,
        examples=[SNOOZE, ANOMALY],
    )
    @transaction.atomic
    def snooze(self, request: Request, id: str) -> Response:
        anomaly = self.locked()
        services.snooze_anomaly(anomaly, Snooze(**self.body(SnoozeChangeSerializer)), user=self.person)
        return self.versioned(self.shown(anomaly))

    @extend_schema(summary="Wake an anomaly", description="One that is awake stays so; 409 for an archived one.", responses={204: None})
    @transaction.atomic
    def wake(self, request: Request, id: str) -> Response:
        services.wake_anomaly(self.locked(), user=self.person)
        return Response(status=204)

    @extend_schema(
        summary="Archive an anomaly as a duplicate of another",
        description="Sets its status to Duplicate and links the two; either shows the other.",
        request=DuplicateOfSerializer,
        responses=AnomalySerializer,
        examples=[DUPLICATE_OF, ANOMALY],
    )
    @transaction.atomic
    def mark_duplicate(self, request: Request, id: str) -> Response:
        anomaly, ref = self.get_object(), self.body(DuplicateOfSerializer)["anomaly"]
        found = numbers_of([ref], Anomaly.objects.visible_to(self.caller)).get(ref)
        if found is None:
            raise Invalid("There is no such original.", errors=[missing(("body", "anomaly"), ref)])
        hold(anomaly.org_id, {anomaly.pk, found.pk})
        self.check_version(anomaly)
        edit = Edit(anomaly_id=anomaly.pk, status=Anomaly.Status.DUPLICATE, duplicate_of=found.pk)
        try:
            services.edit_anomaly(anomaly, edit, user=self.person)
        except Invalid as exc:  # under the name that the field has here
            raise Invalid(exc.detail, errors=[replace(error, loc=("body", "anomaly")) for error in exc.errors]) from None
        return self.versioned(self.shown(anomaly))

    @extend_schema(
        summary="Undo that an anomaly is a duplicate",
        description="Restores it to Acknowledged and unlinks the two. 409 for one that is no duplicate of another.",
        responses={204: None},
    )
    @transaction.atomic
    def unmark_duplicate(self, request: Request, id: str) -> Response:
        services.unmark_duplicate(self.locked(), user=self.person)
        return Response(status=204)


class ChangedSerializer(serializers.Serializer[Any]):
    changed = serializers.IntegerField(help_text="How many anomalies have changed.")
    transaction_id = serializers.IntegerField(allow_null=True, help_text="Under which each one's history tells of it; null for no change.")


class PartitionViewSet(OrgViewSet):
    """What one scan of a partition found, at once."""

    resource: ClassVar = "partitions"
    operations: ClassVar = {"change_anomalies": "anomaly.update"}
    queryset = Anomaly.objects.all()
    serializer_class = ChangedSerializer

    @extend_schema(
        summary="Change the status of all that a scan of a partition found",
        description="Of those that are open; an archived `status` archives them. `{id}` is the number in the anomalies' `partition_scan`.",
        parameters=[OpenApiParameter("status", OpenApiTypes.STR, "path", enum=list(Anomaly.Status.values), description="The new status.")],
        request=None,
        responses=ChangedSerializer,
        examples=[PARTITION],
    )
    @transaction.atomic
    def change_anomalies(self, request: Request, id: str, status: str) -> Response:
        ids = self.changeable_ones(id)
        if status not in Anomaly.Status.values:
            msg = f"Use one of {', '.join(Anomaly.Status.values)}."
            raise Invalid("There is no such status.", errors=[FieldError(("path", "status"), "invalid_choice", msg)])
        edits = [Edit(anomaly_id=pk, status=status) for pk in ids]
        outcome = edit_anomalies(self.caller.org_id, edits, user=self.person, strict=False)
        return Response({"changed": len(outcome.changed), "transaction_id": outcome.transaction_id})

    def changeable_ones(self, ref: str) -> list[int]:
        """The open ones where the caller has the level.

        Raises Http404 when they see nothing of the scan, Forbidden without the level on any of it, Conflict for too many.
        """
        operation = self.operation or ""
        found = self.get_queryset().filter(partition_scan_id=number_in(ref))
        mine = self.visible(found, level=level_needed(operation))
        if (any_of_them := mine.first() or found.first()) is None:
            raise Http404
        self.require(operation, any_of_them)
        ids = list(mine.open().order_by("pk").values_list("pk", flat=True)[: MAX_ENTRIES + 1])  # type: ignore[attr-defined]  # an AnomalyQuerySet
        if len(ids) > MAX_ENTRIES:
            raise Conflict(f"More than {MAX_ENTRIES:,} are open: change them by a filter.")
        return ids
