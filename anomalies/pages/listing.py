"""Which anomalies a list shows: read from the address, written back to it, and the neighbours of one in it."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, Self

from django.db.models import Count, Q, QuerySet, Subquery
from django.http import QueryDict

from accounts.models import User
from anomalies.models import Anomaly
from anomalies.querysets import AnomalyQuerySet

PAGE_SIZE: Final = 25
# Counts stop here: beyond it the exact number helps nobody and costs a scan.
CAP: Final = 1000
# What the API's default order says too: newest, then heaviest, then latest id.
ORDER: Final = ("-created", "-weight", "-pk")


class Tab(StrEnum):
    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    ARCHIVED = "archived"


TABS: Final[Mapping[str, Tab]] = {tab.value: tab for tab in Tab}
STATUSES: Final[Mapping[Tab, tuple[str, ...]]] = {
    Tab.OPEN: tuple(Anomaly.OPEN),
    Tab.ACKNOWLEDGED: (Anomaly.Status.ACKNOWLEDGED,),
    Tab.ARCHIVED: tuple(Anomaly.ARCHIVED),
}


@dataclass(frozen=True)
class Listing:
    """The state of a list, all of it in the address. What an address says wrongly is left out rather than refused."""

    tab: Tab = Tab.OPEN
    types: tuple[str, ...] = ()
    datastores: tuple[int, ...] = ()
    metric: int | None = None
    search: str = ""
    page: int = 1

    @classmethod
    def read(cls, params: QueryDict) -> Self:
        """From the parameters `tab`, `type`, `datastore`, `metric`, `search`, `page`; the first three repeatable."""
        return cls(
            tab=TABS.get(params.get("tab", ""), Tab.OPEN),
            types=tuple(sorted({name for name in params.getlist("type") if name in Anomaly.Type.values})),
            datastores=tuple(sorted({number for text in params.getlist("datastore") if (number := whole(text))})),
            metric=whole(params.get("metric", "")) or None,
            search=params.get("search", "").strip()[:200].replace("\x00", ""),
            page=max(1, min(whole(params.get("page", "")) or 1, 10_000)),
        )

    def address(self, *, page: int | None = None) -> str:
        """The query string that `read` reads, without "?"; without a page unless one is given."""
        params = QueryDict(mutable=True)
        if self.tab is not Tab.OPEN:
            params["tab"] = self.tab
        params.setlist("type", list(self.types))
        params.setlist("datastore", [str(number) for number in self.datastores])
        named = {"metric": self.metric, "search": self.search, "page": page if page and page > 1 else None}
        for name, value in named.items():
            if value:
                params[name] = str(value)
        return params.urlencode()

    @property
    def is_filtered(self) -> bool:
        return bool(self.types or self.datastores or self.metric or self.search)

    def matching(self, user: User, *, facets: bool = True) -> AnomalyQuerySet:
        """What the user may see and the list shows, in its order; without `facets`, what its tab and search alone would show."""
        found = Anomaly.objects.visible_to(user).filter(status__in=STATUSES[self.tab]).filter(*searched(self.search))
        if self.metric:
            found = found.filter(metric=self.metric)
        if facets and self.types:
            found = found.filter(type__in=self.types)
        if facets and self.datastores:
            found = found.filter(datastore__in=self.datastores)
        return found.order_by(*ORDER)


def whole(text: str) -> int:
    """The number, or 0 for what is no id."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0


def searched(text: str) -> tuple[Q, ...]:
    """The condition for a search in message, series name, id and UUID; none for no text."""
    if not text:
        return ()
    condition = Q(message__icontains=text) | Q(metric__name__icontains=text)
    if number := whole(text.removeprefix("#")):
        condition |= Q(pk=number)
    try:
        condition |= Q(uuid=uuid.UUID(text))
    except ValueError:
        return (condition,)
    return (condition,)


def capped_count(rows: "QuerySet[Any]") -> int:
    """How many rows, counted up to CAP + 1 of them."""
    return int(rows.order_by()[: CAP + 1].count())


def in_words(count: int) -> str:
    """A count by `capped_count`."""
    return f"{CAP:,}+" if count > CAP else f"{count:,}"


def newest_of(user: User) -> int:
    """The id of the newest anomaly that the user can see, 0 for none: what "new" is counted from."""
    return Anomaly.objects.visible_to(user).order_by("-pk").values_list("pk", flat=True).first() or 0


@dataclass(frozen=True)
class FacetCounts:
    """How many of the newest rows have which type and lie in which datastore."""

    types: Mapping[str, int]
    datastores: Mapping[int, int]


def facet_counts(listing: Listing, user: User) -> FacetCounts:
    """One query over at most CAP + 1 rows that the tab and the search show."""
    newest = listing.matching(user, facets=False).values("pk")[: CAP + 1]
    groups = Anomaly.objects.for_org(user.org_id).filter(pk__in=Subquery(newest)).order_by()
    types: dict[str, int] = {}
    datastores: dict[int, int] = {}
    for kind, datastore, count in groups.values_list("type", "datastore_id").annotate(count=Count("pk")):
        types[kind] = types.get(kind, 0) + count
        datastores[datastore] = datastores.get(datastore, 0) + count
    return FacetCounts(types, datastores)


@dataclass(frozen=True)
class Neighbours:
    """Where one anomaly stands in a list: the ids before and after it, and its place from 1 (None when it is not in the list)."""

    before: int | None
    after: int | None
    place: int | None
    total: int


def neighbours(listing: Listing, user: User, anomaly: Anomaly) -> Neighbours:
    """Four cheap queries; places and totals stop at CAP + 1."""
    rows = listing.matching(user)
    above = rows.filter(_beyond("gt", anomaly))
    below = rows.filter(_beyond("lt", anomaly))
    ahead = capped_count(above)
    return Neighbours(
        before=above.reverse().values_list("pk", flat=True).first(),
        after=below.values_list("pk", flat=True).first(),
        place=ahead + 1 if ahead <= CAP and anomaly.status in STATUSES[listing.tab] else None,
        total=capped_count(rows),
    )


def _beyond(side: str, row: Anomaly) -> Q:
    """Rows on one side of a row in ORDER. The first condition says no more than the others do, but an index understands it."""
    newer = Q((f"created__{side}", row.created))
    heavier = Q(created=row.created) & Q((f"weight__{side}", row.weight))
    later = Q(created=row.created, weight=row.weight) & Q((f"pk__{side}", row.pk))
    return Q((f"created__{side}e", row.created)) & (newer | heavier | later)
