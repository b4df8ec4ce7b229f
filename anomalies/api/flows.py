"""/api/flows: housekeeping."""

from typing import Any, ClassVar

import django_filters
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema, extend_schema_view, inline_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from anomalies.api.bulk import begun
from anomalies.api.serializers import names
from anomalies.models import Anomaly, Flow
from anomalies.services import flows
from anomalies.services.comments import MESSAGE_LIMIT
from config.api.arrays import array_page
from config.api.fields import MomentField, OneOfField, StrictSerializer, TextField
from config.api.filters import StrictFilterSet, TrueFalseFilter
from config.api.pagination import COUNT_CAP
from config.api.views import ListMixin, OrgViewSet, RetrieveMixin
from datastores.api.examples import BEGUN
from datastores.api.serializers import OperationSerializer, RefSerializer

FLOW = OpenApiExample(
    "Archive what nobody has touched for a month",
    value={
        "id": 4,
        "name": "Old noise",
        "active": True,
        "action": "archive",
        "inactivity": "month",
        "statuses": ["Active"],
        "datastores": [{"id": 1, "name": "Metrics"}],
        "tags": [],
        "archive_status": "Discarded",
        "extra_tags": [{"id": 9, "name": "Housekeeping"}],
        "comment": "Nobody looked at it for a month.",
        "created": "2026-05-01T09:00:00.000Z",
        "updated": "2026-05-01T09:00:00.000Z",
        "last_run": "2026-05-15T00:00:12.000Z",
    },
    response_only=True,
)
NEW_FLOW = OpenApiExample(
    "Archive what nobody has touched for a month",
    value={
        "name": "Old noise",
        "action": "archive",
        "inactivity": "month",
        "statuses": ["Active"],
        "datastore_ids": [1],
        "archive_status": "Discarded",
        "extra_tags": ["Housekeeping"],
        "comment": "Nobody looked at it for a month.",
    },
    request_only=True,
)
CHANGE = OpenApiExample("Switch it off", value={"active": False}, request_only=True)
ENTRY = OpenApiExample(
    "It ran",
    value={
        "timestamp": "2026-05-15T00:00:12.000Z",
        "user": None,
        "changeset": {},
        "operation": {
            "id": 31,
            "status": "success",
            "counters": {"changed": 57, "skipped": 0},
            "message": "57 changed.",
            "ended": "2026-05-15T00:00:13.000Z",
        },
    },
    response_only=True,
)
WOULD = OpenApiExample("A dry run", value={"count": 57, "capped": False}, response_only=True, status_codes=["200"])


class FlowSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    name = serializers.CharField()
    active = serializers.BooleanField(source="is_active", help_text="Whether it runs once a day.")
    action = serializers.ChoiceField(Flow.Action.values)
    inactivity = serializers.ChoiceField(Flow.Inactivity.values, help_text="For how long nothing has changed and nobody has commented.")
    statuses = serializers.ListField(child=serializers.CharField(), help_text="Empty: all that the action takes.")
    datastores = RefSerializer(many=True, help_text="Empty: everywhere.")
    tags = RefSerializer(many=True, help_text="Anomalies with any of these; empty: all.")
    archive_status = serializers.CharField(allow_blank=True, help_text="The reason for archiving.")
    extra_tags = RefSerializer(many=True, help_text="Put on what is archived.")
    comment = serializers.CharField(allow_blank=True, help_text="Left on what is archived.")
    created = MomentField()
    updated = MomentField()
    last_run = MomentField(allow_null=True)


class FlowChangeSerializer(StrictSerializer):
    name = TextField(required=False, max_length=100)
    active = serializers.BooleanField(required=False, source="is_active")
    action = OneOfField(Flow.Action.values, required=False)
    inactivity = OneOfField(Flow.Inactivity.values, required=False)
    statuses = serializers.ListField(child=OneOfField(Anomaly.Status.values), required=False, max_length=6)
    datastore_ids = serializers.ListField(
        child=serializers.IntegerField(), required=False, max_length=1000, source="datastores", help_text="Needs Author on each."
    )
    tags = names("Names of tags: anomalies with any of them.")
    archive_status = OneOfField([str(reason) for reason in Flow.REASONS], required=False, allow_blank=True)
    extra_tags = names("Names of tags that are put on what is archived.")
    comment = TextField(required=False, allow_blank=True, max_length=MESSAGE_LIMIT)


class NewFlowSerializer(FlowChangeSerializer):
    name = TextField(max_length=100)
    action = OneOfField(Flow.Action.values)
    inactivity = OneOfField(Flow.Inactivity.values)


class RunSerializer(StrictSerializer):
    dry_run = serializers.BooleanField(required=False, default=False, help_text="true: only count what it would be about.")


class RunOfFlowSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    status = serializers.CharField()
    counters = serializers.DictField()
    message = serializers.CharField(allow_blank=True)
    ended = MomentField(allow_null=True)


class FlowEntrySerializer(serializers.Serializer[Any]):
    timestamp = MomentField()
    user = RefSerializer(allow_null=True, help_text="Null: the clock.")
    changeset = serializers.DictField(child=serializers.ListField(min_length=2, max_length=2), help_text="Empty for a run.")
    operation = RunOfFlowSerializer(allow_null=True, help_text="What came of a run; null for a change.")


class FlowFilterSet(StrictFilterSet):
    search = django_filters.CharFilter(field_name="name", lookup_expr="icontains", help_text="Part of the name.")
    active = TrueFalseFilter(field_name="is_active", help_text="Only active ones, or only inactive ones.")
    sorts: ClassVar = {"name": "name", "created": "created"}
    order: ClassVar = ("name", "pk")


@extend_schema_view(
    list=extend_schema(summary="List the housekeeping flows", examples=[FLOW]),
    retrieve=extend_schema(summary="Get one flow", examples=[FLOW]),
)
class FlowViewSet(ListMixin, RetrieveMixin, OrgViewSet):
    operations: ClassVar = {
        "list": "flow.read",
        "retrieve": "flow.read",
        "history": "flow.read",
        "create": "flow.manage",
        "update": "flow.manage",
        "destroy": "flow.manage",
        "execute": "flow.execute",
    }
    parameters: ClassVar = {"history": ("page", "size")}
    volatile: ClassVar = ("last_run",)
    queryset = Flow.objects.prefetch_related("datastores", "tags", "extra_tags")
    serializer_class = FlowSerializer
    filterset_class = FlowFilterSet

    def again(self, flow: Flow) -> Flow:
        """As it is now."""
        found: Flow = self.get_queryset().get(pk=flow.pk)
        return found

    @extend_schema(
        summary="Make a flow",
        description="It runs once a day, for the first time within the hour. A Manager names datastores on which they have Author.",
        request=NewFlowSerializer,
        responses={201: FlowSerializer},
        examples=[NEW_FLOW, FLOW],
    )
    def create(self, request: Request) -> Response:
        return self.created(self.again(flows.create_flow(self.person, self.body(NewFlowSerializer))), path="flows")

    @extend_schema(
        summary="Change a flow",
        description="Changes only the fields that are sent. Any Manager may switch a flow off.",
        request=FlowChangeSerializer,
        examples=[CHANGE, FLOW],
    )
    @transaction.atomic
    def update(self, request: Request, id: str) -> Response:
        flow, sent = self.locked_object(), self.body(FlowChangeSerializer)
        return self.versioned(self.shown(self.again(flows.change_flow(flow, sent, user=self.person))))

    @extend_schema(summary="Delete a flow", description="With its history; what it did stays.", responses={204: None})
    @transaction.atomic
    def destroy(self, request: Request, id: str) -> Response:
        self.locked_object().delete()
        return Response(status=204)

    @extend_schema(
        summary="Run a flow now",
        description=(
            "Whether it is active or not, as an operation with progress; what was archived can be undone for 10 minutes. While it is "
            "running already, the answer is that run. With `dry_run` it only counts. A Manager runs what they could have made: with Author "
            "on each of its datastores (403 otherwise)."
        ),
        request=RunSerializer,
        responses={
            200: inline_serializer("FlowWould", {"count": serializers.IntegerField(), "capped": serializers.BooleanField()}),
            202: OpenApiResponse(OperationSerializer, description="It has begun."),
        },
        examples=[WOULD, BEGUN],
    )
    def execute(self, request: Request, id: str) -> Response:
        flow, now = self.get_object(), timezone.now()
        if request.data is not None and self.body(RunSerializer)["dry_run"]:
            count = flows.idle(flow, now=now).order_by()[: COUNT_CAP + 1].count()
            return Response({"count": min(count, COUNT_CAP), "capped": count > COUNT_CAP})
        return begun(flows.execute(flow, user=self.person, now=now))

    @extend_schema(
        summary="Get the history of a flow",
        description="Its changes and its runs: a plain array, newest first.",
        parameters=[
            OpenApiParameter("page", OpenApiTypes.INT, description="Which page, from 1."),
            OpenApiParameter("size", OpenApiTypes.INT, description="Entries on a page, 1 to 100; 50 without it."),
        ],
        responses=FlowEntrySerializer(many=True),
        examples=[ENTRY],
        filters=False,
    )
    def history(self, request: Request, id: str) -> Response:
        entries: QuerySet[Any] = self.get_object().entries.select_related("user", "operation")
        return array_page(request, entries, FlowEntrySerializer)
