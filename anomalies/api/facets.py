"""/api/anomalies/facets: the counts beside the list."""

from typing import Any, ClassVar, Final, cast

from django.http import QueryDict
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from anomalies.api.examples import FACETS as EXAMPLE
from anomalies.api.filtersets import AnomalyFilterSet
from anomalies.api.views import AnomalyListing
from anomalies.querysets import AnomalyQuerySet
from anomalies.services.facets import FACETS, Facet, count_facets
from config.api.filters import known_names, several_names

# Which parameters of the list are a facet's own.
OWN: Final = {
    "status": ("status", "archived"),
    "type": ("anomaly_type",),
    "datastore": ("datastore",),
    "container": ("container",),
    "rule": ("rule_type",),
    "tag": ("tag",),
    "assignee": ("assignee", "unassigned"),
}


class FacetValueSerializer(serializers.Serializer[Any]):
    value = serializers.CharField(help_text="What the filter takes.")
    name = serializers.CharField()
    count = serializers.IntegerField()
    capped = serializers.BooleanField(help_text="Whether there are more than `count`: counting stops at 10,000.")


class FacetSerializer(serializers.Serializer[Any]):
    values = FacetValueSerializer(many=True, help_text="The most frequent first, at most 100; chosen ones are among them.")
    more = serializers.BooleanField(help_text="Whether there are other values.")


class FacetSetSerializer(serializers.Serializer[Any]):
    status = FacetSerializer()
    type = FacetSerializer()
    datastore = FacetSerializer()
    container = FacetSerializer()
    rule = FacetSerializer()
    tag = FacetSerializer()
    assignee = FacetSerializer(help_text="With the value `none` for anomalies of nobody.")


class FacetsSerializer(serializers.Serializer[Any]):
    total = serializers.IntegerField(help_text="Anomalies that match the whole filter.")
    capped = serializers.BooleanField(help_text="Whether there are more than `total`.")
    incomplete = serializers.BooleanField(help_text="Whether only 50,000 anomalies were looked at: then all counts are lower bounds.")
    facets = FacetSetSerializer()


def chosen_in(params: QueryDict) -> dict[str, list[str]]:
    """By facet, the values that its own filter names."""
    return {facet: [part for text in params.getlist(names[0]) for part in text.split(",")] for facet, names in OWN.items()}


def without(params: QueryDict, facet: str) -> QueryDict:
    """The filter without the facet's own; without its own, the status lets archived ones in."""
    rest = params.copy()
    for name in OWN[facet]:
        rest.pop(name, None)
    if facet == "status":
        rest["archived"] = "include"
    return rest


class FacetViewSet(AnomalyListing):
    operations: ClassVar = {"facets": "anomaly.read"}
    parameters: ClassVar = {"facets": tuple(known_names(AnomalyFilterSet))}
    several: ClassVar = several_names(AnomalyFilterSet)

    @extend_schema(
        summary="Count anomalies by status, type, datastore, container, rule, tag and assignee",
        description=(
            "Takes the filters of the list. Each facet is counted without its own filter: with `status=Active` the other states keep "
            "their counts. Sorts, `page` and `size` are accepted and change nothing."
        ),
        responses=FacetsSerializer,
        examples=[EXAMPLE],
        filters=True,
    )
    def facets(self, request: Request) -> Response:
        whole = cast("AnomalyQuerySet", self.filter_queryset(self.get_queryset()))
        sets = {facet: self._set_of(without(request.query_params, facet)) for facet in FACETS}
        found = count_facets(sets, whole, chosen=chosen_in(request.query_params))
        return Response(
            {
                "total": found.total,
                "capped": found.is_capped,
                "incomplete": found.is_incomplete,
                "facets": {name: shown(facet) for name, facet in found.by_name.items()},
            }
        )

    def _set_of(self, params: QueryDict) -> AnomalyQuerySet:
        narrowed: AnomalyQuerySet = AnomalyFilterSet(params, queryset=self.get_queryset(), request=self.request).qs
        return narrowed


def shown(facet: Facet) -> dict[str, Any]:
    values = [{"value": one.value, "name": one.name, "count": one.count, "capped": one.is_capped} for one in facet.values]
    return {"values": values, "more": facet.has_more}
