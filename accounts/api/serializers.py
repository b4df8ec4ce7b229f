"""What people, service accounts and their tokens look like in JSON, and what a change of one may hold."""

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from accounts.models import PersonalToken, Role, User
from accounts.reach import PHONE_LIMIT, e164
from config.api.fields import MomentField, OneOfField, StrictSerializer
from orgs.api.serializers import NAME, NewSecretSerializer, SecretChangeSerializer, SecretSerializer
from orgs.models import validate_timezone


class TeamRefSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    name = serializers.CharField()


class MemberSerializer(serializers.Serializer[Any]):
    """What people and service accounts share."""

    id = serializers.IntegerField()
    name = serializers.CharField()
    role = serializers.ChoiceField(Role.values)
    is_active = serializers.BooleanField()
    teams = serializers.SerializerMethodField(help_text="The Public team first, which everybody is in.")
    created = MomentField()

    @extend_schema_field(TeamRefSerializer(many=True))
    def get_teams(self, user: User) -> list[dict[str, Any]]:
        teams = [self.context["public_team"], *user.teams.all()]
        return [{"id": team.pk, "name": team.name} for team in teams if team is not None]


class UserSerializer(MemberSerializer):
    email = serializers.CharField()
    is_demo = serializers.BooleanField(help_text="Reads everything of the org, writes nothing.")
    last_login = MomentField(allow_null=True)


class OrgRefSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    name = serializers.CharField()
    timezone = serializers.CharField()


class MeSerializer(UserSerializer):
    """The caller, with what only they may see and change."""

    phone = serializers.CharField(allow_blank=True)
    timezone = serializers.CharField(allow_blank=True, help_text="Empty: the org's.")
    theme = serializers.ChoiceField(User.Theme.values)
    is_service = serializers.BooleanField()
    org = OrgRefSerializer()
    scopes = serializers.SerializerMethodField(help_text="What the token of this request may do; null for the dashboard's session.")

    @extend_schema_field(serializers.ListField(child=serializers.ChoiceField(PersonalToken.Scope.values), allow_null=True))
    def get_scopes(self, user: User) -> list[str] | None:
        token = self.context["request"].auth
        return list(token.scopes) if isinstance(token, PersonalToken) else None


class UserChangeSerializer(StrictSerializer):
    """What an admin changes of somebody: only the fields that are sent."""

    name = serializers.CharField(required=False, max_length=NAME)
    role = OneOfField(Role.values, required=False)
    is_active = serializers.BooleanField(required=False)


class MeChangeSerializer(StrictSerializer):
    """What people change of themselves: only the fields that are sent."""

    name = serializers.CharField(required=False, max_length=NAME)
    phone = serializers.CharField(
        required=False, allow_blank=True, max_length=PHONE_LIMIT, help_text="With its country code, such as +4930123456."
    )
    timezone = serializers.CharField(required=False, allow_blank=True, max_length=64)
    theme = OneOfField(User.Theme.values, required=False)

    def validate_phone(self, text: str) -> str:
        try:
            return e164(text) if text else ""
        except ValueError as exc:
            raise serializers.ValidationError(str(exc)) from exc

    def validate_timezone(self, name: str) -> str:
        if name:
            validate_timezone(name)
        return name


class ServiceAccountSerializer(MemberSerializer):
    description = serializers.CharField(allow_blank=True)
    last_used = MomentField(allow_null=True, help_text="When one of its tokens was used last, to the minute.")
    usage = serializers.SerializerMethodField(help_text="`unused` until one of its tokens was used; `idle` after 30 days without use.")

    @extend_schema_field(serializers.ChoiceField(("unused", "active", "idle")))
    def get_usage(self, user: User) -> str:
        last_used = user.last_used  # type: ignore[attr-defined]  # annotated by the queryset
        if last_used is None:
            return "unused"
        return "active" if (timezone.now() - last_used).days < 30 else "idle"


class ServiceAccountFieldsSerializer(StrictSerializer):
    description = serializers.CharField(required=False, allow_blank=True, max_length=500)
    role = OneOfField(Role.values, required=False)
    teams = serializers.ListField(child=serializers.IntegerField(min_value=1), required=False, max_length=500)


class ServiceAccountChangeSerializer(ServiceAccountFieldsSerializer):
    """Only the fields that are sent."""

    name = serializers.CharField(required=False, max_length=NAME)
    is_active = serializers.BooleanField(required=False)


class NewServiceAccountSerializer(ServiceAccountFieldsSerializer):
    name = serializers.CharField(max_length=NAME)


class TokenOwnerSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    name = serializers.CharField()
    is_service = serializers.BooleanField()


class TokenSerializer(SecretSerializer):
    scopes = serializers.ListField(child=serializers.ChoiceField(PersonalToken.Scope.values))
    user = TokenOwnerSerializer(help_text="Whom it acts as.")


class NewTokenSerializer(NewSecretSerializer):
    scopes = serializers.ListField(
        child=serializers.ChoiceField(PersonalToken.Scope.values), required=False, min_length=1, help_text="Reads and writes without it."
    )


class TokenChangeSerializer(SecretChangeSerializer):
    """Only the fields that are sent; `revoked` false lets a revoked token live again."""


class CreatedTokenSerializer(TokenSerializer):
    token = serializers.CharField(help_text="The secret. It is shown this once.")
