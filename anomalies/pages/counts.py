"""What is counted around a list: its facets, the tabs, the newest of all. It is kept as lists are, for the same while."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import orjson

from accounts.models import Level, User
from anomalies import kept_lists
from anomalies.api.facets import OWN
from anomalies.pages.listing import CAP, Listing, capped_count, newest_of
from anomalies.services.facets import Facet, Facets, Value, count_facets
from anomalies.state_counts import counts_by_state

# Facets as people read them, in their order.
SHOWN: Final = {
    "type": "Type", "datastore": "Datastore", "assignee": "Assignee", "tag": "Tag", "rule": "Rule", "container": "Table",
}  # fmt: skip


@dataclass(frozen=True)
class Counts:
    """`states` are those of the tabs, without what is asleep, `asleep` of the same list; both up to one more than CAP.

    `newest` is the greatest id of all that the person sees, 0 for none.
    """

    facets: Facets
    states: Mapping[str, int]
    asleep: int
    newest: int


def counts_of(listing: Listing, user: User, *, look_at: int) -> Counts:
    """Everything, the facets among the newest `look_at`."""

    def count() -> Counts:
        found = counted_facets(listing, user, look_at)
        states = counts_by_state(listing.having(status=(), archived=("include",), snoozed=()).matching(user), cap=CAP)
        asleep = capped_count(listing.having(status=(), archived=(), snoozed=("only",)).matching(user))
        return Counts(found, states, asleep, newest_of(user))

    said = kept(listing, user, f"counts:{look_at}", count)
    return Counts(**{**said, "facets": made(said["facets"])})


def facets_of(listing: Listing, user: User, *, look_at: int) -> Facets:
    """The facets alone."""
    return made(kept(listing, user, f"facets:{look_at}", lambda: counted_facets(listing, user, look_at)))


def kept(listing: Listing, user: User, about: str, count: Callable[[], Counts | Facets]) -> dict[str, Any]:
    """What `count` says, as plain values. However a list is sorted, the same is in it."""
    asked = kept_lists.Asked(user, Level.REPORTER, replace(listing, sorts=()).words)
    said: dict[str, Any] = orjson.loads(kept_lists.said_of(asked, about, lambda: orjson.dumps(count())))
    return said


def made(said: dict[str, Any]) -> Facets:
    by_name = {name: Facet(tuple(Value(**one) for one in facet["values"]), facet["has_more"]) for name, facet in said["by_name"].items()}
    return Facets(**{**said, "by_name": by_name})


def counted_facets(listing: Listing, user: User, look_at: int) -> Facets:
    """Each facet that is shown, counted without its own filter."""
    whole, named = listing.matching(user), {name for name, _ in listing.filters}
    own = {facet: OWN[facet] for facet in SHOWN}
    sets = {
        facet: listing.having(**dict.fromkeys(names, ())).matching(user) if set(names) & named else whole for facet, names in own.items()
    }
    return count_facets(sets, whole, chosen={facet: listing.values(names[0]) for facet, names in own.items()}, look_at=look_at)
