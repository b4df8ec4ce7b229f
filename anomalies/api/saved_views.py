"""/api/saved-views: lists of anomalies under a name."""

from typing import Any, ClassVar

from django.core.exceptions import SuspiciousOperation
from django.db import transaction
from django.db.models import QuerySet
from django.http import QueryDict
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from anomalies.api.filtersets import AnomalyFilterSet
from anomalies.models import Anomaly, SavedView
from anomalies.services.saved_views import change_view, create_view, delete_view
from config.api.fields import MomentField, StrictSerializer, TextField
from config.api.filters import PAGING, StrictFilterSet, TrueFalseFilter, form_errors
from config.api.views import ListMixin, OrgViewSet, RetrieveMixin
from datastores.api.serializers import RefSerializer

VIEW = OpenApiExample(
    "The night's loads, for the whole team",
    value={
        "id": 5,
        "name": "Nightly loads",
        "query": "tag=Nightly&status=Active&sort_weight=desc",
        "user": {"id": 42, "name": "Alice Lee"},
        "team": {"id": 3, "name": "Data engineering"},
        "default": True,
        "created": "2026-05-15T17:22:08.000Z",
        "updated": "2026-05-15T17:22:08.000Z",
    },
    response_only=True,
)
NEW_VIEW = OpenApiExample(
    "Save a list", value={"name": "Nightly loads", "query": "tag=Nightly&status=Active", "team_id": 3, "default": True}, request_only=True
)


class SavedViewSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    name = serializers.CharField()
    query = serializers.CharField(allow_blank=True)
    user = RefSerializer(help_text="Whose it is.")
    team = RefSerializer(allow_null=True, help_text="Whose members see it too; null: private.")
    default = serializers.BooleanField(help_text="Whether your inbox begins with it.")
    created = MomentField()
    updated = MomentField()


class QueryField(TextField):
    """Filters as they stand in an address. The page is left out; what the list of the API knows must be as it takes it."""

    def to_internal_value(self, data: Any) -> str:
        text = super().to_internal_value(data).removeprefix("?")
        try:
            params = QueryDict(text, mutable=True)
        except SuspiciousOperation as exc:
            raise serializers.ValidationError("This is no query string.", code="invalid") from exc
        for name in PAGING:
            params.pop(name, None)
        if wrong := [
            f"{error.loc[1]}: {error.msg}" for error in form_errors(AnomalyFilterSet(params, queryset=Anomaly.objects.none()).form)
        ]:
            raise serializers.ValidationError(" ".join(wrong), code="invalid_filter")
        return params.urlencode()


class SavedViewChangeSerializer(StrictSerializer):
    name = TextField(required=False, max_length=100)
    query = QueryField(required=False, allow_blank=True, max_length=2000, help_text="As in the address of the list, without its page.")
    team_id = serializers.IntegerField(required=False, allow_null=True, help_text="One of your teams; null: private.")
    default = serializers.BooleanField(required=False, help_text="Whether your inbox begins with it; only one does.")


class NewSavedViewSerializer(SavedViewChangeSerializer):
    name = TextField(max_length=100)


class SavedViewFilterSet(StrictFilterSet):
    mine = TrueFalseFilter(method="by_owner", help_text="Only your own, or only those that others share with you.")
    sorts: ClassVar = {"name": "name", "created": "created"}
    order: ClassVar = ("name", "pk")

    def by_owner(self, queryset: QuerySet[SavedView], name: str, value: bool) -> QuerySet[SavedView]:  # noqa: FBT001 - the library's call
        user = self.request.user.pk
        return queryset.filter(user=user) if value else queryset.exclude(user=user)


@extend_schema_view(
    list=extend_schema(summary="List the saved views that are yours or shared with you", examples=[VIEW]),
    retrieve=extend_schema(summary="Get one saved view", examples=[VIEW]),
)
class SavedViewViewSet(ListMixin, RetrieveMixin, OrgViewSet):
    operations: ClassVar = {
        "list": "view.read",
        "retrieve": "view.read",
        "create": "view.manage",
        "update": "view.manage",
        "destroy": "view.manage",
    }
    queryset = SavedView.objects.select_related("user", "team")
    serializer_class = SavedViewSerializer
    filterset_class = SavedViewFilterSet

    def get_queryset(self) -> QuerySet[SavedView]:
        return super().get_queryset().with_default_of(self.request.user)  # type: ignore[attr-defined, no-any-return]  # a SavedViewQuerySet

    def again(self, view: SavedView) -> SavedView:
        """As it is now."""
        found: SavedView = self.get_queryset().get(pk=view.pk)
        return found

    @extend_schema(summary="Save a view", request=NewSavedViewSerializer, responses={201: SavedViewSerializer}, examples=[NEW_VIEW, VIEW])
    @transaction.atomic
    def create(self, request: Request) -> Response:
        sent = {"query": "", "team_id": None, "default": False, **self.body(NewSavedViewSerializer)}
        return self.created(self.again(create_view(self.person, **sent)), path="saved-views")

    @extend_schema(
        summary="Change a saved view",
        description="Changes only the fields that are sent. Of a view that is shared with you, you can set `default` alone.",
        request=SavedViewChangeSerializer,
        examples=[NEW_VIEW, VIEW],
    )
    @transaction.atomic
    def update(self, request: Request, id: str) -> Response:
        view, sent = self.locked_object(), self.body(SavedViewChangeSerializer)
        return self.versioned(self.shown(self.again(change_view(view, user=self.person, **sent))))

    @extend_schema(summary="Delete a saved view", description="An Admin may also delete what others share.", responses={204: None})
    @transaction.atomic
    def destroy(self, request: Request, id: str) -> Response:
        delete_view(self.locked_object(), user=self.person)
        return Response(status=204)
