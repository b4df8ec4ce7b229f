"""Which anomalies a list shows: read from the address, written back to it, and the neighbours of one in it.

The address takes the filters and sorts of `/api/anomalies` by the same names, so that a list, its counts, its file and a change of all that
it finds are always the same set.
"""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Final, Self

from django.db.models import Q, QuerySet
from django.http import HttpRequest, QueryDict

from accounts.models import Level, User
from anomalies.api.filtersets import AnomalyFilterSet
from anomalies.conditions import once
from anomalies.models import Anomaly
from anomalies.pages.access import reach_of
from anomalies.querysets import AnomalyQuerySet
from anomalies.state_counts import latest
from config.api.filters import SORT, ListFilter, form_errors, sorted_by
from config.api.pagination import COUNT_CAP

PAGE_SIZE: Final = 25
SIZES: Final = (10, 25, 50, 100)
MAX_PAGE: Final = 100_000
# Counts beside other things stop here, those of a list where the API's do: beyond it the exact number helps nobody and costs a scan.
CAP: Final = 1000
LIST_CAP: Final = COUNT_CAP
SEARCH_LIMIT: Final = 200
# The beginning of a span that ends now is as old as this, at most.
ROLLING_S: Final = 10
# What the API's default order says too: newest, then heaviest, then latest id.
ORDER: Final = AnomalyFilterSet.order
# What stands for "no filter at all" in an address: an empty one begins with the person's default view.
ALL: Final = "all"
# Tombstones have nothing to show in a list of things to do.
NOT_HERE: Final = frozenset({"include_deleted"})
FILTERS: Final = tuple(name for name in AnomalyFilterSet.base_filters if name not in NOT_HERE)
SORTS: Final = tuple(SORT + name for name in AnomalyFilterSet.sorts)

Pairs = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Wrong:
    """A parameter that the list cannot follow, and why."""

    name: str
    why: str


@dataclass(frozen=True)
class Listing:
    """The state of a list, all of it in the address. With something `wrong` in it, it shows nothing: not more than was asked for."""

    filters: Pairs = ()
    sorts: Pairs = ()
    page: int = 1
    size: int = PAGE_SIZE
    wrong: tuple[Wrong, ...] = ()

    @classmethod
    def read(cls, params: QueryDict) -> Self:
        """From the filters and sorts of the API's list, `page` and `size`."""
        asked = tuple((name, value) for name in FILTERS if name in params for value in values_of(name, params))
        sorts = tuple((name, params.get(name, "")) for name in params if name in SORTS)
        wrong = {error.name: error for error in wrong_in(asked, sorts, params)}
        return cls(
            filters=tuple(pair for pair in asked if pair[0] not in wrong),
            sorts=tuple(pair for pair in sorts if pair[0] not in wrong),
            page=page_number(params),
            size=size if (size := whole(params.get("size", ""))) in SIZES else PAGE_SIZE,
            wrong=tuple(wrong.values()),
        )

    def address(self, *, page: int | None = None) -> str:
        """The query string that `read` reads, without "?" and without what was wrong; without a page unless one is given."""
        params = self.query
        for name, value in self.sorts:
            params[name] = value
        if self.size != PAGE_SIZE:
            params["size"] = str(self.size)
        if page and page > 1:
            params["page"] = str(page)
        return params.urlencode() or ALL

    @property
    def query(self) -> QueryDict:
        """The filters alone, as the API takes them."""
        params = QueryDict(mutable=True)
        for name, value in self.filters:
            params.appendlist(name, value)
        return params

    @property
    def words(self) -> tuple[object, ...]:
        """What names the list, whichever page of it is shown; one of a span of time is another list a little later."""
        clock = time.time() // ROLLING_S if self.value("timeframe") else 0
        return ("inbox", self.filters, self.sorts, self.wrong, clock)

    @property
    def export(self) -> str:
        """Filters and sorts as the API takes them; empty for a list of everything open."""
        return replace(self, size=PAGE_SIZE).address() if self.filters or self.sorts else ""

    @property
    def search(self) -> str:
        return self.value("search")

    def values(self, name: str) -> tuple[str, ...]:
        return tuple(value for key, value in self.filters if key == name)

    def value(self, name: str) -> str:
        return next(iter(self.values(name)), "")

    def having(self, **changes: Iterable[str]) -> Self:
        """The first page of the list with these filters instead of its own of the same names."""
        kept = [pair for pair in self.filters if pair[0] not in changes]
        new = [(name, value) for name, values in changes.items() for value in values]
        return replace(self, filters=tuple(sorted(kept + new, key=lambda pair: FILTERS.index(pair[0]))), page=1)

    def matching(self, user: User) -> AnomalyQuerySet:
        """What the user may see and the list shows, in its order. A page asks several things of it: it is made once for the user."""
        return once(user, self, lambda: self._made(user)).all()

    def _made(self, user: User) -> AnomalyQuerySet:
        visible = visible_to(user)
        if self.wrong:
            return visible.none()
        params = QueryDict(mutable=True)
        for name, value in self.sorts:
            params[name] = value
        found: AnomalyQuerySet = sorted_by(filtered(visible, self.query, user), AnomalyFilterSet, params)  # type: ignore[assignment]  # sorting keeps the class
        return found


def values_of(name: str, params: QueryDict) -> list[str]:
    """What an address says for one filter: each value once, in one order, whichever way they were written."""
    if not isinstance(AnomalyFilterSet.base_filters[name], ListFilter):
        return [text] if (text := params.get(name, "").strip()[:SEARCH_LIMIT]) else []
    return sorted({part for text in params.getlist(name) for value in text.split(",") if (part := value.strip())})


def wrong_in(filters: Pairs, sorts: Pairs, params: QueryDict) -> Iterator[Wrong]:
    """Names that the list does not know, and values that do not do."""
    for name in params:
        if name not in (*FILTERS, *SORTS, ALL, "page", "size"):
            yield Wrong(name, "There is no such filter.")
    for error in form_errors(AnomalyFilterSet(Listing(filters=filters).query, queryset=Anomaly.objects.none()).form):
        yield Wrong(str(error.loc[1]), error.msg)
    for name, value in sorts:
        if value not in ("asc", "desc"):
            yield Wrong(name, "Say asc or desc.")


def visible_to(user: User) -> AnomalyQuerySet:
    """All that the user may see. Half a dozen parts of a page begin with it: it is made once for the user."""
    return once(user, "visible", lambda: Anomaly.objects.for_org(user.org_id).standing_in(reach_of(user, Level.REPORTER))).all()


def filtered(rows: AnomalyQuerySet, params: QueryDict, user: User) -> AnomalyQuerySet:
    """The rows as the API's list filters them, for parameters that `Listing.read` has looked at."""
    request = once(user, "request", lambda: request_of(user))
    found: AnomalyQuerySet = AnomalyFilterSet(params, queryset=rows, request=request).qs
    return found


def request_of(user: User) -> HttpRequest:
    """What a filter set asks for: whose list it is. All lists of a page share one, in which what they look up is kept."""
    request = HttpRequest()
    request.user = user
    return request


def whole(text: str) -> int:
    """The number, or 0 for what is no id."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0


def page_number(params: QueryDict) -> int:
    """Which page an address asks for, from 1; the first where it names none."""
    return max(1, min(whole(params.get("page", "")), MAX_PAGE))


def capped_count(rows: "QuerySet[Any]", *, cap: int = CAP) -> int:
    """How many rows, counted up to one more than `cap`."""
    return int(rows.order_by()[: cap + 1].count())


def in_words(count: int, *, cap: int = CAP) -> str:
    """A count by `capped_count`."""
    return f"{cap:,}+" if count > cap else f"{count:,}"


def newest_of(user: User) -> int:
    """The id of the newest anomaly that the user can see, 0 for none: what "new" is counted from."""
    return latest(visible_to(user))


@dataclass(frozen=True)
class Neighbours:
    """Where one anomaly stands in a list: the ids before and after it, and its place from 1 (None when it is not in the list)."""

    before: int | None
    after: int | None
    place: int | None
    total: int


def neighbours(listing: Listing, user: User, anomaly: Anomaly) -> Neighbours:
    """A few cheap queries; in a list that is sorted otherwise, only among its first LIST_CAP. Places and totals stop at their caps."""
    rows = listing.matching(user)
    if listing.sorts:
        return _among(list(rows.values_list("pk", flat=True)[: LIST_CAP + 1]), anomaly.pk)
    above = rows.filter(_beyond("gt", anomaly))
    below = rows.filter(_beyond("lt", anomaly))
    ahead = capped_count(above)
    return Neighbours(
        before=above.reverse().values_list("pk", flat=True).first(),
        after=below.values_list("pk", flat=True).first(),
        place=ahead + 1 if ahead <= CAP and rows.filter(pk=anomaly.pk).exists() else None,
        total=capped_count(rows),
    )


def _among(ids: list[int], pk: int) -> Neighbours:
    if pk not in ids:
        return Neighbours(None, None, None, len(ids))
    at = ids.index(pk)
    return Neighbours(ids[at - 1] if at else None, ids[at + 1] if at + 1 < len(ids) else None, at + 1, len(ids))


def _beyond(side: str, row: Anomaly) -> Q:
    """Rows on one side of a row in ORDER. The first condition says no more than the others do, but an index understands it."""
    newer = Q((f"created__{side}", row.created))
    heavier = Q(created=row.created) & Q((f"weight__{side}", row.weight))
    later = Q(created=row.created, weight=row.weight) & Q((f"pk__{side}", row.pk))
    return Q((f"created__{side}e", row.created)) & (newer | heavier | later)
