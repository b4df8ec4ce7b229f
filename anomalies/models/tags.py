"""Words that people put on anomalies."""

from django.db import models

from orgs.models import Org
from orgs.querysets import OrgQuerySet


class Tag(models.Model):
    """A word that people put on anomalies; its modifier counts in their weight."""

    org = models.ForeignKey(Org, on_delete=models.CASCADE, related_name="+")
    name = models.CharField(max_length=100)
    color = models.CharField(max_length=7, default="#6b747c")
    description = models.CharField(max_length=500, blank=True)
    weight_modifier = models.SmallIntegerField(default=0)

    objects = OrgQuerySet["Tag"].as_manager()

    class Meta:
        ordering = ("name", "pk")
        constraints = (
            models.UniqueConstraint(fields=("org", "name"), name="one_tag_per_name"),
            models.CheckConstraint(condition=models.Q(weight_modifier__gte=-10, weight_modifier__lte=10), name="tag_modifier_in_range"),
        )

    def __str__(self) -> str:
        return self.name


class AnomalyTag(models.Model):
    """One tag on one anomaly."""

    org = models.ForeignKey(Org, on_delete=models.CASCADE, related_name="+", db_index=False)
    anomaly = models.ForeignKey("anomalies.Anomaly", on_delete=models.CASCADE, related_name="+", db_index=False)
    tag = models.ForeignKey(Tag, on_delete=models.CASCADE, related_name="+")

    class Meta:
        db_table = "anomalies_anomaly_global_tags"
        constraints = (models.UniqueConstraint(fields=("anomaly", "tag"), name="tagged_once"),)
        # The anomalies that carry a tag.
        indexes = (models.Index(fields=("org", "tag", "anomaly"), name="anomaly_of_tag"),)

    def __str__(self) -> str:
        return f"{self.tag_id} on {self.anomaly_id}"
