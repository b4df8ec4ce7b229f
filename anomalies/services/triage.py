"""What people do with one anomaly, in verbs. Whether they may is checked by the caller; whether the anomaly's state allows it, here.

Each verb raises Archived for a change that an archived anomaly does not take, Invalid for values that do not do, StaleState when somebody
else changed the status or a field in question after `anomaly` was read, StaleVersion for an edit that has `seen` another `updated`.
"""

from collections.abc import Mapping
from typing import Final

from accounts.models import User
from anomalies.models import Anomaly
from anomalies.services import edits
from anomalies.services.changes import edit_anomalies
from anomalies.services.edits import CHANGED_MEANWHILE, RESTORE_FIRST, Edit, Outcome, Snooze
from orgs.errors import Archived, Conflict, DomainError, FieldError, Invalid, StaleState, StaleVersion

# What a refusal is, when one anomaly alone is concerned; of all other codes, a value that does not do.
REFUSALS: Final[Mapping[str, type[DomainError]]] = {
    edits.ARCHIVED: Archived,
    edits.NOT_ARCHIVED: Conflict,
    edits.STALE: StaleState,
}


def do_edit(org_id: int, edit: Edit, *, user: User) -> Outcome:
    """Does one edit. What `edit.seen` names must still be as it says."""
    outcome = edit_anomalies(org_id, [edit], user=user, strict=False)
    if outcome.refused:
        raise _refusal(outcome.refused[0])
    return outcome


def edit_anomaly(anomaly: Anomaly, edit: Edit, *, user: User) -> Outcome:
    """As `do_edit`, and brings `anomaly` up to date."""
    outcome = do_edit(anomaly.org_id, edit, user=user)
    if outcome.changed and not edit.remove:
        anomaly.refresh_from_db()
    return outcome


def _refusal(errors: tuple[FieldError, ...]) -> DomainError:
    first = errors[0]
    if first.code == edits.NOT_FOUND and first.loc[-1] == "id":
        return StaleState(CHANGED_MEANWHILE)
    if first.code == edits.STALE and first.loc[-1] == "updated":
        return StaleVersion("The anomaly was changed after the version that If-Match names.")
    if (kind := REFUSALS.get(first.code)) is not None:
        return kind(first.msg)
    return Invalid("The anomaly was not changed.", errors=errors)


def seen_of(anomaly: Anomaly, *fields: str) -> dict[str, object]:
    """The status, which decides what may be changed at all, and `fields`, as the caller has read them."""
    return {field: getattr(anomaly, field) for field in ("status", *fields)}


def change_anomaly(anomaly: Anomaly, *, user: User, status: str | None = None, description: str | None = None) -> Anomaly:
    """The anomaly with its new status and description; None leaves a field as it is, and changing nothing writes nothing.

    A status sent for an archived anomaly restores it, and always to Acknowledged: somebody has seen it.
    """
    if status is not None and status not in Anomaly.OPEN:
        msg = f"Use {' or '.join(Anomaly.OPEN)}. Archiving is a DELETE."
        raise Invalid("The anomaly was not changed.", errors=[FieldError(("body", "status"), "invalid_choice", msg)])
    seen = seen_of(anomaly, *(("description",) if description is not None else ()))
    edit_anomaly(anomaly, Edit(anomaly_id=anomaly.pk, status=status, description=description, seen=seen), user=user)
    return anomaly


def archive_anomaly(anomaly: Anomaly, *, user: User, status: str) -> Anomaly:
    """The anomaly, archived for one of the four reasons; an archived one is classified anew.

    While it lasts, nothing that its series does changes it any more, but for its end; if that grows much worse, a new one is opened.
    """
    if status not in Anomaly.ARCHIVED:
        reasons = ", ".join(Anomaly.ARCHIVED)
        raise Invalid("That is no reason to archive.", errors=[FieldError(("body", "status"), "invalid_choice", f"Use one of {reasons}.")])
    edit_anomaly(anomaly, Edit(anomaly_id=anomaly.pk, status=status, seen=seen_of(anomaly)), user=user)
    return anomaly


def close_anomaly(anomaly: Anomaly, *, user: User) -> Anomaly:
    """The anomaly, archived as resolved."""
    return archive_anomaly(anomaly, user=user, status=Anomaly.Status.RESOLVED)


def restore_anomaly(anomaly: Anomaly, *, user: User) -> Anomaly:
    """The archived anomaly, acknowledged. Raises Conflict for one that is open."""
    if not anomaly.is_archived:
        raise Conflict("The anomaly is not archived.")
    return change_anomaly(anomaly, user=user, status=Anomaly.Status.ACKNOWLEDGED)


def snooze_anomaly(anomaly: Anomaly, snooze: Snooze, *, user: User) -> Anomaly:
    """The anomaly, asleep; one that sleeps already sleeps as `snooze` says from now on."""
    edit_anomaly(anomaly, Edit(anomaly_id=anomaly.pk, snooze=snooze, seen=seen_of(anomaly)), user=user)
    return anomaly


def wake_anomaly(anomaly: Anomaly, *, user: User) -> Anomaly:
    """The anomaly, awake."""
    if anomaly.is_archived:
        raise Archived(RESTORE_FIRST)
    edit_anomaly(anomaly, Edit(anomaly_id=anomaly.pk, wake=True), user=user)
    return anomaly


def unmark_duplicate(anomaly: Anomaly, *, user: User) -> Anomaly:
    """The anomaly, restored and no longer a duplicate of another. Raises Conflict for one that is none."""
    if anomaly.duplicate_of_id is None:
        raise Conflict("The anomaly is not marked as a duplicate of another.")
    return restore_anomaly(anomaly, user=user)


def mark_seen(anomaly: Anomaly) -> None:
    """A person has opened it. No change of the anomaly itself: no history, and its version stays."""
    if anomaly.is_new:
        Anomaly.objects.filter(pk=anomaly.pk, org=anomaly.org_id, is_new=True).update(is_new=False)
        anomaly.is_new = False
