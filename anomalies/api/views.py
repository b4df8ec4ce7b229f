"""/api/anomalies: the list, one anomaly, its change, its end, its history and its picture."""

import time
from typing import Any, ClassVar, Final, cast

from django.db import transaction
from django.db.models import Model, QuerySet
from django.http import Http404, HttpResponseBase
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema, extend_schema_view
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import Level, User
from accounts.permissions import level_needed
from anomalies import kept_lists, services
from anomalies.api.documents import document, documents
from anomalies.api.examples import ANOMALY, ARCHIVE, CHANGE, HISTORY
from anomalies.api.filtersets import AnomalyFilterSet, RelatedFilterSet
from anomalies.api.many import Ending, ManyMixin, edit_parts, ending_of, naming_the_query
from anomalies.api.serializers import AnomalyChangeSerializer, AnomalySerializer, ArchiveSerializer, HistoryEntrySerializer
from anomalies.models import Anomaly
from anomalies.pictures import span_of
from anomalies.querysets import AnomalyQuerySet
from anomalies.services import Edit
from anomalies.services.states import hold
from anomalies.singles import single
from config.api import etags
from config.api.arrays import PAGE_PARAMETERS, array_page
from config.api.filters import read_flag
from config.api.pagination import EnvelopePagination
from config.api.views import ListMixin, OrgViewSet, number_in, reference
from metrics.api.examples import SVG
from metrics.api.images import IMAGE_NAMES, IMAGE_PARAMETERS, image_response, style_of
from metrics.models import Metric
from metrics.pictures import picture_around
from orgs.moments import unix_ms

INCLUDE_DELETED = OpenApiParameter(
    "include_deleted", OpenApiTypes.BOOL, description="Whether to look among the deleted too: needs the level editor. false without it."
)
ENDS = (
    OpenApiParameter("status", OpenApiTypes.STR, enum=[str(status) for status in Anomaly.ARCHIVED], description="Why it is archived."),
    OpenApiParameter("archive", OpenApiTypes.BOOL, description="true (default) archives; false deletes for good what is archived already."),
    OpenApiParameter("duplicate_of", OpenApiTypes.STR, description="With Duplicate, the original: its number or UUID."),
)


# What says which page, not which list.
PLACE: Final = ("page", "size")
# So long a window that rolls with the clock may stand still.
ROLLING_S: Final = 10


class AnomalyListing(ListMixin, OrgViewSet):
    """Anomalies as lists show them: the JSON of a page is made by the database."""

    queryset = Anomaly.objects.all()
    serializer_class = AnomalySerializer
    filterset_class = AnomalyFilterSet
    volatile: ClassVar = ("is_new",)

    def visible(self, queryset: QuerySet[Any], *, level: Level) -> QuerySet[Any]:
        if not read_flag(self.request.query_params, "include_deleted"):
            return super().visible(queryset, level=level)
        assert isinstance(queryset, AnomalyQuerySet)  # noqa: S101 - that is what the manager makes
        # A single tombstone that one may not read is refused; in a list it is left out.
        return queryset.visible_with_deleted_to(self.caller, level=level, among=Level.REPORTER if self.is_single else Level.EDITOR)

    @property
    def is_single(self) -> bool:
        return self.lookup_url_kwarg in self.kwargs

    def shown(self, row: Anomaly) -> dict[str, Any]:
        return document(row.pk, caller=self.caller)

    def list(self, request: Request) -> Response:
        pagination = cast("EnvelopePagination", self.paginator)
        start = pagination.begin(request)
        if "include_deleted" in request.query_params or start + pagination.size > kept_lists.WHOLE:
            return super().list(request)
        part = kept_lists.part_of(self._asked(), self._rows, start=start, size=pagination.size)
        pagination.tell(start, shown=len(part.ids), found=part.found)
        return self.get_paginated_response(documents(part.ids, caller=self.caller))

    def _asked(self) -> kept_lists.Asked:
        params = self.request.query_params
        filters = tuple((name, *values) for name, values in params.lists() if name not in PLACE)
        clock = time.time() // ROLLING_S if "timeframe" in params else 0
        words = (self.request.path, filters, clock)
        return kept_lists.Asked(self.caller, level_needed(self.operation or ""), words)

    def _rows(self) -> QuerySet[Anomaly]:
        found: QuerySet[Anomaly] = self.filter_queryset(self.get_queryset())
        return found

    def shown_page(self, pagination: EnvelopePagination, queryset: QuerySet[Anomaly]) -> Any:
        return documents(pagination.paginate_ids(queryset, self.request), caller=self.caller)


@extend_schema_view(
    list=extend_schema(
        summary="List anomalies",
        description="Newest first, then by weight. Only open ones that are awake, unless `archived`, an archived `status` or `snoozed` "
        "says otherwise.",
        examples=[ANOMALY],
    )
)
class AnomalyViewSet(ManyMixin, AnomalyListing):
    operations: ClassVar = {
        "list": "anomaly.read",
        "retrieve": "anomaly.read",
        "update": "anomaly.update",
        "destroy": "anomaly.archive",
        "history": "anomaly.history",
        "image": "anomaly.read",
        "bulk_update": "anomaly.update",
        "bulk_destroy": "anomaly.archive",
    }
    parameters: ClassVar = {
        "retrieve": ("include_deleted",),
        "destroy": ("status", "archive", "duplicate_of"),
        "history": ("page", "size", "include_deleted"),
        "image": IMAGE_NAMES,
    }
    deletes_with_body: ClassVar = ("destroy", "bulk_destroy")

    def get_object(self) -> Anomaly:
        """For a change: as it is now, and kept from others until the change is done."""
        if read_flag(self.request.query_params, "include_deleted"):
            return cast("Anomaly", super().get_object())
        ((column, key),) = reference(self.kwargs["id"], Anomaly).items()
        found = single(self.caller, column, key, is_kept=self.action == "update")
        if found is None:
            raise Http404
        self.require(self.operation or "", found)
        return found

    def require(self, operation: str, row: Model) -> None:
        super().require(operation, row)
        if isinstance(row, Anomaly) and row.deleted is not None:
            super().require("anomaly.deleted", row)

    @extend_schema(
        summary="Get one anomaly",
        description="By number or UUID. `is_new` turns false when a person opens it.",
        parameters=[INCLUDE_DELETED],
        examples=[ANOMALY],
    )
    def retrieve(self, request: Request, id: str) -> Response:
        anomaly = self.get_object()
        answer = self.versioned(self.shown(anomaly))
        if isinstance(request.user, User) and not request.user.is_demo:
            services.mark_seen(anomaly)
        return answer

    @extend_schema(
        summary="Change an anomaly",
        description="Changes only the fields that are sent. A status sent for an archived anomaly restores it to Acknowledged, before "
        "the other fields are changed.",
        request=AnomalyChangeSerializer,
        responses=AnomalySerializer,
        examples=[CHANGE, ANOMALY],
    )
    @transaction.atomic
    def update(self, request: Request, id: str) -> Response:
        anomaly = self.get_object()
        change = self.body(AnomalyChangeSerializer)
        if "description" in change:
            self.require("anomaly.describe", anomaly)
        self.check_version(anomaly)
        services.do_edit(anomaly.org_id, Edit(anomaly_id=anomaly.pk, **edit_parts(change)), user=self.person)
        return self.versioned(self.shown(anomaly))

    @extend_schema(
        summary="Archive an anomaly, or delete it for good",
        description="Archives it for the reason in `status`, in the query or the body; one that is archived already is classified anew. "
        "With `archive=false` an archived anomaly is deleted for good: its tombstone and its history stay, for editors.",
        parameters=list(ENDS),
        request=ArchiveSerializer,
        responses={204: None},
        examples=[ARCHIVE],
    )
    @transaction.atomic
    def destroy(self, request: Request, id: str) -> Response:
        anomaly = self.get_object()
        sent = self.body(ArchiveSerializer)
        with naming_the_query(request.query_params, sent):
            edit = self.edit_of(anomaly, ending_of(sent, query=request.query_params))
            if etags.asks_for_version(request):
                hold(anomaly.org_id, {anomaly.pk, edit.duplicate_of or anomaly.pk}, leaving={anomaly.pk} if edit.remove else ())
                self.check_version(anomaly)
            services.do_edit(anomaly.org_id, edit, user=self.person)
        return Response(status=204)

    def edit_of(self, anomaly: Anomaly, ending: Ending) -> Edit:
        original = ending.original_among(Anomaly.objects.visible_to(self.caller))
        return ending.edit(anomaly.pk, duplicate_of=original)

    @extend_schema(
        summary="Get the history of an anomaly",
        description="A plain array, newest first, a page at a time; `X-Total-Count` and `Link` tell of the rest.",
        parameters=[*PAGE_PARAMETERS, INCLUDE_DELETED],
        responses=HistoryEntrySerializer(many=True),
        examples=[HISTORY],
        filters=False,
    )
    def history(self, request: Request, id: str) -> Response:
        changes = self.get_object().changes.select_related("user").order_by("-timestamp", "-pk")
        return array_page(request, changes, HistoryEntrySerializer)

    @extend_schema(
        summary="Get a picture of an anomaly",
        description="The series around the anomaly with its band. Only anomalies of type metric have one.",
        parameters=list(IMAGE_PARAMETERS),
        responses={
            (200, "image/png"): OpenApiTypes.BINARY,
            (200, "image/svg+xml"): OpenApiTypes.STR,
            304: OpenApiResponse(description="You have it."),
        },
        examples=[SVG],
    )
    def image(self, request: Request, id: str) -> HttpResponseBase:
        anomaly = self.get_object()
        if anomaly.metric_id is None:
            raise Http404
        style = style_of(request)
        metric = Metric.objects.select_related("org").get(pk=anomaly.metric_id)
        picture = picture_around(metric, span_of(anomaly), style=style, now_ms=unix_ms(timezone.now()))
        return image_response(request, picture, form=style.form)


class RelatedViewSet(AnomalyListing):
    """The same problem again."""

    resource: ClassVar = "anomaly_related"
    operations: ClassVar = {"list": "anomaly.read"}
    filterset_class = RelatedFilterSet

    def get_queryset(self) -> QuerySet[Anomaly]:
        found: QuerySet[Anomaly] = super().get_queryset()
        anomaly = self.filtered_object(found)
        same = found.exclude(pk=anomaly.pk)
        return same.none() if anomaly.fingerprint is None else same.filter(fingerprint=anomaly.fingerprint)

    @extend_schema(
        summary="List what is related to an anomaly",
        description="The other occurrences of the same problem, archived ones among them: those with the same fingerprint. "
        "Takes the filters and sorts of the list.",
        examples=[ANOMALY],
    )
    def list(self, request: Request, id: str) -> Response:  # type: ignore[override]  # its address has one part more
        return super().list(request)


class ScanViewSet(AnomalyListing):
    """What one scan of a container found."""

    resource: ClassVar = "container_scan_anomalies"
    operations: ClassVar = {"list": "anomaly.read"}
    filterset_class = RelatedFilterSet

    def get_queryset(self) -> QuerySet[Anomaly]:
        found: QuerySet[Anomaly] = super().get_queryset().filter(container_scan_id=number_in(self.kwargs["id"]))
        if not found.exists():
            raise Http404
        return found

    @extend_schema(
        summary="List what a scan found",
        description="The anomalies that one scan of a container found, archived ones among them. Takes the filters and sorts of the list.",
        examples=[ANOMALY],
    )
    def list(self, request: Request, id: str) -> Response:  # type: ignore[override]  # its address has one part more
        return super().list(request)
