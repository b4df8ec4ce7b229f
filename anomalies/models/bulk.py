"""Changes of many anomalies: what is to be done to which set, and what became of each."""

from django.contrib.postgres.fields import ArrayField
from django.db import models

from accounts.models import User
from datastores.models import Operation
from orgs.models import Org
from orgs.querysets import OrgQuerySet


class BulkChange(models.Model):
    """A change and the set that it is for, as the set stood when it was counted. With an operation it has been started."""

    org = models.ForeignKey(Org, on_delete=models.CASCADE, related_name="+")
    user = models.ForeignKey(User, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    digest = models.BinaryField(max_length=32, null=True, unique=True, editable=False)
    query = models.TextField(blank=True, help_text="The filter by which the set was found, as in an address.")
    change = models.JSONField(default=dict)
    ids = ArrayField(models.BigIntegerField(), default=list)
    created = models.DateTimeField(auto_now_add=True)
    expires = models.DateTimeField(null=True, blank=True, help_text="Up to when it can be started.")

    operation = models.OneToOneField(Operation, null=True, blank=True, on_delete=models.CASCADE, related_name="bulk_change")
    undoes = models.OneToOneField("self", null=True, blank=True, on_delete=models.CASCADE, related_name="undone_by")

    objects = OrgQuerySet["BulkChange"].as_manager()

    class Meta:
        # Those that nobody started, to be forgotten; and old ones.
        indexes = (models.Index(fields=("org", "created"), name="bulk_change_by_age"),)

    def __str__(self) -> str:
        return f"{', '.join(self.change)} of {len(self.ids)} anomalies"


class BulkResult(models.Model):
    """What became of one anomaly in a change of many."""

    class Outcome(models.TextChoices):
        CHANGED = "changed"
        SKIPPED = "skipped"

    org = models.ForeignKey(Org, on_delete=models.CASCADE, related_name="+", db_index=False)
    bulk_change = models.ForeignKey(BulkChange, on_delete=models.CASCADE, related_name="results", db_index=False)
    # No foreign key: it outlives what was deleted.
    anomaly_id = models.BigIntegerField()
    outcome = models.CharField(max_length=8, choices=Outcome)
    code = models.CharField(max_length=32, blank=True, help_text="Why it was skipped.")
    message = models.TextField(blank=True)
    transaction_id = models.BigIntegerField(null=True, blank=True, help_text="Of its line in the history.")

    objects = OrgQuerySet["BulkResult"].as_manager()

    class Meta:
        ordering = ("pk",)
        # Also the results of one change, in order; an index finds the skipped among them.
        constraints = (models.UniqueConstraint(fields=("bulk_change", "anomaly_id"), name="one_result_per_anomaly"),)
        indexes = (models.Index(fields=("bulk_change", "outcome", "anomaly_id"), name="bulk_result_by_outcome"),)

    def __str__(self) -> str:
        return f"{self.anomaly_id}: {self.outcome} {self.code}"
