"""/api/metrics."""

from typing import Any, ClassVar

import numpy as np
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.request import Request
from rest_framework.response import Response

from config.api.views import ListMixin, OrgViewSet, RetrieveMixin
from metrics.api import examples
from metrics.api.filtersets import MetricFilterSet
from metrics.api.serializers import ForecastSerializer, MetricSerializer, TimeseriesSerializer
from metrics.api.windows import AGGREGATION, HORIZON, RANGE, RANGE_NAMES, asked_of, written
from metrics.columns import band_of, series_of
from metrics.models import NAME_KEY, Metric
from metrics.outlook import ahead_of


@extend_schema_view(
    list=extend_schema(summary="List metrics", description="By name.", examples=[examples.METRIC]),
    retrieve=extend_schema(summary="Get one metric", examples=[examples.METRIC]),
)
class MetricViewSet(ListMixin, RetrieveMixin, OrgViewSet):
    operations: ClassVar = {"list": "metric.read", "retrieve": "metric.read", "timeseries": "metric.read", "forecast": "metric.read"}
    parameters: ClassVar = {"timeseries": (*RANGE_NAMES, "aggregation"), "forecast": (*RANGE_NAMES, "horizon")}
    queryset = Metric.objects.select_related("datastore").defer("digest").alias(name_key=NAME_KEY)
    serializer_class = MetricSerializer
    filterset_class = MetricFilterSet

    @extend_schema(
        summary="Get the points of a metric",
        description="Without parameters the last 24 hours as received. Long ranges are rolled up; `resolution` and `aggregation` say so.",
        parameters=[*RANGE, AGGREGATION],
        responses=TimeseriesSerializer,
        examples=[examples.TIMESERIES],
        filters=False,
    )
    def timeseries(self, request: Request, id: str) -> Response:
        metric, asked = self.get_object(), asked_of(request)
        series = series_of(metric, asked.window, aggregation=asked.aggregation)
        said = heading(metric, step_ms=series.step_ms, aggregation=asked.aggregation)
        columns: dict[str, Any] = {"timestamps": written(series.timestamps_ms, is_unix=asked.is_unix), "values": series.values}
        if series.step_ms is not None:
            columns |= {"minimum": series.minimum, "maximum": series.maximum}
        return Response(said | columns)

    @extend_schema(
        summary="Get what was and what is expected of a metric",
        description=(
            "The detector's verdict on each point: what it expected before the point came, the band around that, and the score. After the "
            "newest point come those that it expects, up to `horizon` seconds ahead, without a score. The band widens as it looks farther; "
            "while it is `learning` nothing is told of what is to come."
        ),
        parameters=[*RANGE, HORIZON],
        responses=ForecastSerializer,
        examples=[examples.FORECAST],
        filters=False,
    )
    def forecast(self, request: Request, id: str) -> Response:
        metric, asked = self.get_object(), asked_of(request)
        ahead = ahead_of(metric, horizon_s=asked.horizon_s, before_ms=asked.before_ms)
        band, step_ms = band_of(metric, asked.window, then=ahead.outlook)
        columns = {"expected": band.expected, "lower": band.lower, "upper": band.upper, "score": band.score}
        times = {"timestamps": written(band.timestamps_ms, is_unix=asked.is_unix)}
        known = {"last_at": moment_of(ahead.newest_ms, is_unix=asked.is_unix), "learning": ahead.is_learning}
        return Response(heading(metric, step_ms=step_ms, aggregation="mean") | known | times | columns)


def moment_of(at_ms: int | None, *, is_unix: bool) -> Any:
    """One time as `written` writes many; None for none."""
    return None if at_ms is None else written(np.array([at_ms]), is_unix=is_unix)[0]


def heading(metric: Metric, *, step_ms: int | None, aggregation: str) -> dict[str, Any]:
    """What the columns are of, and in which steps."""
    named = {"metric": {"id": metric.pk, "name": metric.name}}
    if step_ms is None:
        return named | {"resolution": metric.resolution_s, "aggregation": "raw"}
    return named | {"resolution": step_ms / 1000, "aggregation": aggregation}
