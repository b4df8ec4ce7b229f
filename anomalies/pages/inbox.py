"""The inbox: what waits for somebody, with the evidence beside it, and the first step of triage."""

from dataclasses import dataclass
from typing import Final

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET

from accounts.models import Level, User
from accounts.pages.readers import is_htmx, reader, wants_part
from anomalies import kept_lists
from anomalies.conditions import among
from anomalies.models import Anomaly
from anomalies.pages.access import allowed_datastores, anomaly_for
from anomalies.pages.columns import COLUMNS, columns_of
from anomalies.pages.evidence import sparks
from anomalies.pages.listing import FILTERS, LIST_CAP, SORTS, Listing, capped_count, in_words, whole
from anomalies.pages.rows import Row, rows_of
from anomalies.pages.sidebar import AT_ONCE, Sidebar, group_of, larger_panel, sidebar_of
from anomalies.pages.views_menu import start_of, views_menu
from anomalies.services.facets import LOOKED_AT
from config.api.filters import SORT
from config.database.prepared import Query
from metrics.models import Metric

SORT_WORDS: Final = {
    "": "Newest first", "sort_created=asc": "Oldest first", "sort_weight=desc": "Heaviest first", "sort_weight=asc": "Lightest first",
    "sort_score=desc": "Highest score first", "sort_anomalous_records_count=desc": "Most records first",
    "sort_started_at=desc": "Began last", "sort_id=desc": "Highest number first", "sort_id=asc": "Lowest number first",
}  # fmt: skip
_ROWS: Final[Query[Anomaly]] = Query(lambda ids: Anomaly.objects.filter(among(ids)).order_by().for_rows(), ids=[30_059, 30_061])


@dataclass(frozen=True)
class Heading:
    """A column's name; `address` sorts by it, `direction` is how it is sorted now ("ascending", "descending", empty)."""

    name: str
    address: str
    direction: str


@dataclass(frozen=True)
class Page:
    """One page of the list and what stands around it. `beyond` is the address of the last page, when this one lies behind it."""

    listing: Listing
    group: str
    sidebar: Sidebar
    columns: tuple[str, ...]
    headings: dict[str, Heading]
    rows: tuple[Row, ...]
    first: int
    last: int
    pages: int
    beyond: str
    before: str
    after: str
    may_change: bool
    has_metrics: bool
    known: tuple[str, ...]

    @property
    def here(self) -> str:
        """The address of this very page."""
        return self.listing.address(page=self.listing.page)

    @property
    def hidden(self) -> tuple[tuple[str, str], ...]:
        """What the form of the filters keeps and shows no field for."""
        fields = {"search", "timeframe", *(choice.name for box in self.sidebar.facets for choice in box.choices)}
        return (*((name, value) for name, value in self.listing.filters if name not in fields), *self.listing.sorts)

    @property
    def every_column(self) -> tuple[tuple[str, str], ...]:
        return tuple(COLUMNS.items())


@require_GET
def inbox(request: HttpRequest) -> HttpResponse:
    """The list; only its changing part when htmx asks. Without any parameter it begins with the person's default view."""
    user = reader(request)
    is_part = wants_part(request)
    if not request.GET and not is_part and (start := start_of(user)):
        return HttpResponseRedirect(f"{reverse('inbox')}?{start}")
    listing = Listing.read(request.GET)
    response = answer(request, user, listing, is_part=is_part, look_at=AT_ONCE)
    if request.headers.get("HX-Trigger") == "filters":
        response["HX-Push-Url"] = f"{reverse('inbox')}?{listing.address(page=listing.page)}"
    return response


@require_GET
def facets(request: HttpRequest) -> HttpResponse:
    """The facets of a long list, counted among more than there was time for; the whole page with them when it is not htmx that asks."""
    user, listing = reader(request), Listing.read(request.GET)
    if not is_htmx(request):
        return answer(request, user, listing, is_part=False, look_at=LOOKED_AT)
    response = render(request, "anomalies/_panel.html", {"panel": larger_panel(listing, user)})
    response["Vary"] = "HX-Request"
    return response


def answer(request: HttpRequest, user: User, listing: Listing, *, is_part: bool, look_at: int) -> HttpResponse:
    page = inbox_shown(user, listing, look_at=look_at)
    context = {"page": page, "part": is_part, "sorts": sorts_of(listing), "views": views_menu(user, listing)}
    response = render(request, "anomalies/_inbox.html" if is_part else "anomalies/inbox.html", context)
    response["Vary"] = "HX-Request"
    return response


def inbox_shown(user: User, listing: Listing, *, look_at: int) -> Page:
    """What the inbox shows this user; the number of queries does not grow with the rows."""
    start = (listing.page - 1) * listing.size
    ids, total = ids_of(user, listing, start)
    sidebar = sidebar_of(listing, user, total=total, look_at=look_at)
    shown = ids[: listing.size]
    allowed = allowed_datastores(user, "anomaly.update")
    rows = rows_of(whole_rows(shown), user, now=timezone.now(), allowed=allowed, list_address=listing.address(page=listing.page))
    pages = max(1, -(-min(sidebar.count, LIST_CAP) // listing.size))
    return Page(
        listing=listing,
        group=group_of(listing),
        sidebar=sidebar,
        columns=columns_of(user),
        headings=headings_of(listing),
        rows=rows,
        first=start + 1 if rows else 0,
        last=start + len(rows),
        pages=pages,
        beyond=listing.address(page=pages) if not rows and listing.page > 1 else "",
        before=listing.address(page=listing.page - 1) if listing.page > 1 and rows else "",
        after=listing.address(page=listing.page + 1) if len(ids) > listing.size else "",
        may_change=bool(allowed),
        has_metrics=bool(rows) or Metric.objects.visible_to(user).exists(),
        known=(*FILTERS, *SORTS) if listing.wrong else (),
    )


def ids_of(user: User, listing: Listing, start: int) -> tuple[list[int], int]:
    """The ids of a page from place `start` on, with the one after it, and how many the list has, up to one more than LIST_CAP."""
    asked, size = kept_lists.Asked(user, Level.REPORTER, listing.words), listing.size + 1
    if start + size > kept_lists.WHOLE:
        rows = listing.matching(user)
        return list(rows.values_list("pk", flat=True)[start : start + size]), capped_count(rows, cap=LIST_CAP)
    part = kept_lists.part_of(asked, lambda: listing.matching(user), start=start, size=size)
    return part.ids, min(part.found, LIST_CAP + 1)


def whole_rows(ids: list[int], *, seen_by: User | None = None) -> list[Anomaly]:
    """The rows with these ids, in their order: the ids come from an index, only the page's own rows are read whole.

    `seen_by` leaves out what this person does not see; None where that was looked at already.
    """
    if not ids:
        return []
    rows = _ROWS.all(ids=ids) if seen_by is None else Anomaly.objects.visible_to(seen_by).filter(pk__in=ids).for_rows()
    found = {row.pk: row for row in rows}
    return [found[pk] for pk in ids if pk in found]


def headings_of(listing: Listing) -> dict[str, Heading]:
    """The columns by which one can sort."""
    sorts = {"weight": "weight", "age": "created", "number": "id", "score": "score", "records": "anomalous_records_count"}
    return {column: heading_of(listing, name) for column, name in sorts.items()}


def heading_of(listing: Listing, name: str) -> Heading:
    """A second click turns the order round, a third is the usual order again."""
    now = dict(listing.sorts).get(SORT + name, "")
    following = {"": "desc", "desc": "asc", "asc": ""}[now]
    address = sorted_as(listing, ((SORT + name, following),) if following else ())
    return Heading(name, address, {"": "", "desc": "descending", "asc": "ascending"}[now])


def sorted_as(listing: Listing, sorts: tuple[tuple[str, str], ...]) -> str:
    return Listing(filters=listing.filters, sorts=sorts, size=listing.size).address()


@dataclass(frozen=True)
class SortChoice:
    label: str
    address: str
    current: bool


def sorts_of(listing: Listing) -> tuple[SortChoice, ...]:
    now = "&".join(f"{name}={value}" for name, value in listing.sorts)

    def choice(text: str, label: str) -> SortChoice:
        name, _, value = text.partition("=")
        return SortChoice(label, sorted_as(listing, ((name, value),) if text else ()), text == now)

    return tuple(choice(text, label) for text, label in SORT_WORDS.items())


@require_GET
def arrivals(request: HttpRequest) -> HttpResponse:
    """The bar that says how many came since `since` (an anomaly id) into the list of the other parameters; empty for none."""
    params = request.GET.copy()
    since = whole(params.pop("since", ["0"])[-1])
    listing = Listing.read(params)
    count = capped_count(listing.matching(reader(request)).filter(pk__gt=since))
    return render(request, "anomalies/_arrivals.html", {"count": in_words(count) if count else "", "address": listing.address()})


@require_GET
def spark(request: HttpRequest, pk: int) -> HttpResponse:
    """The picture of one anomaly for its line; empty without points."""
    user = reader(request)
    found = sparks(user.org_id, [anomaly_for(user, pk, "anomaly.read")], timezone.now())
    return render(request, "parts/spark.html", {"spark": found.drawn.get(pk)})
