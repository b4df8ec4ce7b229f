"""/api/org and /api/org/tokens."""

from typing import Any, ClassVar

from django.db import transaction
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.request import Request
from rest_framework.response import Response

from config.api.authentication import token_of
from config.api.views import ListMixin, OrgViewSet, RetrieveMixin
from orgs.api import examples
from orgs.api.filtersets import SecretFilterSet
from orgs.api.serializers import (
    CreatedOrgTokenSerializer,
    NewOrgTokenSerializer,
    OrgChangeSerializer,
    OrgSerializer,
    SecretChangeSerializer,
    SecretSerializer,
)
from orgs.models import Org, OrgToken
from orgs.services import change_org, change_secret, check_bounds, check_change, create_org_token, delete_secret, expiry_of


class OwnOrgViewSet(OrgViewSet):
    """The one org that the caller is of: the address names none."""

    operations: ClassVar = {"retrieve": "org.read", "update": "org.update"}
    queryset = Org.objects.all()
    serializer_class = OrgSerializer

    def get_object(self) -> Any:
        return Org.objects.get(pk=self.person.org_id)

    @extend_schema(summary="Get your org", examples=[examples.ORG], filters=False)
    def retrieve(self, request: Request) -> Response:
        return self.versioned(self.shown(self.get_object()))

    @extend_schema(
        summary="Change your org",
        description="Changes only the fields that are sent.",
        request=OrgChangeSerializer,
        examples=[examples.ORG_CHANGE, examples.ORG],
    )
    @transaction.atomic
    def update(self, request: Request) -> Response:
        org, change = self.locked_object(), self.body(OrgChangeSerializer)
        return self.versioned(self.shown(change_org(org, actor_id=self.person.pk, **change)))


@extend_schema_view(
    list=extend_schema(summary="List the org's tokens", examples=[examples.SECRET]),
    retrieve=extend_schema(
        summary="Get one token of the org", description="Never the secret, which was shown once.", examples=[examples.SECRET]
    ),
)
class OrgTokenViewSet(ListMixin, RetrieveMixin, OrgViewSet):
    resource: ClassVar = "org_tokens"
    operations: ClassVar = {
        "list": "org_token.read",
        "retrieve": "org_token.read",
        "create": "org_token.manage",
        "update": "org_token.manage",
        "destroy": "org_token.manage",
    }
    volatile: ClassVar = ("last_used", "status")
    queryset = OrgToken.objects.all()
    serializer_class = SecretSerializer
    filterset_class = SecretFilterSet

    @extend_schema(
        summary="Make a token of the org",
        description=(
            "It reads metrics and anomalies as the org itself, and posts markers and reports of its health over the session API. "
            "The answer holds the secret in `token`, this once."
        ),
        request=NewOrgTokenSerializer,
        responses={201: CreatedOrgTokenSerializer},
        examples=[examples.NEW_SECRET, examples.CREATED_ORG_TOKEN],
    )
    @transaction.atomic
    def create(self, request: Request) -> Response:
        said = self.body(NewOrgTokenSerializer)
        check_bounds(token_of(request), sources=said.get("sources", ()))
        expires = expiry_of(said.get("expires_in_days"))
        org, by = self.person.org, self.person.pk
        token, secret = create_org_token(org, name=said["name"], expires=expires, sources=said.get("sources", ()), actor_id=by)
        return self.created(token, path="org/tokens", once={"token": secret})

    @extend_schema(
        summary="Rename, bind, revoke or restore a token of the org",
        description="Changes only the fields that are sent. `revoked` true ends the token at once, everywhere.",
        request=SecretChangeSerializer,
        examples=[examples.REVOKE, examples.SECRET],
    )
    @transaction.atomic
    def update(self, request: Request, id: str) -> Response:
        token, change = self.locked_object(), self.body(SecretChangeSerializer)
        check_change(token_of(request), token, **change)
        change_secret(token, actor_id=self.person.pk, **change)
        return self.versioned(self.shown(token))

    @extend_schema(summary="Delete a token of the org", description="It ends at once.", responses={204: None})
    @transaction.atomic
    def destroy(self, request: Request, id: str) -> Response:
        delete_secret(self.locked_object(), actor_id=self.person.pk)
        return Response(status=204)
