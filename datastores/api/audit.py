"""/api/audit-logs/masking."""

from typing import Any, ClassVar

from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_view
from rest_framework import serializers

from config.api.fields import MomentField
from config.api.filters import ListFilter, MomentFilter, StrictFilterSet, one_of, whole_number
from config.api.views import ListMixin, OrgViewSet
from datastores.api.serializers import RefSerializer
from datastores.models import AuditEntry

ENTRY = OpenApiExample(
    "Masked values of an anomaly were shown",
    value={
        "id": 5, "user_id": 42, "user": {"id": 42, "name": "Alice Lee", "email": "alice@example.com"}, "user_email": "alice@example.com",
        "action": "unmask_field_values", "resource_type": "anomaly", "resource_id": 12345, "masked_field_names": ["email"],
        "endpoint": "/api/anomalies/12345/source-record", "ip_address": "192.0.2.7", "created": "2026-05-15T17:22:08.000Z",
    },
    response_only=True,
)  # fmt: skip


class AuditUserSerializer(RefSerializer):
    email = serializers.CharField()


class AuditEntrySerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    user_id = serializers.IntegerField(allow_null=True)
    user = AuditUserSerializer(allow_null=True, help_text="Null when that person was erased.")
    user_email = serializers.CharField(help_text="As it was then.")
    action = serializers.ChoiceField(AuditEntry.Action.choices)
    resource_type = serializers.ChoiceField(AuditEntry.Resource.choices)
    resource_id = serializers.IntegerField()
    masked_field_names = serializers.ListField(child=serializers.CharField())
    endpoint = serializers.CharField()
    ip_address = serializers.CharField(allow_null=True)
    created = MomentField()


class AuditFilterSet(StrictFilterSet):
    user_id = ListFilter(item=whole_number, help_text="Ids of those who looked.")
    action = ListFilter(item=one_of(AuditEntry.Action.values), help_text="Any of these actions.")
    resource_type = ListFilter(item=one_of(AuditEntry.Resource.values), help_text="Any of these types.")
    resource_id = ListFilter(item=whole_number, help_text="Ids of what was looked at.")
    start_date = MomentFilter("created", lookup_expr="gte", help_text="From this moment on.")
    end_date = MomentFilter("created", lookup_expr="lt", help_text="Before this moment.")

    sorts: ClassVar = {"created": "created"}
    order: ClassVar = ("-created", "-pk")


@extend_schema_view(
    list=extend_schema(
        summary="List who has looked at masked values",
        description="Newest first. One entry per call that showed some; nobody can alter or delete any.",
        examples=[ENTRY],
    )
)
class MaskingAuditViewSet(ListMixin, OrgViewSet):
    resource: ClassVar = "audit_logs_masking"
    operations: ClassVar = {"list": "audit.read"}
    queryset = AuditEntry.objects.select_related("user")
    serializer_class = AuditEntrySerializer
    filterset_class = AuditFilterSet
