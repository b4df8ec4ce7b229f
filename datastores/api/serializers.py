"""What datastores and operations look like in JSON."""

from typing import Any

from rest_framework import serializers

from config.api.fields import MomentField


class RefSerializer(serializers.Serializer[Any]):
    """A pointer to something by number and name."""

    id = serializers.IntegerField()
    name = serializers.CharField()


class DatastoreSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    name = serializers.CharField()
    type = serializers.CharField()
    created = MomentField()


class OperationSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    type = serializers.CharField(source="kind")
    status = serializers.CharField(help_text="waiting, running, success, failure or aborted.")
    percent = serializers.FloatField(allow_null=True, help_text="0 to 100; null while the total is not known.")
    done = serializers.IntegerField()
    total = serializers.IntegerField(allow_null=True)
    message = serializers.CharField(allow_blank=True)
    counters = serializers.DictField()
    datastore = RefSerializer()
    user = RefSerializer(allow_null=True)
    created = MomentField()
    started = MomentField(allow_null=True)
    ended = MomentField(allow_null=True)
