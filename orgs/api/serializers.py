"""What an org and its secrets look like in JSON. No secret is ever shown but once, when it is made."""

from typing import Any, Final

from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from config.api.fields import MomentField, StrictSerializer
from orgs.models import Org, StoredSecret, validate_timezone
from orgs.services import MAX_LIFE_DAYS
from orgs.sources import MAX_SOURCES

NAME: Final = 200
SOURCES_HELP: Final = "Networks that it may be used from, such as 10.0.0.0/8; none: anywhere."


class OrgSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    name = serializers.CharField()
    slug = serializers.CharField()
    timezone = serializers.CharField()
    plan = serializers.ChoiceField(Org.Plan.values)
    metric_limit = serializers.IntegerField(help_text="Series that may exist.")
    retention_days = serializers.IntegerField(help_text="Days that points are kept.")
    created = MomentField()


class OrgChangeSerializer(StrictSerializer):
    """Only the fields that are sent."""

    name = serializers.CharField(required=False, max_length=NAME)
    timezone = serializers.CharField(required=False, max_length=64, validators=[validate_timezone])


class SecretSerializer(serializers.Serializer[Any]):
    """What may be known of a secret."""

    id = serializers.IntegerField()
    name = serializers.CharField()
    prefix = serializers.CharField(help_text="How the secret begins: enough to tell two apart.")
    status = serializers.SerializerMethodField(help_text="active, revoked or expired.")
    sources = serializers.ListField(child=serializers.CharField(), help_text=SOURCES_HELP)
    created = MomentField()
    expires = MomentField(allow_null=True)
    revoked = MomentField(allow_null=True)
    last_used = MomentField(allow_null=True, help_text="To the minute.")

    @extend_schema_field(OpenApiTypes.STR)
    def get_status(self, secret: StoredSecret) -> str:
        return secret.status(timezone.now())


class NewSecretSerializer(StrictSerializer):
    name = serializers.CharField(max_length=NAME)
    expires_in_days = serializers.IntegerField(
        required=False, allow_null=True, min_value=1, max_value=MAX_LIFE_DAYS, help_text="Null: until it is revoked."
    )
    sources = serializers.ListField(
        child=serializers.CharField(max_length=43), required=False, max_length=MAX_SOURCES, help_text=SOURCES_HELP
    )


class SecretChangeSerializer(StrictSerializer):
    """Only the fields that are sent; `revoked` false lets a revoked one live again."""

    name = serializers.CharField(required=False, max_length=NAME)
    sources = serializers.ListField(
        child=serializers.CharField(max_length=43), required=False, max_length=MAX_SOURCES, help_text=SOURCES_HELP
    )
    revoked = serializers.BooleanField(required=False)


class NewOrgTokenSerializer(NewSecretSerializer):
    scopes = serializers.ListField(child=serializers.RegexField("^read$"), required=False, help_text="An org token reads, nothing else.")


class CreatedOrgTokenSerializer(SecretSerializer):
    token = serializers.CharField(help_text="The secret. It is shown this once.")
