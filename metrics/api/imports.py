"""POST /api/metrics/import: history, by a person who may or by an ingest key; and how far it is."""

from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Final, cast

from django.db import transaction
from django.db.models import QuerySet
from django.http import Http404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import Level, User
from config.api.addresses import client_address
from config.api.authentication import SessionAuthentication, TokenAuthentication
from config.api.bodies import stream_of
from config.api.permissions import OperationPermission
from config.api.views import OrgViewSet, RetrieveMixin
from datastores.api.examples import OPERATION
from datastores.api.serializers import OperationSerializer
from datastores.models import Datastore, Operation
from metrics.api.examples import CSV, IMPORT, NDJSON
from metrics.ingest import history, imports, packing
from metrics.ingest.batch import BadRequest
from metrics.ingest.history import Form
from metrics.ingest.http import secret_of
from metrics.ingest.senders import Sender, sender_of
from metrics.points import Rule
from metrics.tasks import run_import
from orgs import tenancy
from orgs.errors import DomainError, FieldError, Invalid, Malformed, TooLarge, UnsupportedForm
from orgs.keys import is_bearer_token
from orgs.sources import may_come_from


@dataclass(frozen=True)
class KeyCaller:
    """An ingest key: stands for no person, and writes into one datastore."""

    org_id: int
    is_authenticated: ClassVar[bool] = True
    is_active: ClassVar[bool] = True
    is_admin: ClassVar[bool] = False
    is_demo: ClassVar[bool] = False
    pk: ClassVar[None] = None


class IngestKeyAuthentication(BaseAuthentication):
    """An ingest key wherever agents put it; anything else is left to the ways of people."""

    def authenticate(self, request: Request) -> tuple[Any, Sender] | None:
        secret = secret_of(request._request)
        sender = None if is_bearer_token(secret) else sender_of(secret)
        if sender is None or not may_come_from(sender.sources, client_address(request._request)):
            return None
        tenancy.enter(sender.org_id)
        return KeyCaller(sender.org_id), sender


class ImportPermission(OperationPermission):
    """An ingest key may write into its datastore and see what comes of it; people need what the permission table says."""

    def has_permission(self, request: Request, view: Any) -> bool:
        return isinstance(request.auth, Sender) and view.operation is not None or super().has_permission(request, view)


REFUSALS: Final[dict[int, type[DomainError]]] = {400: Malformed, 413: TooLarge, 422: Invalid}


class ImportViewSet(OrgViewSet):
    operations: ClassVar = {"create": "metric.import"}
    parameters: ClassVar = {"create": ("datastore",)}
    body_limit: ClassVar = imports.FILE_LIMIT
    extra_errors: ClassVar = (404,)  # a datastore that the caller does not see
    reads_stream: ClassVar = True
    queryset = Operation.objects.none()
    serializer_class = OperationSerializer
    authentication_classes = (IngestKeyAuthentication, TokenAuthentication, SessionAuthentication)
    permission_classes = (ImportPermission,)

    @extend_schema(
        summary="Import points",
        description=(
            "A file of history: NDJSON lines `{metric, timestamp, value}`, or CSV with the header `metric,timestamp,value`; times in unix "
            "seconds or ISO 8601; packed with gzip or not (`Content-Encoding`). It is read in the background; the operation tells how far "
            "it is and which lines were refused, and why. Anomalies found in history are recorded, and nobody is alerted of them. A series "
            "that has newer points already is learned anew with its history, seconds after the import has ended; if it is judged already, "
            "a minute after. At most 50 imports of an org, with 8 GiB, may wait: then 429; 503 while the server's disk has no room."
        ),
        parameters=[OpenApiParameter("datastore", int, description="Where to; needed if you may import into several.")],
        request={"application/x-ndjson": OpenApiTypes.BINARY, "text/csv": OpenApiTypes.BINARY},
        responses={202: OperationSerializer},
        examples=[NDJSON, CSV, IMPORT],
    )
    def create(self, request: Request) -> Response:
        form = self._form(request)
        sender = request.auth if isinstance(request.auth, Sender) else self._sender_of(cast("User", request.user))
        operation = self._started(request, sender, form)
        # If the broker is away, the scheduler finds the operation later.
        transaction.on_commit(partial(run_import.apply_async, (operation.pk,), retry=False), robust=True)
        shown = OperationSerializer(Operation.objects.select_related("datastore", "user").get(pk=operation.pk)).data
        return Response(shown, status=202, headers={"Location": f"/api/operations/{operation.pk}"})

    def _form(self, request: Request) -> Form:
        try:
            packing.is_gzip(request.headers.get("Content-Encoding", ""))
            return history.form_of(request.headers.get("Content-Type", ""))
        except BadRequest as error:
            raise UnsupportedForm(str(error)) from error

    def _started(self, request: Request, sender: Sender, form: Form) -> Operation:
        user_id = request.user.pk if isinstance(request.user, User) else None
        stream = packing.unpacking(stream_of(request._request), request.headers.get("Content-Encoding", ""))
        try:
            return imports.start(sender, stream, form=form, user_id=user_id)
        except BadRequest as error:
            raise REFUSALS[error.status](str(error)) from error

    def _sender_of(self, user: User) -> Sender:
        datastore = self._datastore(user)
        return Sender(0, datastore.org_id, datastore.pk, Rule.LAST, imports.epoch_of(datastore))

    def _datastore(self, user: User) -> Datastore:
        """The datastore that the query names, or the only one for metrics. Raises Http404, Forbidden or Invalid."""
        visible = Datastore.objects.visible_to(user).filter(type=Datastore.Type.METRICS)
        named = self.request.query_params.get("datastore")
        if named is not None:
            visible = visible.filter(pk=int(named)) if named.isascii() and named.isdigit() and len(named) < 19 else visible.none()
        found = list(visible[:2])
        if not found:
            raise Http404
        if len(found) > 1:
            raise Invalid("Say which datastore.", errors=(FieldError(("query", "datastore"), "required", "You may import into several."),))
        self.require("metric.import", found[0])
        return found[0]


@extend_schema_view(
    retrieve=extend_schema(
        summary="Get the progress of one operation",
        description=(
            "How far it is and what came of it; for an import also the lines that were refused, in `counters.refused_lines`. An ingest key "
            "reads the imports into its datastore, whoever started them; everything else is 404 to it."
        ),
        examples=[OPERATION],
    )
)
class ProgressViewSet(RetrieveMixin, OrgViewSet):
    operations: ClassVar = {"retrieve": "operation.read"}
    queryset = Operation.objects.select_related("datastore", "user")
    serializer_class = OperationSerializer
    authentication_classes = (IngestKeyAuthentication, TokenAuthentication, SessionAuthentication)
    permission_classes = (ImportPermission,)

    def visible(self, queryset: QuerySet[Any], *, level: Level) -> QuerySet[Any]:
        sender = self.request.auth
        if not isinstance(sender, Sender):
            return super().visible(queryset, level=level)
        return queryset.filter(org=sender.org_id, datastore=sender.datastore_id, kind=Operation.Kind.IMPORT)
