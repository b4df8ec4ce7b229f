"""What an anomaly violates."""

from django.db import models

from anomalies.models.anomalies import Anomaly
from orgs.models import Org


class FailedCheck(models.Model):
    """A check that an anomaly violates: rule, message and, where known, what would mend it."""

    org = models.ForeignKey(Org, on_delete=models.CASCADE, related_name="+")
    anomaly = models.ForeignKey(Anomaly, on_delete=models.CASCADE, related_name="failed_checks")
    quality_check_id = models.BigIntegerField(null=True, blank=True, help_text="The check; null for one that nobody keeps any more.")
    rule_type = models.CharField(max_length=64)
    description = models.TextField(blank=True, db_default="", default="", help_text="What the check asserts, as it was when it failed.")
    message = models.TextField()
    suggested_field = models.CharField(max_length=500, blank=True)
    suggested_value = models.TextField(blank=True)
    suggested_score = models.FloatField(null=True, blank=True)

    class Meta:
        ordering = ("pk",)
        indexes = (
            # The anomalies that violate a rule, and those that violate a check.
            models.Index(fields=("org", "rule_type", "anomaly"), name="anomaly_of_rule"),
            models.Index(
                fields=("org", "quality_check_id", "anomaly"), condition=models.Q(quality_check_id__isnull=False), name="anomaly_of_check"
            ),
        )

    def __str__(self) -> str:
        return self.message[:80]


class FailedField(models.Model):
    """One field that a failed check is about."""

    org = models.ForeignKey(Org, on_delete=models.CASCADE, related_name="+", db_index=False)
    anomaly = models.ForeignKey(Anomaly, on_delete=models.CASCADE, related_name="failed_fields")
    failed_check = models.ForeignKey(FailedCheck, on_delete=models.CASCADE, related_name="fields")
    name = models.CharField(max_length=500)

    class Meta:
        ordering = ("pk",)
        constraints = (models.UniqueConstraint(fields=("failed_check", "name"), name="field_once_in_a_failed_check"),)
        # The anomalies in which a field is wrong.
        indexes = (models.Index(fields=("org", "name", "anomaly"), name="anomaly_of_field"),)

    def __str__(self) -> str:
        return self.name
