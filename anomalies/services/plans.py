"""What an edit makes of an anomaly, or why it cannot be done. Pure: states and edits in, states and refusals out."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from anomalies.models import Anomaly
from anomalies.services.edits import ARCHIVED, CHANGED_MEANWHILE, INVALID, NOT_ARCHIVED, NOT_FOUND, RESTORE_FIRST, STALE, Edit, Snooze
from anomalies.services.states import Directory, Named, State, Word
from anomalies.services.weights import retagged
from orgs.errors import FieldError
from orgs.moments import iso_millis

DESCRIPTION_LIMIT: Final = 10_000
TAGS_LIMIT: Final = 100
ASSIGNEES_LIMIT: Final = 100
SNOOZE_DAYS: Final = 366
SNOOZE_COUNT: Final = 1_000_000
MOMENT_TO_COME: Final = f"A moment to come, at most {SNOOZE_DAYS} days from now."


@dataclass(frozen=True)
class Context:
    """What all edits of a call share: the anomalies as they are by now, what the edits name, who does it and when."""

    states: Mapping[int, State]
    directory: Directory
    user_id: int | None
    now: datetime


def refusals(edit: Edit, context: Context) -> list[FieldError]:
    """Everything that is wrong with the edit; empty when it can be done."""
    state = context.states.get(edit.anomaly_id)
    if state is None:
        return [FieldError((*edit.loc, "id"), NOT_FOUND, f"There is no anomaly {edit.anomaly_id}.")]
    if stale := [name for name, value in edit.seen.items() if getattr(state, name) != value]:
        return [FieldError((*edit.loc, stale[0]), STALE, CHANGED_MEANWHILE)]
    parts = (_state_errors, _text_errors, _tag_errors, _assignee_errors, _duplicate_errors, _snooze_errors)
    return [FieldError((*edit.loc, *error.loc), error.code, error.msg) for part in parts for error in part(edit, state, context)]


def _state_errors(edit: Edit, state: State, context: Context) -> Iterator[FieldError]:
    if edit.remove and not state.is_archived:
        yield FieldError(("id",), NOT_ARCHIVED, "Only an archived anomaly can be deleted for good. Archive it first.")
    if edit.status is not None and edit.status not in Anomaly.Status.values:
        yield FieldError(("status",), "invalid_choice", f"Use one of {', '.join(Anomaly.Status.values)}.")
    if state.is_archived and edit.status not in Anomaly.OPEN and _asks_for_more(edit):
        yield FieldError(("id",), ARCHIVED, RESTORE_FIRST)
    if edit.mentioned and not edit.comment:
        yield FieldError(("mentioned_user_ids",), INVALID, "Mentions go with a comment.")


def _asks_for_more(edit: Edit) -> bool:
    """Than a change of the status, with what may go along."""
    said = bool(edit.comment) and edit.status is None
    return said or edit.description is not None or edit.touches_tags or edit.touches_assignees or edit.snooze is not None


def _text_errors(edit: Edit, state: State, context: Context) -> Iterator[FieldError]:
    if edit.description is not None and len(edit.description) > DESCRIPTION_LIMIT:
        yield FieldError(("description",), "too_long", f"At most {DESCRIPTION_LIMIT:,} characters.")
    if edit.description is not None and "\0" in edit.description:
        yield FieldError(("description",), INVALID, "No NUL characters.")


def _tag_errors(edit: Edit, state: State, context: Context) -> Iterator[FieldError]:
    if edit.tags is not None and (edit.tags_add or edit.tags_remove):
        yield FieldError(("tags",), INVALID, "`tags` replaces the set: leave out `tags_add` and `tags_remove`.")
    known = context.directory.tags
    for field, names in (("tags", edit.tags or ()), ("tags_add", edit.tags_add), ("tags_remove", edit.tags_remove)):
        for place, name in enumerate(names):
            if name not in known:
                yield FieldError((field, place), NOT_FOUND, f"There is no tag {name!r}.")
    yield from _clash("tags_add", edit.tags_add, edit.tags_remove)
    if len(_tags_after(edit, state, known)) > TAGS_LIMIT:
        yield FieldError(("tags",), "too_long", f"An anomaly has at most {TAGS_LIMIT} tags.")


def _assignee_errors(edit: Edit, state: State, context: Context) -> Iterator[FieldError]:
    if edit.assignees is not None and (edit.assignees_add or edit.assignees_remove):
        msg = "`assignee_ids` replaces the set: leave out `assignee_ids_add` and `assignee_ids_remove`."
        yield FieldError(("assignee_ids",), INVALID, msg)
    directory = context.directory
    for field, ids in (("assignee_ids", edit.assignees or ()), ("assignee_ids_add", edit.assignees_add)):
        for place, pk in enumerate(ids):
            if not directory.holders.knows(pk):
                yield FieldError((field, place), NOT_FOUND, f"There is no person {pk}.")
            elif not directory.holders.may(pk, state.datastore):
                name = directory.holders.names[pk]
                msg = f"{name} ({pk}) may not read this anomaly: that needs Viewer on its datastore."
                yield FieldError((field, place), "no_access", msg)
    for place, pk in enumerate(edit.assignees_remove):
        if pk not in directory.people:
            yield FieldError(("assignee_ids_remove", place), NOT_FOUND, f"There is no person {pk}.")
    yield from _clash("assignee_ids_add", edit.assignees_add, edit.assignees_remove)
    if len(_assignees_after(edit, state, directory.people)) > ASSIGNEES_LIMIT:
        yield FieldError(("assignee_ids",), "too_long", f"An anomaly has at most {ASSIGNEES_LIMIT} assignees.")


def _clash(field: str, added: Collection[object], removed: Collection[object]) -> Iterator[FieldError]:
    both = set(added) & set(removed)
    if both:
        yield FieldError((field,), INVALID, f"Added and removed at once: {', '.join(sorted(map(str, both)))}.")


def _duplicate_errors(edit: Edit, state: State, context: Context) -> Iterator[FieldError]:
    if edit.duplicate_of is None:
        return
    original = context.states.get(edit.duplicate_of)
    if edit.status != Anomaly.Status.DUPLICATE:
        yield FieldError(("duplicate_of",), INVALID, "Only what is archived as Duplicate is a duplicate of another anomaly.")
    elif original is None or original.deleted is not None:
        yield FieldError(("duplicate_of",), NOT_FOUND, f"There is no anomaly {edit.duplicate_of}.")
    elif original.id == state.id:
        yield FieldError(("duplicate_of",), INVALID, "An anomaly is no duplicate of itself.")
    elif original.duplicate_of is not None:
        msg = f"Anomaly {original.id} is a duplicate itself. Name its original, {original.duplicate_of}."
        yield FieldError(("duplicate_of",), INVALID, msg)
    elif state.has_duplicates:
        msg = (
            f"Others are duplicates of anomaly {state.id}. Make them duplicates of {original.id} first, or {original.id} one of {state.id}."
        )
        yield FieldError(("duplicate_of",), INVALID, msg)


def _snooze_errors(edit: Edit, state: State, context: Context) -> Iterator[FieldError]:
    snooze = edit.snooze
    if snooze is None:
        return
    if edit.status in Anomaly.ARCHIVED:
        yield FieldError(("snooze",), INVALID, "What is archived does not have to sleep.")
    if snooze.until is not None and not may_sleep_until(snooze.until, now=context.now):
        yield FieldError(("until",), INVALID, MOMENT_TO_COME)
    if snooze.count is not None and not 1 <= snooze.count <= SNOOZE_COUNT:
        yield FieldError(("count",), INVALID, f"1 to {SNOOZE_COUNT:,} more occurrences.")
    if snooze.weight is not None and snooze.weight < state.weight:
        yield FieldError(("weight",), INVALID, f"It weighs {state.weight} already, and would wake at once.")
    if snooze.back_in_band and (state.type != Anomaly.Type.METRIC or state.ended_at is not None):
        yield FieldError(("back_in_band",), INVALID, "Only the value of a series that is still out of its band can come back into it.")


def may_sleep_until(moment: datetime, *, now: datetime) -> bool:
    return now < moment <= now + timedelta(days=SNOOZE_DAYS)


def planned(edit: Edit, state: State, context: Context) -> State:
    """The anomaly as the edit, of which nothing is wrong, leaves it."""
    if edit.remove:
        return replace(state, deleted=context.now, snooze=None, snoozed_at=None, snoozed_by=None)
    status = _status_after(edit, state)
    tags = _tags_after(edit, state, context.directory.tags)
    weight = retagged(state.weight, state.weight_breakdown, points=sum(word.points for word in tags)) if edit.touches_tags else None
    total = weight.total if weight else state.weight
    return replace(
        _sleeping(edit, state, status, total, context),
        status=status,
        description=state.description if edit.description is None else edit.description,
        weight=total,
        weight_breakdown=weight.breakdown if weight else state.weight_breakdown,
        tags=tags,
        assignees=_assignees_after(edit, state, context.directory.people),
        duplicate_of=_original_after(edit, state, status),
    )


def _status_after(edit: Edit, state: State) -> str:
    if edit.status is None:
        return state.status
    is_restored = state.is_archived and edit.status in Anomaly.OPEN
    return Anomaly.Status.ACKNOWLEDGED.value if is_restored else str(edit.status)


def _original_after(edit: Edit, state: State, status: str) -> int | None:
    if status != Anomaly.Status.DUPLICATE:
        return None
    return state.duplicate_of if edit.duplicate_of is None else edit.duplicate_of


def _tags_after(edit: Edit, state: State, known: Mapping[str, Word]) -> frozenset[Word]:
    def words(names: Collection[str]) -> set[Word]:
        return {known[name] for name in names if name in known}

    kept = state.tags if edit.tags is None else words(edit.tags)
    return frozenset((kept | words(edit.tags_add)) - words(edit.tags_remove))


def _assignees_after(edit: Edit, state: State, known: Mapping[int, Named]) -> frozenset[Named]:
    def people(ids: Collection[int]) -> set[Named]:
        return {known[pk] for pk in ids if pk in known}

    kept = state.assignees if edit.assignees is None else people(edit.assignees)
    return frozenset((kept | people(edit.assignees_add)) - people(edit.assignees_remove))


def _sleeping(edit: Edit, state: State, status: str, weight: int, context: Context) -> State:
    """With the new sleep; what is archived, woken or now weighs more than it may does not sleep."""
    if edit.snooze is not None:
        state = replace(state, snooze=edit.snooze, snoozed_at=context.now, snoozed_by=context.user_id)
    is_too_heavy = state.snooze is not None and state.snooze.weight is not None and weight > state.snooze.weight
    if is_too_heavy or edit.wake or status in Anomaly.ARCHIVED:
        return replace(state, snooze=None, snoozed_at=None, snoozed_by=None)
    return state


def told(before: State, after: State) -> dict[str, tuple[object, object]]:
    """What the history says of the change: by field, before and after."""
    pairs = {
        "status": (before.status, after.status),
        "description": (before.description, after.description),
        "global_tags": (_listed(before.tags), _listed(after.tags)),
        "assignees": (_listed(before.assignees), _listed(after.assignees)),
        "weight": (before.weight, after.weight),
        "duplicate_of": (_original(before), _original(after)),
        "snooze": (_condition(before.snooze), _condition(after.snooze)),
        "deleted": (instant(before.deleted), instant(after.deleted)),
    }
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def instant(at: datetime | None) -> str | None:
    return None if at is None else iso_millis(at)


def _listed(things: Collection[Named]) -> list[dict[str, object]]:
    return [{"id": one.id, "name": one.name} for one in sorted(things, key=lambda one: (one.name, one.id))]


def _original(state: State) -> dict[str, int] | None:
    return None if state.duplicate_of is None else {"id": state.duplicate_of}


def _condition(snooze: Snooze | None) -> dict[str, object] | None:
    return None if snooze is None else snooze.condition
