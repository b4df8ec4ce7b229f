"""The inbox: what waits for somebody, with the evidence beside it, and the first step of triage."""

from dataclasses import dataclass, replace

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from accounts.models import User
from anomalies.models import Anomaly
from anomalies.pages.access import allowed_datastores, reader
from anomalies.pages.listing import PAGE_SIZE, Listing, Tab, capped_count, facet_counts, in_words, newest_of, whole
from anomalies.pages.rows import Row, rows_of
from anomalies.services import change_anomaly
from datastores.models import Datastore
from metrics.models import Metric
from orgs.errors import DomainError

MAX_AT_ONCE = 200


@dataclass(frozen=True)
class TabLink:
    label: str
    address: str
    current: bool
    count: str


@dataclass(frozen=True)
class Choice:
    """One box of a facet."""

    name: str
    value: str
    label: str
    count: str
    chosen: bool


@dataclass(frozen=True)
class Chip:
    """One filter that is on, and the address without it."""

    label: str
    address: str


@dataclass(frozen=True)
class Page:
    """One page of the list and what stands around it."""

    listing: Listing
    tabs: tuple[TabLink, ...]
    types: tuple[Choice, ...]
    datastores: tuple[Choice, ...]
    chips: tuple[Chip, ...]
    rows: tuple[Row, ...]
    first: int
    last: int
    total: str
    before: str
    after: str
    newest: int
    may_change: bool
    has_metrics: bool


@require_GET
def inbox(request: HttpRequest) -> HttpResponse:
    """The list; only its changing part when htmx asks."""
    page = page_of(reader(request), Listing.read(request.GET))
    is_part = request.htmx and not request.htmx.boosted  # type: ignore[attr-defined]
    response = render(request, "anomalies/_inbox.html" if is_part else "anomalies/inbox.html", {"page": page, "part": is_part})
    response["Vary"] = "HX-Request"
    return response


def page_of(user: User, listing: Listing) -> Page:
    """What the inbox shows this user; the number of queries does not grow with the rows."""
    names = dict(Datastore.objects.visible_to(user).values_list("pk", "name"))
    counts = facet_counts(listing, user)
    matching = listing.matching(user).for_rows()
    start = (listing.page - 1) * PAGE_SIZE
    found = list(matching[start : start + PAGE_SIZE + 1])
    allowed = allowed_datastores(user, "anomaly.update")
    total = capped_count(listing.matching(user))
    rows = rows_of(found[:PAGE_SIZE], user, now=timezone.now(), allowed=allowed, list_address=listing.address(page=listing.page) or "all")
    return Page(
        listing=listing,
        tabs=tabs_of(listing, user, total),
        types=tuple(
            Choice("type", name, name, in_words(counts.types.get(name, 0)), name in listing.types)
            for name in Anomaly.Type.values
            if counts.types.get(name) or name in listing.types
        ),
        datastores=tuple(
            Choice("datastore", str(pk), name, in_words(counts.datastores.get(pk, 0)), pk in listing.datastores)
            for pk, name in names.items()
        ),
        chips=chips_of(listing, names),
        rows=rows,
        first=start + 1 if rows else 0,
        last=start + len(rows),
        total=in_words(total),
        before=listing.address(page=listing.page - 1) if listing.page > 1 else "",
        after=listing.address(page=listing.page + 1) if len(found) > PAGE_SIZE else "",
        newest=newest_of(user),
        may_change=bool(allowed) and listing.tab is not Tab.ARCHIVED,
        has_metrics=bool(rows) or Metric.objects.visible_to(user).exists(),
    )


def tabs_of(listing: Listing, user: User, total: int) -> tuple[TabLink, ...]:
    """One count per tab, under the filters that are on; the one we are on has been counted."""

    def link(tab: Tab) -> TabLink:
        there = replace(listing, tab=tab, page=1)
        count = total if tab is listing.tab else capped_count(there.matching(user))
        return TabLink(tab.value.capitalize(), there.address(), tab is listing.tab, in_words(count))

    return tuple(link(tab) for tab in Tab)


def chips_of(listing: Listing, names: dict[int, str]) -> tuple[Chip, ...]:
    """One per filter that is on."""
    first = replace(listing, page=1)
    chips = [Chip(f"type: {name}", replace(first, types=tuple(set(listing.types) - {name})).address()) for name in listing.types]
    chips += [
        Chip(f"datastore: {names.get(pk, pk)}", replace(first, datastores=tuple(set(listing.datastores) - {pk})).address())
        for pk in listing.datastores
    ]
    if listing.metric:
        chips.append(Chip(f"series #{listing.metric}", replace(first, metric=None).address()))
    if listing.search:
        chips.append(Chip(f"“{listing.search}”", replace(first, search="").address()))
    return tuple(chips)


@require_GET
def arrivals(request: HttpRequest) -> HttpResponse:
    """The bar that says how many came since `since` (an anomaly id) into the list of the other parameters; empty for none."""
    listing = Listing.read(request.GET)
    new = listing.matching(reader(request)).filter(pk__gt=whole(request.GET.get("since", "")))
    count = capped_count(new)
    return render(request, "anomalies/_arrivals.html", {"count": in_words(count) if count else "", "address": listing.address()})


@require_POST
def change_many(request: HttpRequest) -> HttpResponse:
    """Sets `status` (Active or Acknowledged) on every `id`, then shows the list that `list` says."""
    user = reader(request)
    ids = [number for text in request.POST.getlist("id")[:MAX_AT_ONCE] if (number := whole(text))]
    said, is_error = changed_in_words(user, ids, request.POST.get("status", ""))
    address = request.POST.get("list", "")
    if request.htmx:  # type: ignore[attr-defined]
        page = page_of(user, Listing.read(QueryDict(address)))
        return render(request, "anomalies/_inbox.html", {"page": page, "part": True, "said": said, "is_error": is_error})
    messages.add_message(request, messages.ERROR if is_error else messages.SUCCESS, said)
    return HttpResponseRedirect(f"{reverse('inbox')}?{QueryDict(address).urlencode()}")


def changed_in_words(user: User, ids: list[int], status: str) -> tuple[str, bool]:
    """Changes each anomaly; what came of it in words, and whether any was refused.

    Raises PermissionDenied, before any change, when one of them is not the user's to change.
    """
    if status not in Anomaly.OPEN or not ids:
        return "Nothing was selected.", True
    allowed = allowed_datastores(user, "anomaly.update")
    found = list(Anomaly.objects.visible_to(user).filter(pk__in=ids).order_by("pk"))
    if any(anomaly.datastore_id not in allowed for anomaly in found):
        raise PermissionDenied
    refused = [reason for anomaly in found if (reason := _refusal(anomaly, user, status))]
    done = len(found) - len(refused)
    said = f"{done} {status.lower()}." if done else ""
    return " ".join([said, *refused[:3]]).strip(), bool(refused)


def _refusal(anomaly: Anomaly, user: User, status: str) -> str:
    try:
        change_anomaly(anomaly, user=user, status=status)
    except DomainError as refused:
        return f"#{anomaly.pk}: {refused.detail}"
    return ""
