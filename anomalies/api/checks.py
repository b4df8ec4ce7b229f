"""/api/anomalies/{id}/failed-checks."""

from typing import Any, ClassVar

from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from anomalies.models import Anomaly, FailedCheck
from config.api.arrays import PAGE_PARAMETERS, array_page
from config.api.views import OrgViewSet

CHECK = OpenApiExample(
    "A value that is missing",
    value={
        "id": 778, "quality_check": {"id": 778, "description": "Every order has a customer."},
        "rule_type": "notNull", "message": "customer_id is null.", "fields": ["customer_id"],
        "suggested_field": "customer_id", "suggested_value": "C-1093", "suggested_score": 0.82,
    },
    response_only=True,
)  # fmt: skip


class CheckRefSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    description = serializers.CharField(allow_blank=True, help_text="What the check asserts, as it was when it failed.")


class FullFailedCheckSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField(
        source="quality_check_id",
        allow_null=True,
        help_text="The check, as the filter `quality_check` takes it; null once nobody keeps it.",
    )
    quality_check = serializers.SerializerMethodField(help_text="The check; null for one that nobody keeps any more.")
    rule_type = serializers.CharField()
    message = serializers.CharField(help_text="What is wrong. Masked values never stand in it.")
    suggested_field = serializers.CharField(allow_blank=True, help_text="What would mend it, where that is known: which field,")
    suggested_value = serializers.CharField(allow_blank=True, help_text="to which value,")
    suggested_score = serializers.FloatField(allow_null=True, help_text="and how sure that is, 0 to 1.")

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """`fields` is a word of the class itself, so it is named here."""
        about: Any = serializers.SerializerMethodField("get_names", help_text="What the check is about.")
        return {**super().get_fields(), "fields": about}

    @extend_schema_field(serializers.ListField(child=serializers.CharField()))
    def get_names(self, check: FailedCheck) -> list[str]:
        return [field.name for field in check.fields.all()]

    @extend_schema_field(CheckRefSerializer(allow_null=True))
    def get_quality_check(self, check: FailedCheck) -> dict[str, Any] | None:
        return None if check.quality_check_id is None else {"id": check.quality_check_id, "description": check.description}


class FailedCheckViewSet(OrgViewSet):
    """What one anomaly violates."""

    resource: ClassVar = "anomalies"
    operations: ClassVar = {"failed_checks": "anomaly.read"}
    parameters: ClassVar = {"failed_checks": ("page", "size")}
    queryset = Anomaly.objects.all()

    @extend_schema(
        summary="Get the failed checks of an anomaly",
        description="A plain array, a page at a time; `X-Total-Count` and `Link` tell of the rest. An anomaly of a series has none.",
        parameters=list(PAGE_PARAMETERS),
        responses=FullFailedCheckSerializer(many=True),
        examples=[CHECK],
        filters=False,
    )
    def failed_checks(self, request: Request, id: str) -> Response:
        checks = self.get_object().failed_checks.prefetch_related("fields").order_by("pk")
        return array_page(request, checks, FullFailedCheckSerializer)
