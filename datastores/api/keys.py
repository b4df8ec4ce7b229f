"""/api/org/ingest-keys."""

from typing import Any, ClassVar

from django.db import transaction
from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import Level
from config.api.authentication import token_of
from config.api.filters import ListFilter, whole_number
from config.api.views import ListMixin, OrgViewSet, RetrieveMixin
from datastores.api.serializers import RefSerializer
from datastores.models import Datastore
from orgs.api.examples import REVOKE
from orgs.api.filtersets import SecretFilterSet
from orgs.api.serializers import NewSecretSerializer, SecretChangeSerializer, SecretSerializer
from orgs.errors import FieldError, Invalid
from orgs.models import IngestKey
from orgs.services import change_secret, check_bounds, check_change, create_ingest_key, delete_secret, expiry_of


class IngestKeySerializer(SecretSerializer):
    datastore = RefSerializer()
    rule = serializers.ChoiceField(IngestKey.Rule.values, help_text="What two points of one series at one time become.")


class NewIngestKeySerializer(NewSecretSerializer):
    datastore = serializers.IntegerField(min_value=1, help_text="Where the points go.")
    rule = serializers.ChoiceField(IngestKey.Rule.values, required=False)


class CreatedIngestKeySerializer(IngestKeySerializer):
    token = serializers.CharField(help_text="The key. It is shown this once.")


class IngestKeyFilterSet(SecretFilterSet):
    datastore = ListFilter(item=whole_number, help_text="Ids of datastores.")


SHOWN: dict[str, Any] = {
    "id": 6, "name": "prometheus", "prefix": "Zk81aQ", "status": "active", "sources": [], "created": "2026-05-15T17:22:08.000Z",
    "expires": None, "revoked": None, "last_used": None, "datastore": {"id": 1, "name": "Metrics"}, "rule": "last",
}  # fmt: skip
KEY = OpenApiExample("A key", value=SHOWN, response_only=True)
NEW_KEY = OpenApiExample("For one more agent", value={"name": "prometheus", "datastore": 1}, request_only=True)
CREATED_KEY = OpenApiExample(
    "A new key, this once", value={**SHOWN, "token": "Zk81aQ-and-26-more-shown-once"}, response_only=True, status_codes=["201"]
)


@extend_schema_view(
    list=extend_schema(
        summary="List ingest keys", description="Those of the datastores on which you have the level editor.", examples=[KEY]
    ),
    retrieve=extend_schema(summary="Get one ingest key", description="Never the key itself, which was shown once.", examples=[KEY]),
)
class IngestKeyViewSet(ListMixin, RetrieveMixin, OrgViewSet):
    resource: ClassVar = "ingest_keys"
    operations: ClassVar = {
        "list": "ingest_key.read",
        "retrieve": "ingest_key.read",
        "create": "ingest_key.manage",
        "update": "ingest_key.manage",
        "destroy": "ingest_key.manage",
    }
    volatile: ClassVar = ("last_used", "status")
    queryset = IngestKey.objects.select_related("datastore")
    serializer_class = IngestKeySerializer
    filterset_class = IngestKeyFilterSet

    def visible(self, queryset: QuerySet[Any], *, level: Level) -> QuerySet[Any]:
        return queryset.filter(datastore__in=Datastore.objects.visible_to(self.person, level=level))

    @extend_schema(
        summary="Make an ingest key",
        description="It writes points into one datastore. The answer holds the key in `token`, this once.",
        request=NewIngestKeySerializer,
        responses={201: CreatedIngestKeySerializer},
        examples=[NEW_KEY, CREATED_KEY],
    )
    @transaction.atomic
    def create(self, request: Request) -> Response:
        said = self.body(NewIngestKeySerializer)
        check_bounds(token_of(request), sources=said.get("sources", ()))
        datastore, expires = self._datastore(said.pop("datastore")), expiry_of(said.pop("expires_in_days", None))
        key, secret = create_ingest_key(datastore, expires=expires, actor_id=self.person.pk, **said)
        return self.created(key, path="org/ingest-keys", once={"token": secret})

    def _datastore(self, pk: int) -> Datastore:
        """A datastore that the caller sees. Raises Invalid for any other, Forbidden where the caller is no editor."""
        found = Datastore.objects.visible_to(self.person).filter(pk=pk).first()
        if found is None:
            raise Invalid(
                "There is no such datastore.", errors=[FieldError(("body", "datastore"), "not_found", f"There is no datastore {pk}.")]
            )
        self.require("ingest_key.manage", found)
        return found

    @extend_schema(
        summary="Rename, revoke or restore an ingest key",
        description="Changes only the fields that are sent. `revoked` true ends the key within a second, everywhere.",
        request=SecretChangeSerializer,
        examples=[REVOKE, KEY],
    )
    @transaction.atomic
    def update(self, request: Request, id: str) -> Response:
        key, change = self.locked_object(), self.body(SecretChangeSerializer)
        check_change(token_of(request), key, **change)
        change_secret(key, actor_id=self.person.pk, **change)
        return self.versioned(self.shown(key))

    @extend_schema(summary="Delete an ingest key", description="It ends within a second.", responses={204: None})
    @transaction.atomic
    def destroy(self, request: Request, id: str) -> Response:
        delete_secret(self.locked_object(), actor_id=self.person.pk)
        return Response(status=204)
