"""What an anomaly and its history look like in JSON, and what a change of one may hold."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from anomalies.models import Anomaly
from anomalies.services.plans import DESCRIPTION_LIMIT
from config.api.fields import MomentField, StrictSerializer, TextField
from datastores.api.serializers import RefSerializer


class TagSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    name = serializers.CharField()
    color = serializers.CharField()
    weight_modifier = serializers.IntegerField()


class PersonSerializer(RefSerializer):
    email = serializers.CharField()


class FailedCheckSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    rule_type = serializers.CharField()
    message = serializers.CharField()
    suggested_field = serializers.CharField(allow_blank=True)
    suggested_value = serializers.CharField(allow_blank=True)
    suggested_score = serializers.FloatField(allow_null=True)


class DetectorSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    label = serializers.CharField(required=False)  # type: ignore[assignment]  # the contract's name
    score = serializers.FloatField()


class PartitionScanSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()


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

    @extend_schema_field(PartitionScanSerializer(allow_null=True))
    def get_partition_scan(self, anomaly: Anomaly) -> dict[str, int] | None:
        return None if anomaly.partition_scan_id is None else {"id": anomaly.partition_scan_id}


class AnomalyChangeSerializer(StrictSerializer):
    """What PUT takes: only the fields that are sent are changed."""

    status = serializers.ChoiceField([str(status) for status in Anomaly.OPEN], required=False)
    description = TextField(required=False, allow_blank=True, trim_whitespace=False, max_length=DESCRIPTION_LIMIT)


class HistoryEntrySerializer(serializers.Serializer[Any]):
    transaction_id = serializers.IntegerField(help_text="Shared by everything that one call changed.")
    user = RefSerializer(allow_null=True, help_text="Null when the system did it; `actor` says which part.")
    actor = serializers.CharField()
    timestamp = MomentField()
    changeset = serializers.DictField(child=serializers.ListField(min_length=2, max_length=2), help_text="{field: [before, after]}")
