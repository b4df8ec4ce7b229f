"""The quota of an org: which series count, and taking some out. A series counts until it is removed, also when nothing arrives any more."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from django.db import transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Left

from billing.usage import used_now
from metrics.models import Metric, name_digest
from metrics.search import named
from orgs.events import record_event
from orgs.models import Event, Org

MOST_AT_ONCE: Final = 5_000


@dataclass(frozen=True)
class Quota:
    """How many series may exist and do."""

    limit: int
    used: int

    @property
    def remaining(self) -> int:
        return max(0, self.limit - self.used)


@dataclass(frozen=True)
class Removal:
    """Which series went or would go, by name, sorted; `more` whether others fit that the next removal takes."""

    names: list[str]
    more: bool


def quota_of(org: Org) -> Quota:
    return Quota(org.metric_limit, used_now(org))


def counting(org: Org, *, search: str = "") -> QuerySet[Metric]:
    """The series that count, by name; those whose name holds `search`."""
    found = Metric.objects.for_org(org).defer("digest", "labels")
    return (found.filter(named(search, org_id=org.pk)) if search else found).order_by(Left("name", 200), "pk")


def remove(
    org: Org, *, names: Sequence[str] = (), patterns: Sequence[str] = (), ids: Sequence[int] = (), dry_run: bool, actor_id: int | None
) -> Removal:
    """Removes series with their anomalies, at most MOST_AT_ONCE; a dry run only tells which.

    Their points can be read no more at once, and go with the chunks of their days, when the org's retention ends.
    In a pattern `*` stands for any characters and `?` for one; it has to fit the whole name.
    """
    wanted = Q(digest__in=[name_digest(name) for name in names]) | Q(pk__in=ids)
    for pattern in patterns:
        wanted |= Q(name__regex=as_regex(pattern))
    rows = list(Metric.objects.for_org(org).filter(wanted).order_by("pk").values_list("pk", "name")[: MOST_AT_ONCE + 1])
    found = dict(rows[:MOST_AT_ONCE])
    if found and not dry_run:
        _delete(org, found, actor_id=actor_id)
    return Removal(sorted(found.values()), len(rows) > len(found))


def as_regex(pattern: str) -> str:
    """The pattern as a regular expression without anything that could run long: PostgreSQL matches these in linear time."""
    pieces = re.split(r"([*?])", pattern)
    return "^" + "".join({"*": ".*", "?": "."}.get(piece) or re.sub(r"([^\w])", r"\\\1", piece) for piece in pieces) + "$"


@transaction.atomic
def _delete(org: Org, found: dict[int, str], *, actor_id: int | None) -> None:
    Metric.objects.for_org(org).filter(pk__in=list(found)).delete()
    name = f"{len(found)} metrics were removed" if len(found) > 1 else f"The metric {next(iter(found.values()))[:150]} was removed"
    record_event(org.pk, type=Event.Type.SETTINGS, name=name, user_id=actor_id)
