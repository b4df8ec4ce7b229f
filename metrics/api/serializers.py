"""What a metric and its columns look like in JSON."""

from typing import Any

from rest_framework import serializers

from config.api.fields import MomentField
from datastores.api.serializers import RefSerializer
from metrics.models import Metric


class MetricSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    name = serializers.CharField()
    labels = serializers.DictField(child=serializers.CharField())
    datastore = RefSerializer()
    state = serializers.ChoiceField(Metric.State.values, help_text="learning until there is enough history to judge.")
    stale = serializers.BooleanField(source="is_stale", help_text="Nothing has arrived for longer than is usual for it.")
    kind = serializers.ChoiceField(Metric.Kind.values)
    sensitivity = serializers.ChoiceField(Metric.Sensitivity.values)
    resolution = serializers.FloatField(source="resolution_s", allow_null=True, help_text="Usual seconds between points.")
    period = serializers.FloatField(source="period_s", allow_null=True, help_text="Seconds of the season that was found, if any.")
    last_at = MomentField(allow_null=True)
    last_value = serializers.FloatField(allow_null=True)
    created = MomentField()


class ColumnsSerializer(serializers.Serializer[Any]):
    """What timeseries and forecast share. All columns have one length; null is a gap."""

    metric = RefSerializer()
    resolution = serializers.FloatField(allow_null=True, help_text="Seconds of a step; of raw points, the usual distance, if known.")
    aggregation = serializers.ChoiceField(["raw", "mean", "min", "max"], help_text="raw: as received. Else what each step's value is.")
    timestamps = serializers.ListField(child=serializers.CharField(), help_text="ISO 8601, or unix seconds with times=unix.")


class TimeseriesSerializer(ColumnsSerializer):
    values = serializers.ListField(child=serializers.FloatField(allow_null=True))
    minimum = serializers.ListField(
        child=serializers.FloatField(allow_null=True), required=False, help_text="Least of each step, rolled up only."
    )
    maximum = serializers.ListField(
        child=serializers.FloatField(allow_null=True), required=False, help_text="Most of each step, rolled up only."
    )


class ForecastSerializer(ColumnsSerializer):
    last_at = serializers.CharField(
        allow_null=True, help_text="The newest point, written like the timestamps; what comes after it is still to come. Null without any."
    )
    learning = serializers.BooleanField(help_text="There is not enough history to say what will come: nothing after `last_at` is told.")
    expected = serializers.ListField(child=serializers.FloatField(allow_null=True))
    lower = serializers.ListField(child=serializers.FloatField(allow_null=True), help_text="99 % of the points were expected above it.")
    upper = serializers.ListField(child=serializers.FloatField(allow_null=True), help_text="99 % of the points were expected below it.")
    score = serializers.ListField(
        child=serializers.FloatField(allow_null=True), help_text="0 to 100; of a step, its highest; null for points to come."
    )
