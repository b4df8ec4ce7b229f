"""The engine of what people do with anomalies: one edit or ten thousand in one transaction and a constant number of statements."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from django.db import transaction
from django.db.models import CASCADE, ForeignObjectRel
from django.utils import timezone

from accounts.models import User
from anomalies.models import Anomaly
from anomalies.services.comments import Draft, draft_errors, line_parts, write_comments
from anomalies.services.edits import Edit, Outcome
from anomalies.services.history import USER, Line, write_history
from anomalies.services.plans import Context, planned, refusals, told
from anomalies.services.sleep import AWAKE
from anomalies.services.states import State, directory, locked_states
from config.database.prepared import Statement, packed
from orgs.errors import FieldError, Invalid

COLUMNS: Final = {
    "status": "text", "description": "text", "weight": "integer", "weight_breakdown": "jsonb", "duplicate_of_id": "bigint",
    "snoozed_at": "timestamptz", "snoozed_by_id": "bigint", "snooze_until": "timestamptz", "snooze_count": "integer",
    "snooze_weight": "integer", "snooze_back_in_band": "boolean",
}  # fmt: skip

CHANGE: Final = Statement(f"""
UPDATE anomalies_anomaly AS a SET updated = %s, is_new = false, {", ".join(f"{name} = now.{name}" for name in COLUMNS)}
  FROM json_to_recordset(%s) AS now (id bigint, {", ".join(f"{name} {kind}" for name, kind in COLUMNS.items())})
 WHERE a.id = now.id
""")  # noqa: S608 - column names of this module

PAIRS: Final = "json_to_recordset(%s) AS pair (anomaly_id bigint, other bigint)"
UNLINK: Final = "DELETE FROM {table} AS x USING {pairs} WHERE x.anomaly_id = pair.anomaly_id AND x.{column} = pair.other"
LINK: Final = "INSERT INTO {table} (org_id, anomaly_id, {column}) SELECT %s::bigint, anomaly_id, other FROM {pairs} ON CONFLICT DO NOTHING"


class Links:
    """What anomalies are linked to: the statements that take links away and make them."""

    def __init__(self, table: str, column: str) -> None:
        self.unlink = Statement(UNLINK.format(table=table, column=column, pairs=PAIRS))
        self.link = Statement(LINK.format(table=table, column=column, pairs=PAIRS))


TAGS: Final = Links("anomalies_anomaly_global_tags", "tag_id")
ASSIGNEES: Final = Links("anomalies_anomaly_assignees", "user_id")

# What says what was wrong goes; what says that there was something, and keeps detection from finding it again, stays.
EMPTIED: Final[Mapping[str, Any]] = {
    "message": "", "description": "", "detectors": [], "weight_breakdown": {}, "anomalous_records_count": None, "source_enriched": False,
    "peak_at": None, "peak_value": None, "expected": None, "expected_lower": None, "expected_upper": None, "score": None,
    **AWAKE,
}  # fmt: skip


@dataclass(frozen=True)
class Step:
    """One edit that will be done: before, after, and the comment that goes along."""

    before: State
    after: State
    draft: Draft | None = None


def edit_anomalies(org_id: int, edits: Sequence[Edit], *, user: User | None, actor: str = USER, strict: bool = True) -> Outcome:
    """Does the edits, each on what the ones before it left, under one transaction id, with one line of history for each that changed.

    Whether `user` may is checked by the caller; whether state and values allow it, here. With `strict` all edits are done or none:
    raises Invalid with every FieldError. Otherwise an anomaly stays as it is when one of its edits cannot be done, and the outcome
    tells why.
    """
    now = timezone.now()
    # A caller may go on after Invalid, which only a strict one gets; else its own transaction is enough.
    with transaction.atomic(savepoint=strict):
        steps, refused = _planned(org_id, edits, user=user, now=now)
        if refused and strict:
            raise Invalid("Nothing was changed.", errors=[error for place in sorted(refused) for error in refused[place]])
        return Outcome(*_write(org_id, steps, user=user, actor=actor, now=now), refused=refused)


@transaction.atomic
def examined(org_id: int, edits: Sequence[Edit], *, user: User | None) -> list[FieldError]:
    """What `edit_anomalies` would refuse, without doing anything."""
    _, refused = _planned(org_id, edits, user=user, now=timezone.now())
    return [error for place in sorted(refused) for error in refused[place]]


def _planned(
    org_id: int, edits: Sequence[Edit], *, user: User | None, now: datetime
) -> tuple[list[Step], dict[int, tuple[FieldError, ...]]]:
    """What will be done of edits of which none is refused, and why the others are."""
    states = locked_states(org_id, edits)
    found = dict(states)
    context = Context(states, directory(org_id, edits, states), user.pk if user else None, now)
    steps, refused = _steps(edits, context, states, _wrong_comments(org_id, edits, states))
    halved = {edits[place].anomaly_id for place in refused}
    whole = _joined(step for step in steps if step.before.id not in halved)
    return [*whole, *_partings(found, whole)], refused


def _joined(steps: Iterable[Step]) -> list[Step]:
    """One step for each anomaly, from what it was to what it is in the end; no two steps of one bring a comment."""
    joined: dict[int, Step] = {}
    for step in steps:
        first = joined.get(step.before.id, step)
        joined[step.before.id] = Step(first.before, step.after, step.draft or first.draft)
    return list(joined.values())


def _partings(found: Mapping[int, State], steps: Sequence[Step]) -> list[Step]:
    """The duplicates of what is deleted are duplicates of nothing from then on."""
    last = {**found, **{step.after.id: step.after for step in steps}}
    gone = {state.id for state in last.values() if state.deleted is not None}
    return [
        Step(state, replace(state, duplicate_of=None)) for state in last.values() if state.duplicate_of in gone and state.id not in gone
    ]


def _steps(
    edits: Sequence[Edit], context: Context, states: dict[int, State], wrong: Mapping[int, list[FieldError]]
) -> tuple[list[Step], dict[int, tuple[FieldError, ...]]]:
    """What will be done, and by place what will not; `states` follows along."""
    steps: list[Step] = []
    refused: dict[int, tuple[FieldError, ...]] = {}
    for place, edit in enumerate(edits):
        if errors := [*refusals(edit, context), *wrong.get(place, ())]:
            refused[place] = tuple(errors)
            continue
        before = states[edit.anomaly_id]
        states[edit.anomaly_id] = after = planned(edit, before, context)
        if edit.duplicate_of is not None:
            states[edit.duplicate_of] = replace(states[edit.duplicate_of], has_duplicates=True)
        steps.append(Step(before, after, _draft(edit, before) if edit.comment else None))
    return steps, refused


def _draft(edit: Edit, state: State, *, loc: tuple[str | int, ...] = ()) -> Draft:
    return Draft(state.id, state.datastore, edit.comment, tuple(edit.mentioned), loc=loc, field="comment")


def _wrong_comments(org_id: int, edits: Sequence[Edit], states: Mapping[int, State]) -> dict[int, list[FieldError]]:
    """What is wrong with the comments, by place in the edits."""
    said = [(place, edit) for place, edit in enumerate(edits) if edit.comment and edit.anomaly_id in states]
    found: dict[int, list[FieldError]] = {}
    for error in draft_errors(org_id, [_draft(edit, states[edit.anomaly_id], loc=(place,)) for place, edit in said]):
        place = int(error.loc[0])
        found.setdefault(place, []).append(replace(error, loc=(*edits[place].loc, *error.loc[1:])))
    return found


def _write(org_id: int, steps: Sequence[Step], *, user: User | None, actor: str, now: datetime) -> tuple[int | None, tuple[int, ...]]:
    """The transaction id, and the anomalies that changed."""
    lines = list(_lines(org_id, steps, user=user, now=now))
    changed = {line.anomaly_id for line in lines}
    first = {step.before.id: step.before for step in reversed(steps) if step.before.id in changed}
    last = {step.after.id: step.after for step in steps if step.after.id in changed}
    # Of what is deleted, a tombstone shows the status that its history ends with.
    _write_states([state for pk, state in last.items() if state.deleted is None or state.status != first[pk].status], now=now)
    _write_links(org_id, [(first[pk], state) for pk, state in last.items()])
    _empty([pk for pk, state in last.items() if state.deleted is not None], user=user, now=now)
    return write_history(lines, actor=actor, user=user, at=now), tuple(dict.fromkeys(line.anomaly_id for line in lines))


def _lines(org_id: int, steps: Sequence[Step], *, user: User | None, now: datetime) -> Iterator[Line]:
    """A line for each step that changes something; comments are written on the way."""
    drafts = [step.draft for step in steps if step.draft is not None]
    comments = iter(write_comments(org_id, drafts, user=user, at=now) if drafts else ())
    for step in steps:
        changeset: dict[str, tuple[object, object]] = told(step.before, step.after)
        if step.draft is None:
            if changeset:
                yield Line(org_id, step.after.id, changeset)
            continue
        parts = line_parts(next(comments), step.draft)
        yield Line(org_id, step.after.id, **{**parts, "changeset": {**changeset, **parts["changeset"]}})


def _write_states(states: Sequence[State], *, now: datetime) -> None:
    if states:
        CHANGE.run(now, packed([_row(state) for state in states]))


def _row(state: State) -> dict[str, Any]:
    snooze = state.snooze
    return {
        "id": state.id,
        "status": state.status,
        "description": state.description,
        "weight": state.weight,
        "weight_breakdown": state.weight_breakdown,
        "duplicate_of_id": state.duplicate_of,
        "snoozed_at": state.snoozed_at,
        "snoozed_by_id": state.snoozed_by,
        "snooze_until": snooze and snooze.until,
        "snooze_count": snooze and snooze.count,
        "snooze_weight": snooze and snooze.weight,
        "snooze_back_in_band": snooze is not None and snooze.back_in_band,
    }


def _write_links(org_id: int, changes: Sequence[tuple[State, State]]) -> None:
    """The tags and assignees that went and came, from each state to the other. At most four statements."""
    tags = [(after.id, _ids(before.tags), _ids(after.tags)) for before, after in changes]
    people = [(after.id, _ids(before.assignees), _ids(after.assignees)) for before, after in changes]
    for kind, found in ((TAGS, tags), (ASSIGNEES, people)):
        gone = [{"anomaly_id": pk, "other": one} for pk, before, after in found for one in before - after]
        came = [{"anomaly_id": pk, "other": one} for pk, before, after in found for one in after - before]
        if gone:
            kind.unlink.run(packed(gone))
        if came:
            kind.link.run(org_id, packed(came))


def _ids(things: frozenset[Any]) -> set[int]:
    return {one.id for one in things}


def _empty(ids: Sequence[int], *, user: User | None, now: datetime) -> None:
    """Makes tombstones: everything that hangs on the anomalies goes, but for their history."""
    if not ids:
        return
    for related in Anomaly._meta.get_fields(include_hidden=True):
        if isinstance(related, ForeignObjectRel) and related.on_delete is CASCADE:
            related.related_model._base_manager.filter(**{f"{related.field.name}__in": ids}).delete()
    Anomaly.objects.filter(pk__in=ids).update(**EMPTIED, is_new=False, updated=now, deleted=now, deleted_by=user)
