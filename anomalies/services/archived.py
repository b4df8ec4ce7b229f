"""What is archived is only read."""

from anomalies.models import Anomaly
from anomalies.services.edits import RESTORE_FIRST
from orgs.errors import Archived


def refuse_archived(anomaly: Anomaly) -> None:
    """Raises Archived for an archived anomaly; whether it is one stays as it is until the transaction ends."""
    now = Anomaly.objects.select_for_update(no_key=True).only("status").get(pk=anomaly.pk)
    if now.is_archived:
        raise Archived(RESTORE_FIRST)
