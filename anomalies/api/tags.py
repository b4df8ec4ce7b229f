"""/api/global-tags: the tags of an org, by their names."""

from typing import Any, ClassVar, Final
from urllib.parse import quote

import django_filters
from django.db import transaction
from django.db.models import QuerySet
from django.http import Http404
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from anomalies.api.serializers import TagSerializer
from anomalies.models import Tag
from anomalies.models.tags import validate_tag_name
from anomalies.services.tags import change_tag, create_tag, delete_tag, hold_tag
from config.api.fields import StrictSerializer, TextField
from config.api.filters import ListFilter, StrictFilterSet, words
from config.api.views import ListMixin, OrgViewSet, RetrieveMixin

COLOR: Final = r"^#[0-9a-fA-F]{6}$"
SHOWN: dict[str, Any] = {
    "id": 7, "name": "High", "type": "global", "color": "#d9480f", "description": "Wakes somebody up.", "category": "urgency",
    "weight_modifier": 2,
}  # fmt: skip
TAG = OpenApiExample("A tag that weighs", value=SHOWN, response_only=True)
BRIEF = OpenApiExample("A tag, briefly", value={"id": 7, "name": "High", "color": "#d9480f", "weight_modifier": 2}, response_only=True)
NEW = OpenApiExample(
    "A tag that weighs", value={"name": "High", "color": "#d9480f", "category": "urgency", "weight_modifier": 2}, request_only=True
)
CHANGE = OpenApiExample("Let it weigh more", value={"weight_modifier": 5}, request_only=True)


class GlobalTagSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    name = serializers.CharField()
    type = serializers.CharField(default="global", help_text="Always `global`.")
    color = serializers.CharField()
    description = serializers.CharField(allow_blank=True)
    category = serializers.CharField(allow_blank=True)
    weight_modifier = serializers.IntegerField(help_text="What it adds to the weight of an anomaly.")


class TagFieldsSerializer(StrictSerializer):
    color = serializers.RegexField(
        COLOR, required=False, help_text="Such as #d9480f.", error_messages={"invalid": "Six digits after #, such as #d9480f."}
    )
    description = TextField(required=False, allow_blank=True, max_length=500)
    category = TextField(required=False, allow_blank=True, max_length=100, help_text="A word that groups tags.")
    weight_modifier = serializers.IntegerField(required=False, min_value=-10, max_value=10)


class TagChangeSerializer(TagFieldsSerializer):
    name = TextField(required=False, max_length=100, trim_whitespace=False, validators=[validate_tag_name])


class NewTagSerializer(TagFieldsSerializer):
    name = TextField(max_length=100, trim_whitespace=False, validators=[validate_tag_name], help_text="Without comma and slash.")


class TagFilterSet(StrictFilterSet):
    search = django_filters.CharFilter(field_name="name", lookup_expr="icontains", help_text="Part of the name.")
    category = ListFilter(item=words, help_text="Any of these categories.")

    sorts: ClassVar = {"name": "name", "weight_modifier": "weight_modifier"}
    order: ClassVar = ("name", "pk")


@extend_schema_view(
    list=extend_schema(summary="List tags", description="Of the org, by name.", examples=[TAG]),
    retrieve=extend_schema(summary="Get one tag", examples=[TAG]),
)
class GlobalTagViewSet(ListMixin, RetrieveMixin, OrgViewSet):
    operations: ClassVar = {
        "list": "tag.read",
        "retrieve": "tag.read",
        "create": "tag.manage",
        "update": "tag.manage",
        "destroy": "tag.manage",
    }
    words: ClassVar = {"name": {"description": "The name of the tag.", "schema": {"type": "string", "maxLength": 100}}}
    lookup_url_kwarg = "name"
    queryset = Tag.objects.all()
    serializer_class: type[serializers.Serializer[Any]] = GlobalTagSerializer
    filterset_class = TagFilterSet

    def filtered_object(self, queryset: QuerySet[Any]) -> Any:
        name = self.kwargs["name"]
        found = None if "\0" in name else queryset.filter(name=name).first()
        if found is None:
            raise Http404
        return found

    @extend_schema(
        summary="Make a tag",
        description="A name that is taken is 409. For Managers, Admins and whoever is Editor of a datastore.",
        request=NewTagSerializer,
        responses={201: GlobalTagSerializer},
        examples=[NEW, TAG],
    )
    @transaction.atomic
    def create(self, request: Request) -> Response:
        tag = create_tag(self.person.org_id, **self.body(NewTagSerializer))
        return self.created(tag, path="global-tags", ref=quote(tag.name, safe=""))

    @extend_schema(
        summary="Change a tag",
        description=(
            "Only the fields that are sent. Another `weight_modifier` changes the weight of every anomaly that carries it, with an entry "
            "in the history of each. A new `name` is the tag's address from then on."
        ),
        request=TagChangeSerializer,
        examples=[CHANGE, TAG],
    )
    @transaction.atomic
    def update(self, request: Request, name: str) -> Response:
        tag = self._held_object()
        return self.versioned(self.shown(change_tag(tag, user=self.person, **self.body(TagChangeSerializer))))

    @extend_schema(
        summary="Delete a tag",
        description="It is taken off every anomaly, with what it weighed, and with an entry in the history of each. "
        "409 while a housekeeping flow is about anomalies with it.",
        responses={204: None},
    )
    @transaction.atomic
    def destroy(self, request: Request, name: str) -> Response:
        delete_tag(self._held_object(), user=self.person)
        return Response(status=204)

    def _held_object(self) -> Tag:
        hold_tag(self.get_object())
        tag: Tag = self.get_object()
        self.check_version(tag)
        return tag


@extend_schema_view(
    list=extend_schema(summary="List tags briefly", description="For menus: what an anomaly shows of a tag, by name.", examples=[BRIEF])
)
class TagListingViewSet(ListMixin, OrgViewSet):
    resource: ClassVar = "global_tags_listing"
    operations: ClassVar = {"list": "tag.read"}
    queryset = Tag.objects.all()
    serializer_class = TagSerializer
    filterset_class = TagFilterSet
