"""What an anomaly and its history look like in JSON, and what a change of one may hold."""

from typing import Any, Final

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from anomalies.models import Anomaly
from anomalies.services.comments import MESSAGE_LIMIT
from anomalies.services.plans import DESCRIPTION_LIMIT, SNOOZE_COUNT
from config.api.fields import MomentField, OneOfField, ReferenceField, StrictSerializer, TextField
from datastores.api.serializers import RefSerializer

TAG_NAME_LIMIT: Final = 100
NAMED_LIMIT: Final = 1000  # of tags or people in one entry; how many an anomaly may have, the service says
MAX_ID: Final = 2**63 - 1
MAX_INT: Final = 2**31 - 1


class TagSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    name = serializers.CharField()
    color = serializers.CharField()
    weight_modifier = serializers.IntegerField()


class PersonSerializer(RefSerializer):
    email = serializers.CharField()


class FailedCheckSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField(
        source="quality_check_id",
        allow_null=True,
        help_text="The check, as the filter `quality_check` takes it; null once nobody keeps it.",
    )
    rule_type = serializers.CharField()
    message = serializers.CharField()
    suggested_field = serializers.CharField(allow_blank=True)
    suggested_value = serializers.CharField(allow_blank=True)
    suggested_score = serializers.FloatField(allow_null=True)


class DetectorSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    label = serializers.CharField(required=False)  # type: ignore[assignment]  # the contract's name
    score = serializers.FloatField()


class ScanSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()


class TwinSerializer(serializers.Serializer[Any]):
    """Another anomaly."""

    id = serializers.IntegerField()
    uuid = serializers.UUIDField()


class SnoozeSerializer(serializers.Serializer[Any]):
    """How long it sleeps: one of the first four says so, the others are null or false."""

    until = MomentField(allow_null=True, source="snooze_until")
    count = serializers.IntegerField(allow_null=True, source="snooze_count", help_text="For so many more occurrences of the same problem.")
    weight = serializers.IntegerField(allow_null=True, source="snooze_weight", help_text="Until it weighs more than this.")
    back_in_band = serializers.BooleanField(source="snooze_back_in_band", help_text="Until the value is back where it was expected.")
    at = MomentField(source="snoozed_at")
    by = RefSerializer(allow_null=True, source="snoozed_by")


class AnomalySerializer(serializers.Serializer[Any]):
    """One shape for lists and details, for all types; what a type does not have is null."""

    id = serializers.IntegerField()
    uuid = serializers.UUIDField()
    type = serializers.ChoiceField(Anomaly.Type.values)
    status = serializers.ChoiceField(Anomaly.Status.values)
    archived = serializers.BooleanField(source="is_archived")
    is_new = serializers.BooleanField(help_text="Nobody has opened or changed it yet.")
    weight = serializers.IntegerField(help_text="How much it matters; higher is worse.")
    weight_breakdown = serializers.DictField(help_text="The parts that add up to the weight.")
    message = serializers.CharField(help_text="What is wrong, in one sentence.")
    description = serializers.CharField(allow_blank=True, help_text="What people have added.")
    anomalous_records_count = serializers.IntegerField(allow_null=True)
    source_enriched = serializers.BooleanField()
    fingerprint = serializers.IntegerField(allow_null=True, help_text="The problem of which this is one occurrence; below 2^53.")
    created = MomentField(help_text="When it was detected.")
    updated = MomentField()
    global_tags = TagSerializer(many=True)
    assignees = PersonSerializer(many=True)
    failed_checks = FailedCheckSerializer(many=True)
    datastore = RefSerializer()
    container = RefSerializer(allow_null=True)
    container_scan = serializers.SerializerMethodField()
    partition_scan = serializers.SerializerMethodField()
    metric = RefSerializer(allow_null=True)
    kind = serializers.CharField(allow_blank=True, help_text="What the detector saw, such as spike or silence.")
    started_at = MomentField(allow_null=True)
    ended_at = MomentField(allow_null=True, help_text="Null while it lasts.")
    peak_at = MomentField(allow_null=True)
    peak_value = serializers.FloatField(allow_null=True)
    expected = serializers.FloatField(allow_null=True)
    expected_lower = serializers.FloatField(allow_null=True)
    expected_upper = serializers.FloatField(allow_null=True)
    score = serializers.FloatField(allow_null=True, help_text="0 to 100.")
    direction = serializers.CharField(allow_blank=True, help_text="up or down; empty for other types.")
    detectors = DetectorSerializer(many=True)
    is_backfilled = serializers.BooleanField(help_text="Found in imported history: recorded, alerts nobody.")

    duplicate_of = TwinSerializer(allow_null=True, help_text="Of one that is archived as Duplicate, the original.")
    duplicates = TwinSerializer(many=True, help_text="Those that are duplicates of this one; the first 100.")
    snooze = serializers.SerializerMethodField(help_text="Null while it is awake.")
    deleted = MomentField(allow_null=True, help_text="Of a tombstone: when it was deleted for good.")
    deleted_by = RefSerializer(allow_null=True)

    @extend_schema_field(ScanSerializer(allow_null=True))
    def get_container_scan(self, anomaly: Anomaly) -> dict[str, int] | None:
        return None if anomaly.container_scan_id is None else {"id": anomaly.container_scan_id}

    @extend_schema_field(ScanSerializer(allow_null=True))
    def get_partition_scan(self, anomaly: Anomaly) -> dict[str, int] | None:
        return None if anomaly.partition_scan_id is None else {"id": anomaly.partition_scan_id}

    @extend_schema_field(SnoozeSerializer(allow_null=True))
    def get_snooze(self, anomaly: Anomaly) -> Any:
        return SnoozeSerializer(anomaly).data if anomaly.is_asleep else None


@extend_schema_field({"oneOf": [{"type": "integer", "minimum": 1}, {"type": "string", "format": "uuid"}]})
class AnomalyReferenceField(ReferenceField):
    """An anomaly by its number or UUID."""


def names(help_text: str) -> serializers.ListField:
    return serializers.ListField(child=TextField(max_length=TAG_NAME_LIMIT), required=False, max_length=NAMED_LIMIT, help_text=help_text)


def people(help_text: str) -> serializers.ListField:
    number = serializers.IntegerField(min_value=1, max_value=MAX_ID)
    return serializers.ListField(child=number, required=False, max_length=NAMED_LIMIT, help_text=help_text)


class AnomalyChangeSerializer(StrictSerializer):
    """What PUT takes: only the fields that are sent are changed."""

    status = OneOfField(
        [str(status) for status in Anomaly.OPEN], required=False, help_text="Archiving is a DELETE.", hint="Archiving is a DELETE."
    )
    description = TextField(
        required=False, allow_blank=True, trim_whitespace=False, max_length=DESCRIPTION_LIMIT, help_text="Needs the level editor."
    )
    tags = names("Names of tags, in place of those that it has; [] clears.")
    tags_add = names("Names of tags that it gets, beside those that it has.")
    tags_remove = names("Names of tags that it loses.")
    assignee_ids = people("Ids of people, in place of those who look after it; [] clears. Each needs Viewer on the datastore.")
    assignee_ids_add = people("Ids of people who look after it too.")
    assignee_ids_remove = people("Ids of people who no longer do.")


class AnomalyBulkChangeSerializer(AnomalyChangeSerializer):
    id = AnomalyReferenceField(help_text="The number or UUID of the anomaly.")


class ArchiveSerializer(StrictSerializer):
    """What may go along with archiving."""

    status = OneOfField([str(status) for status in Anomaly.ARCHIVED], required=False, help_text="Why it is archived.")
    comment = TextField(required=False, max_length=MESSAGE_LIMIT, trim_whitespace=False, help_text="`@[Name](id)` mentions a person.")
    mentioned_user_ids = people("People to tell of the comment, beside those whom it mentions.")
    duplicate_of = AnomalyReferenceField(required=False, help_text="With Duplicate, the original: its number or UUID.")


class BulkArchiveSerializer(ArchiveSerializer):
    id = AnomalyReferenceField(help_text="The number or UUID of the anomaly.")
    archive = serializers.BooleanField(required=False, default=True, help_text="false deletes for good what is archived already.")


class SnoozeChangeSerializer(StrictSerializer):
    """Exactly one of the four."""

    until = MomentField(required=False, help_text="Sleeps up to this moment, at most 366 days from now.")
    count = serializers.IntegerField(required=False, min_value=1, max_value=SNOOZE_COUNT, help_text="For so many more occurrences.")
    weight = serializers.IntegerField(required=False, min_value=-MAX_INT, max_value=MAX_INT, help_text="Until it weighs more than this.")
    back_in_band = serializers.BooleanField(required=False, help_text="true: until the value is back where it was expected.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if len(attrs) != 1 or attrs.get("back_in_band") is False:
            raise serializers.ValidationError("Say one of `until`, `count`, `weight` and `back_in_band` (true).", code="invalid")
        return attrs


class DuplicateOfSerializer(StrictSerializer):
    anomaly = AnomalyReferenceField(help_text="The original: its number or UUID.")


class HistoryEntrySerializer(serializers.Serializer[Any]):
    transaction_id = serializers.IntegerField(help_text="Shared by everything that one call changed.")
    user = RefSerializer(allow_null=True, help_text="Null when the system did it; `actor` says which part.")
    actor = serializers.CharField()
    timestamp = MomentField()
    changeset = serializers.DictField(child=serializers.ListField(min_length=2, max_length=2), help_text="{field: [before, after]}")
