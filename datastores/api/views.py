"""/api/datastores and /api/operations."""

from typing import Any, ClassVar

from django.db import transaction
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import Level
from config.api.views import ListMixin, OrgViewSet, RetrieveMixin
from datastores.api.examples import DATASTORE, OPERATION
from datastores.api.filtersets import DatastoreFilterSet, OperationFilterSet
from datastores.api.serializers import DatastoreSerializer, OperationSerializer
from datastores.models import Datastore, Operation
from datastores.services import abort_operation


@extend_schema_view(
    list=extend_schema(summary="List the datastores that you may see", examples=[DATASTORE]),
    retrieve=extend_schema(summary="Get one datastore", examples=[DATASTORE]),
)
class DatastoreViewSet(ListMixin, RetrieveMixin, OrgViewSet):
    operations: ClassVar = {"list": "datastore.read", "retrieve": "datastore.read"}
    queryset = Datastore.objects.all()
    serializer_class = DatastoreSerializer
    filterset_class = DatastoreFilterSet

    def visible(self, queryset: QuerySet[Any], *, level: Level) -> QuerySet[Any]:
        return super().visible(queryset, level=level).with_level_of(self.request.user)  # type: ignore[attr-defined, no-any-return]  # a DatastoreQuerySet


@extend_schema_view(list=extend_schema(summary="List long work, newest first", examples=[OPERATION]))
class OperationViewSet(ListMixin, OrgViewSet):
    operations: ClassVar = {"list": "operation.read", "abort": "operation.abort"}
    conditional: ClassVar = ("abort",)
    queryset = Operation.objects.select_related("datastore", "user")
    serializer_class = OperationSerializer
    filterset_class = OperationFilterSet

    def get_queryset(self) -> QuerySet[Operation]:
        found: QuerySet[Operation] = super().get_queryset()
        # To abort: as it is now, and kept from its worker until that is done.
        return found.select_for_update(of=("self",)) if self.action == "abort" else found

    def require(self, operation: str, row: Operation) -> None:
        """Work across datastores is seen by those alone who may also end it."""
        if row.datastore_id is not None:
            super().require(operation, row)

    @extend_schema(
        summary="Abort an operation",
        description="What it has done so far stays. An operation that has ended in another way is 409; aborting twice changes nothing.",
        request=None,
        examples=[OPERATION],
    )
    @transaction.atomic
    def abort(self, request: Request, id: str) -> Response:
        operation = self.get_object()
        self.check_version(operation)
        return self.versioned(self.shown(abort_operation(operation)))
