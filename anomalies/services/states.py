"""Anomalies as an edit finds them: locked, and read in a constant number of statements."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

import orjson

from accounts.models import Level
from anomalies.models import Anomaly
from anomalies.services.edits import Edit, Snooze
from config.database.prepared import Statement
from datastores.levels import Holders, holders

COLUMNS: Final = (
    "id", "datastore_id", "type", "status", "description", "weight", "weight_breakdown", "updated", "ended_at", "deleted",
    "duplicate_of_id", "snoozed_at", "snoozed_by_id", "snooze_until", "snooze_count", "snooze_weight", "snooze_back_in_band",
)  # fmt: skip

LOCK: Final = Statement(f"""
SELECT {", ".join(COLUMNS)} FROM anomalies_anomaly
 WHERE org_id = %s::bigint AND id = ANY(%s::bigint[]) AND deleted IS NULL ORDER BY id FOR NO KEY UPDATE
""")  # noqa: S608 - column names of this module
TAGS: Final = Statement("""
SELECT x.anomaly_id, t.id, t.name, t.weight_modifier FROM anomalies_anomaly_global_tags x JOIN anomalies_tag t ON t.id = x.tag_id
 WHERE x.anomaly_id = ANY(%s::bigint[])
""")
ASSIGNEES: Final = Statement("""
SELECT x.anomaly_id, u.id, u.name FROM anomalies_anomaly_assignees x JOIN accounts_user u ON u.id = x.user_id
 WHERE x.anomaly_id = ANY(%s::bigint[])
""")
# Beside the index of `duplicate_of`; whoever links another duplicate to one of these holds it as well, and waits.
ORIGINALS: Final = Statement("""
SELECT DISTINCT duplicate_of_id FROM anomalies_anomaly
 WHERE org_id = %s::bigint AND duplicate_of_id = ANY(%s::bigint[]) AND deleted IS NULL
""")
# Beside the same index.
DUPLICATES: Final = Statement("""
SELECT id FROM anomalies_anomaly WHERE org_id = %s::bigint AND duplicate_of_id = ANY(%s::bigint[]) AND deleted IS NULL
""")
PEOPLE: Final = Statement("SELECT id, name FROM accounts_user WHERE org_id = %s::bigint AND id = ANY(%s::bigint[])")
# Held, so that no tag goes or counts anew between this and its being put on.
WORDS: Final = Statement(
    "SELECT id, name, weight_modifier FROM anomalies_tag WHERE org_id = %s AND name = ANY(%s::text[]) ORDER BY id FOR KEY SHARE"
)


@dataclass(frozen=True, order=True)
class Named:
    """A person or a tag, ordered as lists show them."""

    name: str
    id: int


@dataclass(frozen=True, order=True)
class Word(Named):
    """A tag, and what it adds to a weight."""

    points: int = 0


@dataclass(frozen=True)
class State:
    """What an edit can change of one anomaly, and what decides whether it may. `tags` and `assignees` are empty, and
    `has_duplicates` is False, where no edit asks.
    """

    id: int
    datastore: int
    type: str
    status: str
    description: str
    weight: int
    weight_breakdown: Mapping[str, int]
    updated: datetime
    ended_at: datetime | None
    deleted: datetime | None
    duplicate_of: int | None
    snooze: Snooze | None
    snoozed_at: datetime | None
    snoozed_by: int | None
    tags: frozenset[Word] = frozenset()
    assignees: frozenset[Named] = frozenset()
    has_duplicates: bool = False

    @property
    def is_archived(self) -> bool:
        return self.status in Anomaly.ARCHIVED


@dataclass(frozen=True)
class Directory:
    """What the edits name: tags of the org by name, people of the org by id, and where they may read."""

    tags: Mapping[str, Word]
    holders: Holders
    people: Mapping[int, Named]


def hold(org_id: int, ids: Collection[int], *, leaving: Collection[int] = ()) -> None:
    """Keeps the anomalies from others until the transaction ends. Whoever wants several at once, or what hangs on one, holds them so
    first: in order of id, and the anomaly before what hangs on it. Two who each have what the other waits for would both wait forever.
    With those that are to leave, their duplicates are held.
    """
    _locked(org_id, ids, leaving=leaving)


def locked_states(org_id: int, edits: Sequence[Edit]) -> dict[int, State]:
    """The anomalies that the edits are about or point to, and the duplicates of those that go, by id; those that are gone are left out.

    They are locked in order of id.
    """
    ids = {edit.anomaly_id for edit in edits} | {edit.duplicate_of for edit in edits if edit.duplicate_of is not None}
    found = _locked(org_id, ids, leaving=[edit.anomaly_id for edit in edits if edit.remove])
    tags = _tags([edit.anomaly_id for edit in edits if edit.touches_tags])
    people = _assignees([edit.anomaly_id for edit in edits if edit.touches_assignees])
    originals = _originals(org_id, [edit.anomaly_id for edit in edits if edit.duplicate_of is not None])
    states = {row[0]: _state(row, tags, people) for row in found}
    return states | {pk: replace(states[pk], has_duplicates=True) for pk in originals & states.keys()}


def _locked(org_id: int, ids: Collection[int], *, leaving: Collection[int]) -> list[tuple[Any, ...]]:
    """The rows of these and of the duplicates of those that leave."""
    if not leaving:
        return LOCK.rows(org_id, list(ids))
    found = LOCK.rows(org_id, list({*ids, *_duplicates(org_id, leaving)}))
    # Who was linked to one of them while this waited for it; from now on nobody is.
    late = _duplicates(org_id, leaving) - {row[0] for row in found}
    return found + (LOCK.rows(org_id, list(late)) if late else [])


def _duplicates(org_id: int, ids: Collection[int]) -> set[int]:
    return {pk for (pk,) in DUPLICATES.rows(org_id, list(ids))}


def _state(row: Sequence[Any], tags: Mapping[int, set[Word]], people: Mapping[int, set[Named]]) -> State:
    read = dict(zip(COLUMNS, row, strict=True))
    read["weight_breakdown"] = orjson.loads(read["weight_breakdown"])
    snooze = Snooze(*(read.pop(f"snooze_{part}") for part in ("until", "count", "weight", "back_in_band")))
    return State(
        **{name.removesuffix("_id"): value for name, value in read.items()},
        snooze=None if read["snoozed_at"] is None else snooze,
        tags=frozenset(tags.get(read["id"], ())),
        assignees=frozenset(people.get(read["id"], ())),
    )


def _originals(org_id: int, ids: Sequence[int]) -> set[int]:
    """Those of which others are duplicates."""
    return {pk for (pk,) in ORIGINALS.rows(org_id, list(ids))} if ids else set()


def _tags(ids: Sequence[int]) -> dict[int, set[Word]]:
    found: dict[int, set[Word]] = {}
    for anomaly_id, pk, name, points in _rows(TAGS, ids):
        found.setdefault(anomaly_id, set()).add(Word(name, pk, points))
    return found


def _assignees(ids: Sequence[int]) -> dict[int, set[Named]]:
    found: dict[int, set[Named]] = {}
    for anomaly_id, pk, name in _rows(ASSIGNEES, ids):
        found.setdefault(anomaly_id, set()).add(Named(name, pk))
    return found


def _rows(statement: Statement, ids: Sequence[int]) -> list[Any]:
    return statement.rows(list(ids)) if ids else []


def directory(org_id: int, edits: Sequence[Edit], states: Mapping[int, State]) -> Directory:
    """At most four queries."""
    names = {name for edit in edits for name in edit.tag_names}
    assigned = {pk for edit in edits for pk in edit.new_assignees}
    removed = {pk for edit in edits for pk in edit.assignees_remove}
    datastores = {state.datastore for state in states.values()}
    return Directory(
        tags=_words(org_id, names),
        holders=holders(org_id, users=assigned, datastores=datastores, level=Level.VIEWER),
        people=_people(org_id, assigned | removed),
    )


def _words(org_id: int, names: Collection[str]) -> dict[str, Word]:
    return {name: Word(name, pk, points) for pk, name, points in WORDS.rows(org_id, list(names))} if names else {}


def _people(org_id: int, ids: Collection[int]) -> dict[int, Named]:
    return {pk: Named(name, pk) for pk, name in PEOPLE.rows(org_id, list(ids))} if ids else {}
