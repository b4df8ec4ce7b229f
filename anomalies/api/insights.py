"""/api/insights: how anomalies come and go."""

from datetime import datetime, timedelta
from typing import Any, ClassVar, Final, cast

from django.utils import timezone
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from anomalies.api.filtersets import RelatedFilterSet, TimeframeField, TimeframeFilter
from anomalies.api.views import AnomalyListing
from anomalies.querysets import AnomalyQuerySet
from anomalies.services.insights import HANDFUL, SOURCES_SHOWN, STATUSES, TYPES, Insights, Lasting, Order, first_moment, insights
from config.api.fields import MomentField
from config.api.filters import PAGING, StrictFilterBackend, WordFilter, one_of, several_names
from orgs.errors import FieldError, Invalid

MOST_DAYS: Final = 366
USUAL: Final = "month"
ORDERS: Final = {"asc": Order.NOISY, "desc": Order.WORTHY}
EXAMPLE: Final = OpenApiExample(
    "A day",
    value={
        "start": "2026-05-15T00:00:00.000Z",
        "end": "2026-05-15T17:22:08.000Z",
        "total": 12,
        "by_type": {"metric": 9, "record": 3, "shape": 0},
        "by_status": {"Active": 4, "Acknowledged": 3, "Resolved": 3, "Duplicate": 0, "Invalid": 2, "Discarded": 0},
        "days": [
            {
                "date": "2026-05-15",
                "total": 12,
                "by_type": {"metric": 9, "record": 3, "shape": 0},
                "by_status": {"Active": 4, "Acknowledged": 3, "Resolved": 3, "Duplicate": 0, "Invalid": 2, "Discarded": 0},
            }
        ],
        "time_to_acknowledge": {"count": 8, "mean_s": 1260.5, "median_s": 540.0},
        "time_to_resolve": {"count": 3, "mean_s": 9400.0, "median_s": 8100.0},
        "precision": [
            {"kind": "series", "id": 3, "name": "checkout.latency", "total": 9, "useful": 7, "invalid": 2, "precision": 0.7778},
            {
                "kind": "check",
                "id": 778,
                "name": "notNull of customer_id in orders",
                "total": 3,
                "useful": 3,
                "invalid": 0,
                "precision": 1.0,
            },
        ],
    },
    response_only=True,
)


class CountsByTypeSerializer(serializers.Serializer[Any]):
    """A number for each type."""

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        return {name: serializers.IntegerField() for name in TYPES}


class CountsByStatusSerializer(serializers.Serializer[Any]):
    """A number for each status."""

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        return {name: serializers.IntegerField() for name in STATUSES}


class DaySerializer(serializers.Serializer[Any]):
    date = serializers.DateField(help_text="A UTC day.")
    total = serializers.IntegerField()
    by_type = CountsByTypeSerializer()
    by_status = CountsByStatusSerializer()


class LastingSerializer(serializers.Serializer[Any]):
    count = serializers.IntegerField(help_text="Over how many anomalies.")
    mean_s = serializers.FloatField(allow_null=True, help_text="Seconds; null without any.")
    median_s = serializers.FloatField(allow_null=True)


class PrecisionSerializer(serializers.Serializer[Any]):
    kind = serializers.CharField(
        help_text="detector (the strongest of a metric anomaly), rule (of a failed check), check (the quality check itself) or series."
    )
    id = serializers.IntegerField(
        allow_null=True, help_text="Of a check or series, as the filters `quality_check` and `metric` take it; null for the others."
    )
    name = serializers.CharField(help_text="Of a check: its rule, fields and table, as in the latest anomaly that it found.")
    total = serializers.IntegerField(help_text="Anomalies that it found.")
    useful = serializers.IntegerField(help_text="Those that were not archived as Invalid.")
    invalid = serializers.IntegerField()
    precision = serializers.FloatField(help_text="useful / total, 0 to 1.")


class InsightsSerializer(serializers.Serializer[Any]):
    start = MomentField(help_text="The beginning of the first day.")
    end = MomentField()
    total = serializers.IntegerField(help_text="Anomalies detected from `start` to `end`, without those found in imported history.")
    by_type = CountsByTypeSerializer()
    by_status = CountsByStatusSerializer()
    days = DaySerializer(many=True, help_text="Every UTC day, by type and by the status that the anomalies have now.")
    time_to_acknowledge = LastingSerializer(help_text="From detection to the first step of a person out of Active.")
    time_to_resolve = LastingSerializer(help_text="From detection to the last time it was archived as Resolved, if it still is.")
    precision = PrecisionSerializer(many=True, help_text=f"The most frequent first, at most {SOURCES_SHOWN} of each kind.")


class InsightFilterSet(RelatedFilterSet):
    timeframe = TimeframeFilter(
        method="unfiltered", help_text="week, month (without it), quarter, year or a number of days up to 366, today the last of them."
    )
    sort_precision = WordFilter(
        method="unfiltered",
        item=one_of(ORDERS),
        help_text=f"asc: the noisiest first, desc: the most useful. What found fewer than {HANDFUL} anomalies comes last.",
    )

    def unfiltered(self, queryset: AnomalyQuerySet, name: str, value: timedelta | str) -> AnomalyQuerySet:
        return queryset


NAMES: Final = tuple(sorted(set(InsightFilterSet.base_filters) - PAGING))


class InsightFilterBackend(StrictFilterBackend):
    """Filters alone: no list of anomalies is sorted here."""

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        return [parameter for parameter in super().get_schema_operation_parameters(view) if parameter["name"] in NAMES]


class InsightViewSet(AnomalyListing):
    resource: ClassVar = "insights"
    operations: ClassVar = {"insights": "insight.read"}
    parameters: ClassVar = {"insights": NAMES}
    several: ClassVar = several_names(InsightFilterSet)
    filterset_class = InsightFilterSet
    filter_backends = (InsightFilterBackend,)

    @extend_schema(
        summary="How anomalies come and go",
        description=(
            "Of the anomalies that were detected within the timeframe, archived ones among them: how many there were on each day, how long "
            "people took to acknowledge and to resolve them, and how many of what each detector, rule, check and series found was worth "
            "it. Takes the other filters of the list as well."
        ),
        responses=InsightsSerializer,
        examples=[EXAMPLE],
        filters=True,
    )
    def insights(self, request: Request) -> Response:
        found = cast("AnomalyQuerySet", self.filter_queryset(self.get_queryset()))
        params, now = request.query_params, timezone.now()
        order = ORDERS.get(params.get("sort_precision", ""), Order.FREQUENT)
        return Response(shown(insights(found, start=start_of(params.get("timeframe") or USUAL, now), end=now, order=order)))


def start_of(timeframe: str, now: datetime) -> datetime:
    """The beginning of the first of so many UTC days, of which this one is the last. Raises Invalid for too many."""
    length = TimeframeField().clean(timeframe) or timedelta(days=1)
    if length.days > MOST_DAYS:
        error = FieldError(("query", "timeframe"), "out_of_range", f"At most {MOST_DAYS} days.")
        raise Invalid("There is no such timeframe here.", errors=[error])
    return first_moment(length.days, now=now)


def shown(found: Insights) -> dict[str, Any]:
    return {
        "start": found.start,
        "end": found.end,
        "total": found.total,
        "by_type": found.by_type,
        "by_status": found.by_status,
        "days": [
            {"date": day.date.isoformat(), "total": day.total, "by_type": day.by_type, "by_status": day.by_status} for day in found.days
        ],
        "time_to_acknowledge": lasting(found.to_acknowledge),
        "time_to_resolve": lasting(found.to_resolve),
        "precision": [
            {
                "kind": one.kind,
                "id": one.id,
                "name": one.name,
                "total": one.total,
                "useful": one.useful,
                "invalid": one.invalid,
                "precision": round(one.precision, 4),
            }
            for one in found.sources
        ],
    }


def lasting(found: Lasting) -> dict[str, Any]:
    return {"count": found.count, "mean_s": found.mean_s, "median_s": found.median_s}
