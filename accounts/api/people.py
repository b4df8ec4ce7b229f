"""/api/users and /api/service-accounts."""

from typing import Any, ClassVar

from django.db import transaction
from django.db.models import Max, QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import people, tokens
from accounts.api import examples
from accounts.api.filtersets import ServiceAccountFilterSet, UserFilterSet
from accounts.api.serializers import (
    CreatedTokenSerializer,
    MeChangeSerializer,
    MeSerializer,
    NewServiceAccountSerializer,
    NewTokenSerializer,
    ServiceAccountChangeSerializer,
    ServiceAccountSerializer,
    TokenSerializer,
    UserChangeSerializer,
    UserSerializer,
)
from accounts.models import PersonalToken, Role, Team, User
from accounts.teams import set_teams
from config.api import etags
from config.api.arrays import array_page
from config.api.authentication import token_of
from config.api.views import ListMixin, OrgViewSet, RetrieveMixin


class MemberViewSet(ListMixin, RetrieveMixin, OrgViewSet):
    """What people and service accounts share."""

    def get_serializer_context(self) -> dict[str, Any]:
        context = dict(super().get_serializer_context())
        if getattr(self.request, "user", None) is not None and self.request.user.is_authenticated:
            context["public_team"] = Team.objects.for_org(self.person.org_id).filter(is_public=True).first()
        return context


@extend_schema_view(
    list=extend_schema(summary="List the people of the org", examples=[examples.USER]),
    retrieve=extend_schema(summary="Get one person", examples=[examples.USER]),
)
class UserViewSet(MemberViewSet):
    operations: ClassVar = {
        "list": "user.read",
        "retrieve": "user.read",
        "update": "user.manage",
        "destroy": "user.manage",
        "me": "me.read",
        "change_me": "me.update",
    }
    volatile: ClassVar = ("last_login",)
    conditional: ClassVar = ("update", "destroy", "change_me")
    queryset = User.objects.people().prefetch_related("teams")
    serializer_class = UserSerializer
    filterset_class = UserFilterSet

    @extend_schema(
        summary="Change a person",
        description="Changes only the fields that are sent. The last admin of an org stays an active admin: 409.",
        request=UserChangeSerializer,
        examples=[examples.USER_CHANGE, examples.USER],
    )
    @transaction.atomic
    def update(self, request: Request, id: str) -> Response:
        user, change = self.locked_object(), self.body(UserChangeSerializer)
        people.change_user(user, actor_id=self.person.pk, **change)
        return self.versioned(self.shown(user))

    @extend_schema(
        summary="Remove a person",
        description="With their tokens and sessions; what they did stays, without their name. The last admin cannot leave: 409.",
        responses={204: None},
    )
    @transaction.atomic
    def destroy(self, request: Request, id: str) -> Response:
        people.remove_user(self.locked_object(), actor_id=self.person.pk)
        return Response(status=204)

    @extend_schema(summary="Get yourself", responses=MeSerializer, examples=[examples.ME], filters=False)
    def me(self, request: Request) -> Response:
        return self.versioned(self._shown(request))

    @extend_schema(
        summary="Change yourself",
        description="Changes only the fields that are sent.",
        request=MeChangeSerializer,
        responses=MeSerializer,
        examples=[examples.ME_CHANGE, examples.ME],
    )
    @transaction.atomic
    def change_me(self, request: Request) -> Response:
        change = self.body(MeChangeSerializer)
        if etags.asks_for_version(request):
            self.person.refresh_from_db(from_queryset=User.objects.select_for_update())
            etags.check_if_match(request, etags.etag_of(self._shown(request), without=self.volatile))
        people.change_user(self.person, actor_id=self.person.pk, **change)
        return self.versioned(self._shown(request))

    def _shown(self, request: Request) -> Any:
        return MeSerializer(self.person, context=self.get_serializer_context()).data


@extend_schema_view(
    list=extend_schema(summary="List the service accounts", examples=[examples.SERVICE_ACCOUNT]),
    retrieve=extend_schema(summary="Get one service account", examples=[examples.SERVICE_ACCOUNT]),
)
class ServiceAccountViewSet(MemberViewSet):
    operations: ClassVar = {
        "list": "service.read",
        "retrieve": "service.read",
        "create": "service.manage",
        "update": "service.manage",
        "destroy": "service.manage",
        "tokens": "service.read",
        "create_token": "service.manage",
    }
    parameters: ClassVar = {"tokens": ("page", "size")}
    volatile: ClassVar = ("last_used", "usage")
    queryset = User.objects.services().prefetch_related("teams").annotate(last_used=Max("tokens__last_used"))
    serializer_class = ServiceAccountSerializer
    filterset_class = ServiceAccountFilterSet

    @extend_schema(
        summary="Make a service account",
        description="No person and no mailbox: a program that acts through its tokens, with a role and teams like anybody.",
        request=NewServiceAccountSerializer,
        responses={201: ServiceAccountSerializer},
        examples=[examples.NEW_SERVICE_ACCOUNT, examples.SERVICE_ACCOUNT],
    )
    @transaction.atomic
    def create(self, request: Request) -> Response:
        said = {"role": Role.MEMBER, **self.body(NewServiceAccountSerializer)}
        teams = said.pop("teams", [])
        user = people.create_service_account(self.person.org_id, actor_id=self.person.pk, **said)
        set_teams(user, teams, actor_id=self.person.pk)
        return self.created(self.get_queryset().get(pk=user.pk), path="service-accounts")

    @extend_schema(
        summary="Change a service account",
        description="Changes only the fields that are sent; `teams` replaces its teams. With `is_active` false its tokens end at once.",
        request=ServiceAccountChangeSerializer,
        examples=[examples.SERVICE_ACCOUNT],
    )
    @transaction.atomic
    def update(self, request: Request, id: str) -> Response:
        user, change = self.locked_object(), self.body(ServiceAccountChangeSerializer)
        teams = change.pop("teams", None)
        people.change_user(user, actor_id=self.person.pk, **change)
        if teams is not None:
            set_teams(user, teams, actor_id=self.person.pk)
        return self.versioned(self.shown(self.get_object()))

    @extend_schema(summary="Remove a service account", description="With its tokens, which end at once.", responses={204: None})
    @transaction.atomic
    def destroy(self, request: Request, id: str) -> Response:
        people.remove_user(self.locked_object(), actor_id=self.person.pk)
        return Response(status=204)

    @extend_schema(
        summary="List the tokens of a service account",
        description="A plain array, newest first, a page at a time; `X-Total-Count` and `Link` tell of the rest.",
        parameters=examples.PAGES,
        responses=TokenSerializer(many=True),
        examples=[examples.TOKEN],
        filters=False,
    )
    def tokens(self, request: Request, id: str) -> Response:
        found: QuerySet[PersonalToken] = PersonalToken.objects.for_org(self.person.org_id).filter(user=self.get_object())
        return array_page(request, found.select_related("user"), TokenSerializer)

    @extend_schema(
        summary="Make a token of a service account",
        description="The answer holds the secret in `token`, this once.",
        request=NewTokenSerializer,
        responses={201: CreatedTokenSerializer},
        examples=[examples.NEW_TOKEN, examples.CREATED_TOKEN],
    )
    @transaction.atomic
    def create_token(self, request: Request, id: str) -> Response:
        account = self.get_object()
        return created_token(request, account, self.body(NewTokenSerializer))


def created_token(request: Request, owner: User, said: dict[str, Any]) -> Response:
    """201 with a new token of `owner`. Raises Forbidden when the caller's own token may do less."""
    asked = said.get("scopes") or tokens.DEFAULT_SCOPES
    tokens.check_grant(token_of(request), scopes=asked, sources=said.get("sources", ()))
    token, secret = tokens.create_personal_token(owner, actor_id=request.user.pk, **said)
    shown = TokenSerializer(token).data
    return Response({**shown, "token": secret}, status=201, headers={"Location": f"/api/user-tokens/{token.pk}"})
