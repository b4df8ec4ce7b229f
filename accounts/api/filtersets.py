"""Filters and sorts of the lists of people, service accounts and tokens."""

from typing import ClassVar

import django_filters
from django.db.models import Q, QuerySet

from accounts.models import Role, Team, User
from config.api.filters import ListFilter, StrictFilterSet, TrueFalseFilter, one_of, whole_number
from orgs.api.filtersets import SecretFilterSet


class MemberFilterSet(StrictFilterSet):
    role = ListFilter(item=one_of(Role.values), help_text="Any of these roles.")
    is_active = TrueFalseFilter(help_text="Only those who may come in, or only those who may not.")
    team = ListFilter(item=whole_number, method="in_team", help_text="Ids of teams; everybody is in the Public team.")

    def in_team(self, queryset: QuerySet[User], name: str, teams: list[int]) -> QuerySet[User]:
        if not teams or Team.objects.filter(pk__in=teams, is_public=True, org__in=queryset.values("org")).exists():
            return queryset
        return queryset.filter(pk__in=User.objects.filter(teams__in=teams).values("pk"))


class UserFilterSet(MemberFilterSet):
    search = django_filters.CharFilter(method="with_words", help_text="Part of the name or the e-mail address.")

    sorts: ClassVar = {"name": "name", "email": "email", "created": "created", "last_login": "last_login"}
    order: ClassVar = ("name", "pk")

    def with_words(self, queryset: QuerySet[User], name: str, words: str) -> QuerySet[User]:
        return queryset.filter(Q(name__icontains=words) | Q(email__icontains=words))


class ServiceAccountFilterSet(MemberFilterSet):
    search = django_filters.CharFilter(field_name="name", lookup_expr="icontains", help_text="Part of the name.")

    sorts: ClassVar = {"name": "name", "created": "created", "last_used": "last_used"}
    order: ClassVar = ("name", "pk")


class TokenFilterSet(SecretFilterSet):
    user = ListFilter(item=whole_number, help_text="Ids of the people or service accounts that the tokens act as.")

    order: ClassVar = ("-created", "-pk")
