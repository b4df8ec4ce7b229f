"""What people do with an anomaly. Whether they may is checked by the caller; whether the anomaly's state allows it, here."""

from datetime import datetime
from typing import Final

from django.db import transaction
from django.utils import timezone

from accounts.models import User
from anomalies.models import Anomaly
from anomalies.services.history import USER, Line, write_history
from orgs.errors import Archived, FieldError, Invalid, StaleState, StaleVersion

DESCRIPTION_LIMIT: Final = 10_000


def change_anomaly(
    anomaly: Anomaly, *, user: User, status: str | None = None, description: str | None = None, version: datetime | None = None
) -> Anomaly:
    """The anomaly with its new status and description; None leaves a field as it is, and changing nothing writes nothing.

    A status sent for an archived anomaly restores it, and always to Acknowledged: somebody has seen it. With `version`, the change
    happens only while `updated` is exactly that.

    Raises Invalid for values that nobody may set, Archived for another change of an archived anomaly, StaleVersion when `version`
    is no longer the newest, StaleState when somebody else changed the status or a field in question after `anomaly` was read.
    """
    check_values(status=status, description=description)
    if anomaly.is_archived and status is None:
        raise Archived("The anomaly is archived. Restore it first, by setting its status to Acknowledged.")
    wanted: dict[str, str] = {}
    if status is not None:
        wanted["status"] = Anomaly.Status.ACKNOWLEDGED if anomaly.is_archived else status
    if description is not None:
        wanted["description"] = description
    return apply(anomaly, wanted, user=user, version=version)


def archive_anomaly(anomaly: Anomaly, *, user: User, status: str, version: datetime | None = None) -> Anomaly:
    """The anomaly, archived for one of the four reasons; an archived one is classified anew.

    While it lasts, nothing that its series does changes it any more, but for its end; if that grows much worse, a new one is opened.

    Raises Invalid for a status that is no reason, StaleVersion and StaleState as `change_anomaly` does.
    """
    if status not in Anomaly.ARCHIVED:
        reasons = ", ".join(Anomaly.ARCHIVED)
        raise Invalid("That is no reason to archive.", errors=[FieldError(("body", "status"), "invalid_choice", f"Use one of {reasons}.")])
    return apply(anomaly, {"status": status}, user=user, version=version)


def close_anomaly(anomaly: Anomaly, *, user: User) -> Anomaly:
    """The anomaly, archived as resolved. Raises as `archive_anomaly` does."""
    return archive_anomaly(anomaly, user=user, status=Anomaly.Status.RESOLVED)


def mark_seen(anomaly: Anomaly) -> None:
    """A person has opened it. No change of the anomaly itself: no history, and its version stays."""
    if anomaly.is_new:
        Anomaly.objects.filter(pk=anomaly.pk, org=anomaly.org_id, is_new=True).update(is_new=False)
        anomaly.is_new = False


def check_values(*, status: str | None, description: str | None) -> None:
    errors = []
    if status is not None and status not in Anomaly.OPEN:
        errors.append(FieldError(("body", "status"), "invalid_choice", f"Use {' or '.join(Anomaly.OPEN)}. Archiving is a DELETE."))
    if description is not None and len(description) > DESCRIPTION_LIMIT:
        errors.append(FieldError(("body", "description"), "too_long", f"At most {DESCRIPTION_LIMIT} characters."))
    if description is not None and "\0" in description:
        errors.append(FieldError(("body", "description"), "invalid", "No NUL characters."))
    if errors:
        raise Invalid("The anomaly was not changed.", errors=errors)


@transaction.atomic
def apply(anomaly: Anomaly, wanted: dict[str, str], *, user: User, version: datetime | None) -> Anomaly:
    """Compare-and-set of the fields that differ, with their line of history."""
    changed = {field: (getattr(anomaly, field), value) for field, value in wanted.items() if getattr(anomaly, field) != value}
    unchanged = Anomaly.objects.for_org(anomaly.org_id).filter(pk=anomaly.pk, deleted=None)
    if version is not None and not unchanged.filter(updated=version).select_for_update().exists():
        raise StaleVersion("The anomaly was changed after the version that If-Match names.")
    if not changed:
        return anomaly
    now = timezone.now()
    after = {field: value for field, (_, value) in changed.items()} | {"is_new": False, "updated": now}
    # The status always: what may be changed at all depends on it.
    before = {"status": anomaly.status} | {field: old for field, (old, _) in changed.items()}
    if unchanged.filter(**before).update(**after) != 1:
        raise StaleState("Somebody else changed the anomaly at the same time. Look at it again.")
    write_history([Line(anomaly.org_id, anomaly.pk, changed)], actor=USER, user=user, at=now)
    for field, value in after.items():
        setattr(anomaly, field, value)
    return anomaly
