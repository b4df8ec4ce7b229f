"""What a change of many anomalies may hold, and how its plan and its results are shown."""

from collections.abc import Mapping
from typing import Any

from django.core.exceptions import SuspiciousOperation
from django.http import QueryDict
from django.utils import timezone
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from anomalies.api.serializers import AnomalySerializer, ArchiveSerializer, SnoozeChangeSerializer, names, people
from anomalies.models import Anomaly, BulkResult
from anomalies.services.plans import MOMENT_TO_COME, may_sleep_until
from config.api.fields import MomentField, OneOfField, StrictSerializer, TextField


class BulkArchivingSerializer(ArchiveSerializer):
    """As of one, but never without the reason, and of no original."""

    status = OneOfField([str(status) for status in Anomaly.ARCHIVED], help_text="Why they are archived.")
    duplicate_of = None  # type: ignore[assignment]  # how a field of the base is taken away

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs.get("mentioned_user_ids") and not attrs.get("comment"):
            raise serializers.ValidationError({"mentioned_user_ids": serializers.ErrorDetail("Mentions go with a comment.", "invalid")})
        return attrs


def refuse_clashes(change: Mapping[str, Any]) -> None:
    """Raises ValidationError for what is to be added and taken away at once."""
    for added, removed in (("tags_add", "tags_remove"), ("assignee_ids_add", "assignee_ids_remove")):
        if both := set(change.get(added, ())) & set(change.get(removed, ())):
            msg = f"Added and removed at once: {', '.join(sorted(map(str, both)))}."
            raise serializers.ValidationError({added: serializers.ErrorDetail(msg, "invalid")})


class BulkByFilterChangeSerializer(StrictSerializer):
    """What is done to each: one of status, archive and restore, or none of them, and the rest beside it."""

    status = OneOfField([str(status) for status in Anomaly.OPEN], required=False)
    archive = BulkArchivingSerializer(required=False)
    restore = OneOfField([True], required=False, help_text="Only archived ones, to Acknowledged.")
    tags_add = names("Names of tags that they get, beside those that they have.")
    tags_remove = names("Names of tags that they lose.")
    assignee_ids_add = people("Ids of people who look after them too. Each needs Viewer on the datastore.")
    assignee_ids_remove = people("Ids of people who no longer do.")
    snooze = SnoozeChangeSerializer(required=False)
    wake = OneOfField([True], required=False, help_text="Ends the sleep of those that sleep.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        chosen = [name for name in ("status", "archive", "restore") if name in attrs]
        if len(chosen) > 1:
            raise serializers.ValidationError(f"Only one of {' and '.join(chosen)} can be done at once.", code="invalid")
        if "archive" in attrs and "snooze" in attrs:
            raise serializers.ValidationError("What is archived does not have to sleep.", code="invalid")
        if "wake" in attrs and "snooze" in attrs:
            raise serializers.ValidationError("Only one of snooze and wake can be done at once.", code="invalid")
        if not any(attrs.values()):
            raise serializers.ValidationError("Say what is to be changed.", code="required")
        refuse_clashes(attrs)
        until = attrs.get("snooze", {}).get("until")
        if until is not None and not may_sleep_until(until, now=timezone.now()):
            raise serializers.ValidationError({"snooze": {"until": serializers.ErrorDetail(MOMENT_TO_COME, "invalid")}})
        return attrs


@extend_schema_field({"type": "object", "additionalProperties": True, "example": {"status": ["Active"], "tag": "High"}})
class FilterField(serializers.Field):  # type: ignore[type-arg]  # generic in the stubs only
    """The filters of the list: `{"status": ["Active"], "tag": "High"}`, or the query string of a list."""

    def to_internal_value(self, data: Any) -> QueryDict:
        if isinstance(data, str):
            return self._parsed(data)
        if not isinstance(data, Mapping):
            raise serializers.ValidationError("Filters by name, or a query string.", code="invalid")
        query = QueryDict(mutable=True)
        for name, value in data.items():
            query.setlist(str(name), [self._text(one) for one in (value if isinstance(value, list) else [value])])
        return query

    def _parsed(self, text: str) -> QueryDict:
        try:
            return QueryDict(text.removeprefix("?"))
        except SuspiciousOperation as exc:
            raise serializers.ValidationError("A query string of fewer parameters.", code="invalid") from exc

    def _text(self, value: Any) -> str:
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, str | int | float):
            return str(value)
        raise serializers.ValidationError("A value is text, a number, or a list of these.", code="invalid")

    def to_representation(self, value: QueryDict) -> dict[str, Any]:
        return dict(value.lists())


class BulkByFilterSerializer(StrictSerializer):
    """`filter` and `change` to plan, then `token` to do it; with `dry_run: false` it is done at once."""

    filter = FilterField(required=False)
    change = BulkByFilterChangeSerializer(required=False)
    dry_run = serializers.BooleanField(required=False, default=True)
    token = TextField(required=False, max_length=100)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if "token" in attrs and ("filter" in attrs or "change" in attrs):
            raise serializers.ValidationError({"token": serializers.ErrorDetail("The token stands for filter and change.", "invalid")})
        if "token" not in attrs:
            missing = {name: serializers.ErrorDetail("This is needed.", "required") for name in ("filter", "change") if name not in attrs}
            if missing:
                raise serializers.ValidationError(missing)
        return attrs


class BulkPlanSerializer(serializers.Serializer[Any]):
    count = serializers.IntegerField(help_text="How many anomalies the filter finds now: exactly these the token changes.")
    forbidden = serializers.IntegerField(help_text="How many of them you may not change; they will be skipped.")
    sample = AnomalySerializer(many=True, help_text="The first ten, in the order of the list.")
    token = serializers.CharField()
    expires_at = MomentField()


class ResultSerializer(serializers.Serializer[Any]):
    anomaly = serializers.IntegerField(source="anomaly_id")
    outcome = serializers.ChoiceField(BulkResult.Outcome.values)
    code = serializers.CharField(
        allow_blank=True,
        help_text="Why it was skipped: not_found, forbidden, archived, unchanged... Of what was undone in part: changed_since.",
    )
    message = serializers.CharField(allow_blank=True)
    transaction_id = serializers.IntegerField(allow_null=True, help_text="Of its line in the history; null for a skipped one.")
