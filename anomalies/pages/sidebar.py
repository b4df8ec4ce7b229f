"""What stands around the list: tabs with counts, facets with counts, the filters that are on.

The facets of a long list are first counted among its newest, and again among many more once the list is there.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.db.models import QuerySet

from accounts.models import User
from anomalies.api.facets import OWN
from anomalies.models import Anomaly, FailedCheck
from anomalies.pages.counts import SHOWN, Counts, counts_of, facets_of
from anomalies.pages.listing import LIST_CAP, Listing, in_words
from anomalies.pages.why import rule_words
from anomalies.services.facets import LOOKED_AT, Facets, Value
from datastores.models import Container, Datastore

FIRST: Final = 6  # of a facet's values; the others are folded away
# Of a longer list, the facets are counted among so many before it is shown.
AT_ONCE: Final = 500
STATUS: Final = OWN["status"]
SPANS: Final = {
    "": "any time",
    "day": "last day",
    "week": "last week",
    "month": "last month",
    "quarter": "last quarter",
    "year": "last year",
}
LABELS: Final = {
    "anomaly_type": "type", "rule_type": "rule", "container": "table", "timeframe": "created", "created_date": "created on",
    "start_date": "created from", "end_date": "created before", "metric": "series", "min_score": "score at least",
    "related_to_id": "same problem as", "source_enriched": "rows kept", "backfilled": "from history", "quality_check": "check",
}  # fmt: skip


@dataclass(frozen=True)
class TabLink:
    """A list of one state, the count in it as text, the finer ones that it holds, and the key that leads there after g."""

    label: str
    address: str
    current: bool
    count: str
    parts: tuple["TabLink", ...] = ()
    key: str = ""


@dataclass(frozen=True)
class Choice:
    """One box of a facet."""

    name: str
    value: str
    label: str
    count: str
    chosen: bool


@dataclass(frozen=True)
class FacetBox:
    """One facet; `others` are folded away."""

    label: str
    choices: tuple[Choice, ...]
    others: tuple[Choice, ...]


@dataclass(frozen=True)
class Chip:
    """One filter that is on, and the address without it."""

    label: str
    address: str


@dataclass(frozen=True)
class Panel:
    """The facets, and the spans of which `span` is chosen. `among` is how many of a longer list were looked at, as text, empty for all;
    `more` the query of a panel that looks at more of them, empty where there is none. `names` are those of chosen values.
    """

    facets: tuple[FacetBox, ...]
    spans: tuple[tuple[str, str], ...]
    span: str
    among: str
    more: str
    names: Mapping[tuple[str, str], str]


@dataclass(frozen=True)
class Sidebar:
    """`total` as text; `count` is the number, one more than LIST_CAP when there are more; `newest` the latest id of all that one sees."""

    tabs: tuple[TabLink, ...]
    panel: Panel
    chips: tuple[Chip, ...]
    count: int
    total: str
    newest: int

    @property
    def facets(self) -> tuple[FacetBox, ...]:
        return self.panel.facets


def sidebar_of(listing: Listing, user: User, *, total: int, look_at: int) -> Sidebar:
    """Everything around a list of `total` anomalies; the number of queries does not grow with what there is."""
    counts = counts_of(listing, user, look_at=look_at)
    panel = panel_of(listing, user, counts.facets, look_at=look_at)
    return Sidebar(
        tabs=tabs_of(listing, counts),
        panel=panel,
        chips=chips_of(listing, panel.names),
        count=total,
        total=in_words(total, cap=LIST_CAP),
        newest=counts.newest,
    )


def larger_panel(listing: Listing, user: User) -> Panel:
    """The facets, counted among as many as there may ever be."""
    return panel_of(listing, user, facets_of(listing, user, look_at=LOOKED_AT), look_at=LOOKED_AT)


def panel_of(listing: Listing, user: User, counts: Facets, *, look_at: int) -> Panel:
    """The facets, which were counted among the newest `look_at`: AT_ONCE or LOOKED_AT."""
    names = names_of(listing, counts, user)
    return Panel(
        facets=tuple(box for facet in SHOWN if (box := box_of(facet, listing, counts, names, user)).choices),
        spans=spans_of(listing.value("timeframe")),
        span=listing.value("timeframe"),
        among=f"{look_at:,}" if counts.is_incomplete else "",
        more=listing.address(page=listing.page) if counts.is_incomplete and look_at < LOOKED_AT else "",
        names=names,
    )


def spans_of(chosen: str) -> tuple[tuple[str, str], ...]:
    """The usual spans, and the one that an address names by its days."""
    return tuple((SPANS if chosen in SPANS else {**SPANS, chosen: f"last {chosen} days"}).items())


def tabs_of(listing: Listing, counts: Counts) -> tuple[TabLink, ...]:
    """Open with its two states, asleep, archived with its four reasons."""
    found, group = counts.states, group_of(listing)
    return (
        _group("Open", Anomaly.OPEN, (), found, listing, is_current=group == "open"),
        TabLink(
            "Snoozed",
            listing.having(status=(), archived=(), snoozed=("only",)).address(),
            group == "snoozed",
            in_words(counts.asleep),
            key="z",
        ),
        _group("Archived", Anomaly.ARCHIVED, ("only",), found, listing, is_current=group == "archived"),
    )


def group_of(listing: Listing) -> str:
    """Which of the three tabs the list belongs to; empty for one that mixes them."""
    states = set(listing.values("status"))
    if "only" in listing.values("snoozed"):
        return "snoozed"
    if listing.value("archived") == "only" or (states and states <= set(Anomaly.ARCHIVED)):
        return "archived"
    return "open" if states <= set(Anomaly.OPEN) and not listing.value("archived") else ""


def _group(
    label: str, states: Iterable[str], archived: tuple[str, ...], found: Mapping[str, int], listing: Listing, *, is_current: bool
) -> TabLink:
    chosen = listing.values("status")
    parts = tuple(
        TabLink(
            str(state),
            listing.having(status=(str(state),), archived=(), snoozed=()).address(),
            is_current and chosen == (str(state),),
            in_words(found.get(state, 0)),
        )
        for state in states
    )
    everything = listing.having(status=(), archived=archived, snoozed=()).address()
    total = in_words(sum(found.get(state, 0) for state in states))
    key = "a" if archived else ""
    return TabLink(label, everything, is_current, total, (TabLink("All", everything, is_current and not chosen, total), *parts), key)


def box_of(facet: str, listing: Listing, counts: Facets, names: Mapping[tuple[str, str], str], user: User) -> FacetBox:
    """The boxes of a facet, the chosen among the first; one that is chosen and in no anomaly has the count 0."""
    parameter = OWN[facet][0]
    chosen, found = listing.values(parameter), {one.value: one for one in counts.by_name[facet].values}
    values = [*found.values(), *(Value(value, "", 0, False) for value in chosen if value not in found)]
    values.sort(key=lambda one: one.value not in chosen)
    label = {str(user.pk): "Me"} if facet == "assignee" else {}
    choices = tuple(
        Choice(
            parameter, one.value, label.get(one.value) or value_words(parameter, one.value, names),
            f"{one.count:,}{'+' if one.is_capped or counts.is_incomplete else ''}", one.value in chosen,
        )
        for one in values
    )  # fmt: skip
    first = max(FIRST, len(chosen))
    return FacetBox(SHOWN[facet], choices[:first], choices[first:])


def names_of(listing: Listing, counts: Facets, user: User) -> dict[tuple[str, str], str]:
    """What chosen numbers are called, by parameter and value. Looks up only what the counts do not name."""
    names = {(OWN[facet][0], one.value): one.name for facet, box in counts.by_name.items() for one in box.values}
    lookups: dict[str, Callable[[], QuerySet[Any]]] = {
        "datastore": lambda: Datastore.objects.visible_to(user),
        "container": lambda: Container.objects.for_org(user.org_id).filter(datastore__in=Datastore.objects.visible_to(user)),
        "assignee": lambda: User.objects.for_org(user.org_id),
    }
    for name, rows in lookups.items():
        if missing := [value for value in listing.values(name) if (name, value) not in names and value.isdigit()]:
            names |= {(name, str(row.pk)): str(row) for row in rows().filter(pk__in=missing)}
    return names | checks_named(listing, user)


def checks_named(listing: Listing, user: User) -> dict[tuple[str, str], str]:
    """What the chosen checks assert, from the anomalies that the person sees. One query, and none without such a filter."""
    asked = [value for value in listing.values("quality_check") if value.isdigit()]
    if not asked:
        return {}
    seen = FailedCheck.objects.filter(
        org=user.org_id, quality_check_id__in=asked, anomaly__datastore__in=Datastore.objects.visible_to(user)
    )
    latest = seen.order_by("quality_check_id", "-anomaly").distinct("quality_check_id").exclude(description="")
    return {("quality_check", str(pk)): text for pk, text in latest.values_list("quality_check_id", "description")}


def chips_of(listing: Listing, names: Mapping[tuple[str, str], str]) -> tuple[Chip, ...]:
    """One per filter that is on, but for what the tabs say."""
    shown = [(name, value) for name, value in listing.filters if name not in (*STATUS, "snoozed") or not group_of(listing)]
    return tuple(
        Chip(label_of(name, value, names), listing.having(**{name: [one for one in listing.values(name) if one != value]}).address())
        for name, value in shown
    )


def value_words(name: str, value: str, names: Mapping[tuple[str, str], str]) -> str:
    """What a value of a filter is called: rules by words, what has a name by it, everything else as addresses write it.

    Of a person, datastore or table that has no name any more, or none for the reader, the number is said to be unknown.
    """
    if name == "rule_type":
        return rule_words(value).capitalize()
    return names.get((name, value), f"unknown ({value})" if name in ("assignee", "datastore", "container") else value)


def label_of(name: str, value: str, names: Mapping[tuple[str, str], str]) -> str:
    if name == "search":
        return f"“{value}”"
    text = SPANS.get(value, value) if name == "timeframe" else value_words(name, value, names)
    return f"{LABELS.get(name, name.replace('_', ' '))}: {text}"
