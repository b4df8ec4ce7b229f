"""What happened to an anomaly, entry by entry."""

from django.db import models

from accounts.models import User
from anomalies.models.anomalies import Anomaly
from orgs.models import Org


class Change(models.Model):
    """One entry of an anomaly's history: who changed what, from what to what. Never altered, never deleted."""

    # The database deletes the history of an anomaly that is gone for good, and a trigger refuses every other deletion: see migration 0003.
    org = models.ForeignKey(Org, on_delete=models.DO_NOTHING, related_name="+")
    anomaly = models.ForeignKey(Anomaly, on_delete=models.DO_NOTHING, related_name="changes")
    transaction_id = models.BigIntegerField(help_text="Shared by everything that one call changed.")
    user = models.ForeignKey(User, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    actor = models.CharField(max_length=64, help_text="`user`, or the part of the system that did it.")
    timestamp = models.DateTimeField()
    changeset = models.JSONField(help_text="{field: [before, after]}")

    class Meta:
        ordering = ("timestamp", "pk")
        # The history of one anomaly, in order.
        indexes = (models.Index(fields=("anomaly", "timestamp", "id"), name="change_of_anomaly"),)

    def __str__(self) -> str:
        return f"{self.timestamp:%Y-%m-%d %H:%M} {', '.join(self.changeset)}"
