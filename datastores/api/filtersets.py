"""Filters and sorts of the lists of datastores and operations."""

from typing import ClassVar

import django_filters

from config.api.filters import ListFilter, StrictFilterSet, one_of, whole_number
from datastores.models import Datastore, Operation


class DatastoreFilterSet(StrictFilterSet):
    search = django_filters.CharFilter(field_name="name", lookup_expr="icontains", help_text="Part of the name.")
    type = ListFilter(item=one_of(Datastore.Type.values), help_text="Any of these types.")

    sorts: ClassVar = {"name": "name", "created": "created"}
    order: ClassVar = ("name", "pk")


class OperationFilterSet(StrictFilterSet):
    status = ListFilter(item=one_of(Operation.Status.values), help_text="Any of these states.")
    type = ListFilter("kind", item=one_of(Operation.Kind.values), help_text="Any of these types.")
    datastore = ListFilter(item=whole_number, help_text="Ids of datastores.")

    sorts: ClassVar = {"created": "created", "id": "pk"}
    order: ClassVar = ("-created", "-pk")
