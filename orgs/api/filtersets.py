"""Filters and sorts of lists of secrets."""

from typing import ClassVar

import django_filters
from django.db.models import Q, QuerySet
from django.utils import timezone

from config.api.filters import ListFilter, StrictFilterSet, one_of
from orgs.models import StoredSecret


class SecretFilterSet(StrictFilterSet):
    search = django_filters.CharFilter(field_name="name", lookup_expr="icontains", help_text="Part of the name.")
    status = ListFilter(item=one_of(("active", "revoked", "expired")), method="in_status", help_text="Any of these states.")

    sorts: ClassVar = {"name": "name", "created": "created", "expires": "expires", "last_used": "last_used"}
    order: ClassVar = ("-created", "-pk")

    def in_status(self, queryset: QuerySet[StoredSecret], name: str, states: list[str]) -> QuerySet[StoredSecret]:
        now, wanted = timezone.now(), Q()
        ended = Q(expires__lte=now)
        meanings = {"active": Q(revoked=None) & ~ended, "revoked": ~Q(revoked=None), "expired": Q(revoked=None) & ended}
        for state in states:
            wanted |= meanings[state]
        return queryset.filter(wanted)
