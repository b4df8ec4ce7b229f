"""Filters and sorts of the list of metrics."""

from typing import ClassVar

import django_filters

from config.api.filters import ListFilter, StrictFilterSet, TrueFalseFilter, one_of, whole_number, words
from metrics.models import Metric
from metrics.querysets import MetricQuerySet
from metrics.search import named


class MetricFilterSet(StrictFilterSet):
    search = django_filters.CharFilter(method="searched", help_text="Part of the name.")
    name = ListFilter(item=words, help_text="Whole names, without commas.")
    state = ListFilter(item=one_of(Metric.State.values), help_text="learning or active.")
    stale = TrueFalseFilter(field_name="is_stale", help_text="Whether it has fallen silent.")
    kind = ListFilter(item=one_of(Metric.Kind.values), help_text="What it was recognised as.")
    datastore = ListFilter(item=whole_number, help_text="Ids of datastores.")

    sorts: ClassVar = {"name": "name_key", "created": "created", "last_at": "last_at", "id": "pk"}
    order: ClassVar = ("name_key", "pk")

    def searched(self, queryset: MetricQuerySet, name: str, value: str) -> MetricQuerySet:
        return queryset.filter(named(value, org_id=self.request.user.org_id))
