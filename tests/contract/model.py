"""A simple model of what the anomalies API promises: who sees what, what is refused and how, and what a call leaves behind."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from accounts.models import Level

OPEN = ("Active", "Acknowledged")
REASONS = ("Resolved", "Duplicate", "Invalid", "Discarded")
BASE_WEIGHT = 5
GONE = "gone"


@dataclass(frozen=True)
class Tag:
    id: int
    name: str
    points: int


@dataclass(frozen=True)
class Person:
    id: int
    name: str
    levels: dict[int, Level] = field(hash=False, compare=False, default_factory=dict)  # by datastore
    is_admin: bool = False
    is_of_the_org: bool = True

    def level(self, datastore: int) -> int:
        """0 for none; higher than every level for an Admin."""
        if not self.is_of_the_org:
            return 0
        return 99 if self.is_admin else int(self.levels.get(datastore, 0))


@dataclass(frozen=True)
class State:
    """What can change of one anomaly."""

    status: str = "Active"
    description: str = ""
    tags: frozenset[Tag] = frozenset()
    assignees: frozenset[Person] = frozenset()
    duplicate_of: int | None = None
    snooze: int | None = None  # for so many more occurrences
    is_deleted: bool = False

    @property
    def is_archived(self) -> bool:
        return self.status in REASONS

    @property
    def weight(self) -> int:
        return BASE_WEIGHT + sum(tag.points for tag in self.tags)


@dataclass(frozen=True)
class Wish:
    """What one call asks of one anomaly. None leaves its part as it is; `original` is the id of another, or GONE for none there is."""

    pk: int
    status: str | None = None
    description: str | None = None
    tags: tuple[Tag, ...] | None = None
    assignees: tuple[Person, ...] | None = None
    comment: str = ""
    original: int | None = None
    snooze: int | None = None
    wake: bool = False
    remove: bool = False


@dataclass
class Line:
    """An entry of a history: under the number of the call that made it."""

    call: int
    user: int
    changeset: dict[str, Any]


@dataclass
class World:
    people: dict[str, Person]
    datastores: dict[int, int]  # by anomaly
    states: dict[int, State]
    history: dict[int, list[Line]] = field(default_factory=dict)
    calls: int = 0

    def answers(self, who: Person, pk: int, *, level: Level) -> int:
        """404 for what is not theirs to see, 403 for what they may not do, 200 for what they may."""
        here = who.level(self.datastores[pk])
        if not here or self.states[pk].is_deleted:
            return 404
        return 200 if here >= level else 403

    def visible(self, who: Person) -> set[int]:
        return {pk for pk in self.states if self.answers(who, pk, level=Level.REPORTER) == 200}

    def listed(self, who: Person) -> set[int]:
        """What the list shows without filters: what is open and awake."""
        return {pk for pk in self.visible(who) if not self.states[pk].is_archived and self.states[pk].snooze is None}

    def refusals(self, who: Person, wish: Wish) -> list[str]:
        """Codes, the first first."""
        state, found = self.states[wish.pk], []
        if wish.remove and not state.is_archived:
            found.append("not_archived")
        changes_more = any(part is not None for part in (wish.description, wish.tags, wish.assignees, wish.snooze))
        if state.is_archived and wish.status not in OPEN and (changes_more or wish.wake or (wish.comment and wish.status is None)):
            found.append("archived")
        if any(one.level(self.datastores[wish.pk]) < Level.VIEWER for one in wish.assignees or ()):
            found.append("no_access")
        if wish.original is not None:
            original = self.states.get(wish.original)
            if original is None or wish.original not in self.visible(who):
                found.append("not_found")
            elif wish.original == wish.pk or original.duplicate_of is not None or self.has_duplicates(wish.pk):
                found.append("invalid")
        return found

    def original(self, who: Person, pk: int) -> int | None:
        """Of which anomaly it is a duplicate, as far as they see that one."""
        original = self.states[pk].duplicate_of
        return original if original in self.visible(who) else None

    def duplicates(self, who: Person, pk: int) -> list[int]:
        """Those of its duplicates that they see."""
        return sorted(one for one in self.visible(who) if self.states[one].duplicate_of == pk)

    def has_duplicates(self, pk: int) -> bool:
        return any(state.duplicate_of == pk and not state.is_deleted for state in self.states.values())

    def do(self, who: Person, wishes: Iterable[Wish]) -> None:
        """All of it, as one call."""
        self.calls += 1
        for wish in wishes:
            self.become(who, wish.pk, wished(self.states[wish.pk], wish), comment=wish.comment)
        for pk, state in self.states.items():
            if not state.is_deleted and state.duplicate_of is not None and self.states[state.duplicate_of].is_deleted:
                self.become(who, pk, replace(state, duplicate_of=None))

    def become(self, who: Person, pk: int, after: State, *, comment: str = "") -> None:
        before, self.states[pk] = self.states[pk], after
        if changeset := told(before, after, comment=comment):
            self.history.setdefault(pk, []).append(Line(self.calls, who.id, changeset))


def wished(state: State, wish: Wish) -> State:
    if wish.remove:
        return replace(state, is_deleted=True, snooze=None)
    status = wish.status or state.status
    if state.is_archived and wish.status in OPEN:
        status = "Acknowledged"
    snooze = state.snooze if wish.snooze is None else wish.snooze
    original = state.duplicate_of if wish.original is None else wish.original
    return replace(
        state,
        status=status,
        description=state.description if wish.description is None else wish.description,
        tags=state.tags if wish.tags is None else frozenset(wish.tags),
        assignees=state.assignees if wish.assignees is None else frozenset(wish.assignees),
        duplicate_of=original if status == "Duplicate" else None,
        snooze=None if wish.wake or status in REASONS else snooze,
    )


def told(before: State, after: State, *, comment: str) -> dict[str, Any]:
    """What the history says, with a comment as its text and a deletion as True."""
    pairs = {
        "status": (before.status, after.status),
        "description": (before.description, after.description),
        "global_tags": (listed(before.tags), listed(after.tags)),
        "assignees": (listed(before.assignees), listed(after.assignees)),
        "weight": (before.weight, after.weight),
        "duplicate_of": (before.duplicate_of and {"id": before.duplicate_of}, after.duplicate_of and {"id": after.duplicate_of}),
        "snooze": (before.snooze and {"count": before.snooze}, after.snooze and {"count": after.snooze}),
        "deleted": (None, True if after.is_deleted else None),
        "comment": (None, comment or None),
    }
    return {name: list(pair) for name, pair in pairs.items() if pair[0] != pair[1]}


def listed(things: Iterable[Tag | Person]) -> list[dict[str, Any]]:
    return [{"id": one.id, "name": one.name} for one in sorted(things, key=lambda one: (one.name, one.id))]


def as_told(changeset: dict[str, Sequence[Any]]) -> dict[str, Any]:
    """A changeset of the API in the words of the model."""
    found = {name: list(pair) for name, pair in changeset.items()}
    if "comment" in found:
        found["comment"] = [None, found["comment"][1]["message"]]
    if "deleted" in found:
        found["deleted"] = [None, bool(found["deleted"][1])]
    return found
