"""What datastores and operations look like in JSON."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from accounts.models import Level
from config.api.fields import MomentField
from datastores.models import Datastore


class RefSerializer(serializers.Serializer[Any]):
    """A pointer to something by number and name."""

    id = serializers.IntegerField()
    name = serializers.CharField()


class DatastoreSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    name = serializers.CharField()
    type = serializers.CharField()
    level = serializers.SerializerMethodField(help_text="What you may do there: the highest level of your teams.")
    created = MomentField()

    @extend_schema_field(serializers.ChoiceField([level.label for level in Level]))
    def get_level(self, datastore: Datastore) -> str:
        return Level(datastore.level).label  # type: ignore[attr-defined]  # annotated by the queryset


class OperationSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    type = serializers.CharField(source="kind")
    status = serializers.CharField(help_text="waiting, running, success, failure or aborted.")
    percent = serializers.FloatField(allow_null=True, help_text="0 to 100; null while the total is not known.")
    done = serializers.IntegerField()
    total = serializers.IntegerField(allow_null=True)
    message = serializers.CharField(allow_blank=True)
    counters = serializers.DictField()
    datastore = RefSerializer(allow_null=True, help_text="Null for work across datastores.")
    user = RefSerializer(allow_null=True, help_text="Null when a flow did it by itself.")
    created = MomentField()
    started = MomentField(allow_null=True)
    ended = MomentField(allow_null=True)
    undo_until = MomentField(allow_null=True, help_text="Up to when it can be undone; null for what cannot.")
