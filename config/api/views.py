"""The base of every REST view: who calls, what they may see, what they may do, and how it is answered."""

import uuid
from collections.abc import Mapping
from typing import Any, ClassVar, cast

from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from rest_framework import generics, serializers, viewsets
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.callers import Caller
from accounts.models import Level, User
from accounts.permissions import HELD_BACK, is_held_back, level_needed
from config.api import etags, idempotency
from config.api.authentication import REALM
from config.api.filters import refuse_repeated, refuse_unknown
from config.api.pagination import EnvelopePagination
from config.api.parsers import MAX_BYTES, BodyRequest
from config.api.problems import problem_response
from config.api.throttling import BucketThrottle, rate_headers
from datastores.models import Datastore
from datastores.reach import has_level
from orgs.errors import Forbidden


class BodyView(generics.GenericAPIView[Any]):
    """A view whose requests are `BodyRequest`s."""

    def initialize_request(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Request:
        return BodyRequest(
            request,
            parsers=self.get_parsers(),
            authenticators=self.get_authenticators(),
            negotiator=self.get_content_negotiator(),
            parser_context=self.get_parser_context(request),
        )


class OrgViewSet(viewsets.ViewSetMixin, BodyView):
    """One resource of one org.

    `operations` names, per action, the row of the permission table that it needs; an action without one does not exist (405).
    `queryset` must have `visible_to(caller, level=)`. A list shows what the caller has the level for; a single thing that the
    caller cannot see at all is 404, one that is seen but asks for a higher level is 403.
    """

    operations: ClassVar[Mapping[str, str]] = {}
    # Query parameters of actions that are not lists; anything else is refused.
    parameters: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    # Those of them that take several values.
    several: ClassVar[frozenset[str]] = frozenset()
    # Bytes of a body that is read before the view reads it.
    body_limit: ClassVar[int] = MAX_BYTES
    # The first word of its operations' ids; empty: the first word of its address.
    resource: ClassVar[str] = ""
    # What parts of the address are in the OpenAPI document (description and schema), where they are no ids.
    words: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    # Shown, but changed by being looked at, so no part of the version.
    volatile: ClassVar[tuple[str, ...]] = ()
    # Actions that change the thing that the address names, and look at If-Match; every other change refuses it.
    conditional: ClassVar[tuple[str, ...]] = ("update", "destroy")

    http_method_names: ClassVar[list[str]] = ["get", "head", "post", "put", "patch", "delete"]  # type: ignore[misc]
    throttle_classes = (BucketThrottle,)
    lookup_url_kwarg = "id"

    @property
    def operation(self) -> str | None:
        return self.operations.get(self.action or "")

    @property
    def caller(self) -> Caller:
        return cast(Caller, self.request.user)  # permissions have let no anonymous caller through

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """As REST framework's, but the limit comes before permissions: a refused caller uses it up too."""
        self.format_kwarg = None
        request.accepted_renderer, request.accepted_media_type = self.perform_content_negotiation(request)
        self.limited_authentication(request)
        self.check_permissions(request)
        if self.detail_parameters is not None:
            refuse_unknown(request, self.detail_parameters)
            refuse_repeated(request, several=self.several)
        if self.action not in self.conditional:
            etags.refuse_if_match(request)
        idempotency.begin(request, limit=self.body_limit)

    def limited_authentication(self, request: Request) -> None:
        try:
            self.perform_authentication(request)
        except AuthenticationFailed:
            self.check_throttles(request)
            raise
        self.check_throttles(request)

    def get_authenticate_header(self, request: Request) -> str:
        return REALM  # whichever way a view takes first

    @property
    def person(self) -> User:
        """The caller, in operations that the permission table gives to people and service accounts only."""
        assert isinstance(self.request.user, User)  # noqa: S101 - the table lets in nobody else
        return self.request.user

    @property
    def detail_parameters(self) -> tuple[str, ...] | None:
        """The query parameters of this action; None for a list, whose filters know their own."""
        return None if self.action == "list" else self.parameters.get(self.action or "", ())

    def get_queryset(self) -> QuerySet[Any]:
        """Tenancy, in this one place: the caller's org, and the datastores on which the caller has a level."""
        level = Level.REPORTER if self.lookup_url_kwarg in self.kwargs else level_needed(self.operation or "")
        return self.visible(super().get_queryset(), level=level)

    def visible(self, queryset: QuerySet[Any], *, level: Level) -> QuerySet[Any]:
        """Of `queryset` what the caller may see with at least `level`."""
        return queryset.visible_to(self.caller, level=level)  # type: ignore[attr-defined, no-any-return]  # as the class asks of `queryset`

    def get_object(self) -> Any:
        row = self.filtered_object(self.get_queryset())
        self.require(self.operation or "", row)
        return row

    def filtered_object(self, queryset: QuerySet[Any]) -> Any:
        """The row that the address names, by number, or by UUID where rows have one. Raises Http404."""
        found = queryset.filter(**reference(self.kwargs[self.lookup_url_kwarg], queryset.model)).first()
        if found is None:
            raise Http404
        return found

    def require(self, operation: str, row: Any) -> None:
        """Raises Forbidden if the caller's level on the row's datastore is too low for `operation`, or an operator must not do it."""
        if is_held_back(self.caller, operation):
            raise Forbidden(HELD_BACK)
        level = level_needed(operation)
        if level == Level.REPORTER or self.caller.is_admin:
            return
        datastore = row.pk if isinstance(row, Datastore) else row.datastore_id
        if not has_level(self.caller, datastore, level=level):
            raise Forbidden(f"This needs the level {Level(level).label} on the datastore.")

    def body(self, serializer_class: type[serializers.Serializer[Any]]) -> dict[str, Any]:
        """What was sent, as `serializer_class` understands it. Raises ValidationError."""
        sent = serializer_class(data=self.request.data)
        sent.is_valid(raise_exception=True)
        return dict(sent.validated_data)

    def created(self, row: Any, *, path: str, ref: str = "", once: Mapping[str, str] | None = None) -> Response:
        """201 with the new thing, its version and its address, which ends in `ref` where that is not its number.

        `once` is what is shown this one time, such as a secret.
        """
        shown = self.shown(row)
        headers = {"Location": f"/api/{path}/{ref or row.pk}", "ETag": etags.etag_of(shown, without=self.volatile)}
        return Response({**shown, **(once or {})}, status=201, headers=headers)

    def locked_object(self) -> Any:
        """`get_object`, kept from others until the transaction ends, in the version that If-Match asks for."""
        row = self.get_object()
        type(row)._default_manager.select_for_update(of=("self",)).filter(pk=row.pk).first()
        row = self.get_object()
        self.check_version(row)
        return row

    def versioned(self, shown: Mapping[str, Any]) -> Response:
        """A single thing with its ETag; 304 without a body to a caller who has this version."""
        etag = etags.etag_of(shown, without=self.volatile)
        if self.request.method in ("GET", "HEAD") and etags.is_known(self.request, etag):
            return Response(status=304, headers={"ETag": etag})
        return Response(shown, headers={"ETag": etag})

    def check_version(self, row: Model) -> None:
        """Raises StaleVersion if If-Match names another version than the row's. The row must be locked."""
        if etags.asks_for_version(self.request):
            etags.check_if_match(self.request, etags.etag_of(self.shown(row), without=self.volatile))

    def shown(self, row: Any) -> Mapping[str, Any]:
        """One row as the API shows it."""
        return cast(Mapping[str, Any], self.get_serializer(row).data)

    def handle_exception(self, exc: Exception) -> Response:
        if isinstance(exc, idempotency.Replay):
            return exc.response
        return super().handle_exception(exc)

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Response:
        answer = super().finalize_response(request, response, *args, **kwargs)
        if allowance := getattr(request._request, "api_allowance", None):
            for name, value in rate_headers(allowance).items():
                answer[name] = value
        answer.setdefault("Cache-Control", "private, no-cache")
        idempotency.finish(request, answer)
        return answer


class ListMixin:
    """`list`: filtered, sorted, a page at a time."""

    def list(self: Any, request: Request) -> Response:
        page = self.shown_page(self.paginator, self.filter_queryset(self.get_queryset()))
        return self.get_paginated_response(page)  # type: ignore[no-any-return]  # a mixin, whose `self` is any view

    def shown_page(self: Any, pagination: EnvelopePagination, queryset: QuerySet[Any]) -> Any:
        """The rows of the page that is asked for, as the API shows them."""
        return self.get_serializer(pagination.paginate_queryset(queryset, self.request), many=True).data


class RetrieveMixin:
    """`retrieve`: one thing with its version."""

    def retrieve(self: Any, request: Request, **address: str) -> Response:
        return self.versioned(self.shown(self.get_object()))  # type: ignore[no-any-return]  # a mixin, whose `self` is any view


def reference(ref: str, model: type[Model]) -> dict[str, Any]:
    """The filter for what an address calls a thing: a number, or a UUID. Raises Http404 for anything else."""
    if ref.isascii() and ref.isdigit() and len(ref) < 19:
        return {"pk": int(ref)}
    try:
        named = uuid.UUID(ref)
    except ValueError as exc:
        raise Http404 from exc
    if not hasattr(model, "uuid"):
        raise Http404
    return {"uuid": named}


def number_in(ref: str) -> int:
    """What an address calls a thing that has a number and no UUID. Raises Http404 for anything else."""
    return int(reference(ref, Model)["pk"])


@csrf_exempt
def not_found(request: HttpRequest, rest: str = "") -> HttpResponse:
    """Every address under /api/ that no route takes."""
    return problem_response(request, 404, detail="There is no such address in the API. /api/docs lists all.")


not_found.login_required = False  # type: ignore[attr-defined]  # an address that does not exist needs no login
