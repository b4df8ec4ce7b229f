"""What is archived is only read."""

from anomalies.models import Anomaly
from anomalies.services.edits import RESTORE_FIRST
from orgs.errors import Archived, NotFound


def refuse_archived(anomaly: Anomaly) -> None:
    """Raises Archived for an archived anomaly, NotFound for one that is gone; what it is stays so until the transaction ends."""
    now = Anomaly.objects.select_for_update(no_key=True).only("status").filter(pk=anomaly.pk).first()
    if now is None:
        raise NotFound("This anomaly was deleted, with its series or datastore.")
    if now.is_archived:
        raise Archived(RESTORE_FIRST)
