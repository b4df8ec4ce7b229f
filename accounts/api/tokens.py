"""/api/user-tokens."""

from typing import ClassVar

from django.db import transaction
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import tokens
from accounts.api import examples
from accounts.api.filtersets import TokenFilterSet
from accounts.api.people import created_token
from accounts.api.serializers import CreatedTokenSerializer, NewTokenSerializer, TokenChangeSerializer, TokenSerializer
from accounts.models import PersonalToken
from config.api.authentication import token_of
from config.api.views import ListMixin, OrgViewSet, RetrieveMixin
from orgs.services import change_secret, delete_secret


@extend_schema_view(
    list=extend_schema(
        summary="List personal tokens",
        description="Your own; an Admin sees everybody's and those of service accounts.",
        examples=[examples.TOKEN],
    ),
    retrieve=extend_schema(summary="Get one token", description="Never the secret, which was shown once.", examples=[examples.TOKEN]),
)
class TokenViewSet(ListMixin, RetrieveMixin, OrgViewSet):
    operations: ClassVar = {
        "list": "token.read",
        "retrieve": "token.read",
        "create": "token.manage",
        "update": "token.manage",
        "destroy": "token.manage",
    }
    volatile: ClassVar = ("last_used", "status")
    queryset = PersonalToken.objects.select_related("user")
    serializer_class = TokenSerializer
    filterset_class = TokenFilterSet

    @extend_schema(
        summary="Make a token that acts as you",
        description=(
            "The answer holds the secret in `token`, this once; only a keyed hash is kept. Without `expires_in_days` it lives a year. "
            "A token makes no token that may do more than itself."
        ),
        request=NewTokenSerializer,
        responses={201: CreatedTokenSerializer},
        examples=[examples.NEW_TOKEN, examples.CREATED_TOKEN],
    )
    @transaction.atomic
    def create(self, request: Request) -> Response:
        return created_token(request, self.person, self.body(NewTokenSerializer))

    @extend_schema(
        summary="Rename, bind, revoke or restore a token",
        description="Changes only the fields that are sent. `revoked` true ends the token at once, everywhere.",
        request=TokenChangeSerializer,
        examples=[examples.REVOKE, examples.TOKEN],
    )
    @transaction.atomic
    def update(self, request: Request, id: str) -> Response:
        token, change = self.locked_object(), self.body(TokenChangeSerializer)
        if "sources" in change or change.get("revoked") is False:
            tokens.check_grant(token_of(request), scopes=token.scopes, sources=change.get("sources", token.sources))
        change_secret(token, actor_id=self.person.pk, **change)
        return self.versioned(self.shown(token))

    @extend_schema(summary="Delete a token", description="It ends at once.", responses={204: None})
    @transaction.atomic
    def destroy(self, request: Request, id: str) -> Response:
        delete_secret(self.locked_object(), actor_id=self.person.pk)
        return Response(status=204)
