"""/api/teams."""

from typing import Any, ClassVar

import django_filters
from django.db import transaction
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_field, extend_schema_view
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import Level, Team, User
from accounts.permissions import has_role, has_scope
from accounts.teams import set_members
from config.api.fields import OneOfField, StrictSerializer
from config.api.filters import ListFilter, StrictFilterSet, TrueFalseFilter, whole_number
from config.api.views import ListMixin, OrgViewSet, RetrieveMixin
from datastores.api.serializers import RefSerializer
from datastores.teams import Grant, create_team, delete_team, refuse_public, rename_team, set_access
from orgs.errors import Forbidden

LEVELS = [level.label for level in Level]


class TeamMemberSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    name = serializers.CharField()
    is_service = serializers.BooleanField()


class AccessSerializer(serializers.Serializer[Any]):
    datastore = RefSerializer()
    level = serializers.ChoiceField(LEVELS, source="get_level_display")


class TeamSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    name = serializers.CharField()
    is_public = serializers.BooleanField(help_text="The one team that everybody is in; its name and members are fixed.")
    members = serializers.SerializerMethodField()
    access = AccessSerializer(many=True)

    @extend_schema_field(TeamMemberSerializer(many=True))
    def get_members(self, team: Team) -> list[dict[str, Any]]:
        members = self.context["everybody"]() if team.is_public else team.members.all()
        return [{"id": user.pk, "name": user.name, "is_service": user.is_service} for user in members]


class GrantSerializer(StrictSerializer):
    datastore = serializers.IntegerField(min_value=1)
    level = OneOfField(LEVELS)

    def to_internal_value(self, data: Any) -> Grant:
        said = super().to_internal_value(data)
        return Grant(datastore_id=said["datastore"], level=next(level for level in Level if level.label == said["level"]))


class TeamChangeSerializer(StrictSerializer):
    """Only the fields that are sent; `members` and `access` replace what was there."""

    name = serializers.CharField(required=False, max_length=200)
    members = serializers.ListField(child=serializers.IntegerField(min_value=1), required=False, max_length=10_000)
    access = serializers.ListField(child=GrantSerializer(), required=False, max_length=1_000)

    def validate_access(self, access: list[Grant]) -> list[Grant]:
        if len({grant.datastore_id for grant in access}) < len(access):
            raise serializers.ValidationError("A datastore is named twice.", code="duplicate")
        return access


class NewTeamSerializer(TeamChangeSerializer):
    name = serializers.CharField(max_length=200)


class TeamFilterSet(StrictFilterSet):
    search = django_filters.CharFilter(field_name="name", lookup_expr="icontains", help_text="Part of the name.")
    is_public = TrueFalseFilter(help_text="Only the Public team, or all others.")
    datastore = ListFilter(
        "access__datastore", item=whole_number, distinct=True, help_text="Ids of datastores on which the team has a level."
    )

    sorts: ClassVar = {"name": "name"}
    order: ClassVar = ("name", "pk")


_TEAM: dict[str, Any] = {
    "id": 5,
    "name": "Data engineering",
    "is_public": False,
    "members": [{"id": 42, "name": "Alice Lee", "is_service": False}],
    "access": [{"datastore": {"id": 1, "name": "Metrics"}, "level": "editor"}],
}
TEAM = OpenApiExample("A team", value=_TEAM, response_only=True)
NEW_TEAM = OpenApiExample(
    "Editors of one datastore",
    value={"name": "Data engineering", "members": [42], "access": [{"datastore": 1, "level": "editor"}]},
    request_only=True,
)


@extend_schema_view(
    list=extend_schema(summary="List the teams of the org", examples=[TEAM]),
    retrieve=extend_schema(summary="Get one team", examples=[TEAM]),
)
class TeamViewSet(ListMixin, RetrieveMixin, OrgViewSet):
    operations: ClassVar = {
        "list": "team.read",
        "retrieve": "team.read",
        "create": "team.manage",
        "update": "team.grant",
        "destroy": "team.manage",
    }
    queryset = Team.objects.prefetch_related("members", "access__datastore")
    serializer_class = TeamSerializer
    filterset_class = TeamFilterSet

    def get_serializer_context(self) -> dict[str, Any]:
        return {**super().get_serializer_context(), "everybody": lambda: User.objects.for_org(self.person.org_id)}

    @extend_schema(
        summary="Make a team",
        request=NewTeamSerializer,
        responses={201: TeamSerializer},
        examples=[NEW_TEAM, TEAM],
    )
    @transaction.atomic
    def create(self, request: Request) -> Response:
        said = {"members": (), "access": (), **self.body(NewTeamSerializer)}
        team = create_team(self.person.org_id, actor=self.person, **said)
        return self.created(self.get_queryset().get(pk=team.pk), path="teams")

    @extend_schema(
        summary="Change a team",
        description=(
            "Changes only the fields that are sent; `members` and `access` replace what was there. A manager who is an editor "
            "of a datastore may change `access` there; the rest is an Admin's. The name and the members of the Public team are fixed: 409."
        ),
        request=TeamChangeSerializer,
        examples=[NEW_TEAM, TEAM],
    )
    @transaction.atomic
    def update(self, request: Request, id: str) -> Response:
        team, said = self.locked_object(), self.body(TeamChangeSerializer)
        if "name" in said or "members" in said:
            self._require_management()
            refuse_public(team)
        if "name" in said:
            rename_team(team, said["name"], actor=self.person)
        if "members" in said:
            set_members(team, said["members"], actor_id=self.person.pk)
        if "access" in said:
            set_access(team, said["access"], actor=self.person)
        return self.versioned(self.shown(self.get_object()))

    def _require_management(self) -> None:
        scopes = getattr(self.request.auth, "scopes", None)
        if not has_role(self.person, "team.manage") or (scopes is not None and not has_scope(scopes, "team.manage")):
            raise Forbidden("Only an Admin, with a token of the scope admin, changes the name and the members of a team.")

    @extend_schema(summary="Delete a team", description="Its members lose what they could do through it.", responses={204: None})
    @transaction.atomic
    def destroy(self, request: Request, id: str) -> Response:
        delete_team(self.locked_object(), actor=self.person)
        return Response(status=204)
