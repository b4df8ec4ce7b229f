"""/api/anomalies."""

import time
from typing import Any, ClassVar, cast

from django.db import transaction
from django.db.models import QuerySet
from django.http import Http404, HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema, extend_schema_view
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import User
from anomalies import services
from anomalies.api.documents import document, documents
from anomalies.api.examples import ANOMALY, CHANGE, HISTORY
from anomalies.api.filtersets import AnomalyFilterSet
from anomalies.api.serializers import AnomalyChangeSerializer, AnomalySerializer, HistoryEntrySerializer
from anomalies.models import Anomaly
from anomalies.pictures import span_of
from config.api.arrays import page_of
from config.api.pagination import EnvelopePagination
from config.api.views import ListMixin, OrgViewSet
from metrics.api.examples import SVG
from metrics.api.images import IMAGE_NAMES, IMAGE_PARAMETERS, image_response, style_of
from metrics.models import Metric
from metrics.pictures import picture_around


@extend_schema_view(
    list=extend_schema(
        summary="List anomalies",
        description="Newest first, then by weight. Only open ones unless `archived` or an archived `status` says otherwise.",
        examples=[ANOMALY],
    )
)
class AnomalyViewSet(ListMixin, OrgViewSet):
    operations: ClassVar = {
        "list": "anomaly.read",
        "retrieve": "anomaly.read",
        "update": "anomaly.update",
        "history": "anomaly.history",
        "image": "anomaly.read",
    }
    parameters: ClassVar = {"history": ("page", "size"), "image": IMAGE_NAMES}
    volatile: ClassVar = ("is_new",)
    queryset = Anomaly.objects.all()
    serializer_class = AnomalySerializer
    filterset_class = AnomalyFilterSet

    def get_queryset(self) -> QuerySet[Anomaly]:
        found: QuerySet[Anomaly] = super().get_queryset()
        # For a change: as it is now, and kept from others until the change is done.
        return found.select_for_update() if self.action == "update" else found

    def shown(self, row: Anomaly) -> dict[str, Any]:
        return document(row.pk)

    def shown_page(self, pagination: EnvelopePagination, queryset: QuerySet[Anomaly]) -> Any:
        return documents(pagination.paginate_ids(queryset, self.request))

    @extend_schema(
        summary="Get one anomaly",
        description="By number or UUID. `is_new` turns false when a person opens it.",
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
        description="Changes only the fields that are sent. A status sent for an archived anomaly restores it to Acknowledged.",
        request=AnomalyChangeSerializer,
        responses=AnomalySerializer,
        examples=[CHANGE, ANOMALY],
    )
    @transaction.atomic
    def update(self, request: Request, id: str) -> Response:
        anomaly = self.get_object()
        change = self.validated(request, anomaly)
        self.check_version(anomaly)
        changed = services.change_anomaly(anomaly, user=cast(User, self.caller), **change)  # an org token writes nothing
        return self.versioned(self.shown(changed))

    def validated(self, request: Request, anomaly: Anomaly) -> dict[str, Any]:
        body = AnomalyChangeSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        if "description" in body.validated_data:
            self.require("anomaly.describe", anomaly)
        return dict(body.validated_data)

    @extend_schema(
        summary="Get the history of an anomaly",
        description="A plain array, newest first, a page at a time; `X-Total-Count` and `Link` tell of the rest.",
        parameters=[
            OpenApiParameter("page", OpenApiTypes.INT, description="Which page, from 1."),
            OpenApiParameter("size", OpenApiTypes.INT, description="Entries on a page, 1 to 100; 50 without it."),
        ],
        responses=HistoryEntrySerializer(many=True),
        examples=[HISTORY],
        filters=False,
    )
    def history(self, request: Request, id: str) -> Response:
        changes = self.get_object().changes.select_related("user").order_by("-timestamp", "-pk")
        return page_of(request, changes, HistoryEntrySerializer)

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
        picture = picture_around(metric, span_of(anomaly), style=style, now_ms=int(time.time() * 1000))
        return image_response(request, picture, form=style.form)
