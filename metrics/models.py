"""Series: their names, and what the detector has learned about them. Points are in `metrics/points.py`."""

import hashlib

from django.core.validators import MaxLengthValidator
from django.db import models
from django.db.models.functions import Left

from datastores.models import Datastore
from metrics.querysets import MetricQuerySet
from orgs.models import Org

NAME_LIMIT = 4096


def name_digest(name: str) -> bytes:
    """16 bytes that stand for a series name in the unique index: a name of 4096 characters does not fit a B-tree page."""
    return hashlib.blake2b(name.encode(), digest_size=16).digest()


class Metric(models.Model):
    """One series of points under one name in one datastore."""

    class Kind(models.TextChoices):
        UNKNOWN = "unknown", "not known yet"
        GAUGE = "gauge", "gauge"
        COUNTER = "counter", "counter"

    class State(models.TextChoices):
        LEARNING = "learning", "learning"
        ACTIVE = "active", "active"

    class Sensitivity(models.TextChoices):
        LOW = "low", "low"
        NORMAL = "normal", "normal"
        HIGH = "high", "high"

    org = models.ForeignKey(Org, on_delete=models.CASCADE, related_name="+")
    datastore = models.ForeignKey(Datastore, on_delete=models.CASCADE, related_name="metrics")
    name = models.TextField(validators=[MaxLengthValidator(NAME_LIMIT)])
    digest = models.BinaryField(max_length=16, editable=False)
    labels = models.JSONField(default=dict, help_text="Label names and values, for series that came with labels.")
    sensitivity = models.CharField(max_length=8, choices=Sensitivity, default=Sensitivity.NORMAL)
    created = models.DateTimeField(auto_now_add=True)

    # Learned by the detector and written in batches, so a few minutes old at most.
    kind = models.CharField(max_length=8, choices=Kind, default=Kind.UNKNOWN)
    state = models.CharField(max_length=16, choices=State, default=State.LEARNING)
    is_stale = models.BooleanField(default=False)
    resolution_s = models.FloatField(null=True, blank=True)
    period_s = models.FloatField(null=True, blank=True, help_text="The season that was found, if any.")
    last_at = models.DateTimeField(null=True, blank=True)
    last_value = models.FloatField(null=True, blank=True)

    objects = MetricQuerySet.as_manager()

    class Meta:
        ordering = ("name", "pk")
        constraints = (
            models.UniqueConstraint(fields=("datastore", "digest"), name="one_metric_per_name"),
            models.CheckConstraint(condition=~models.Q(name=""), name="metric_has_a_name"),
        )
        indexes = (
            # The metric list: an org's series by name, a page at a time. Only the first 200 characters: a whole name may not fit an index page.
            models.Index("org", Left("name", 200), "id", name="metric_by_name"),
            # "Series with trouble" on the overview.
            models.Index(fields=("org", "is_stale"), condition=models.Q(is_stale=True), name="metric_stale"),
            # "What is learning" on the overview.
            models.Index(fields=("org", "state"), condition=models.Q(state="learning"), name="metric_learning"),
        )

    def __str__(self) -> str:
        return self.name if len(self.name) <= 120 else f"{self.name[:119]}…"
