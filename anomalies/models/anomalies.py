"""The anomaly: one life for a spike in a series, a wrong row and a broken table, and its history."""

import uuid
from typing import ClassVar

from django.db import models

from accounts.models import User
from anomalies.querysets import AnomalyQuerySet
from datastores.models import Container, Datastore
from metrics.models import Metric
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


class Anomaly(models.Model):
    """One occurrence of a problem: an excursion of a series, a wrong row, or a table out of shape."""

    class Type(models.TextChoices):
        METRIC = "metric", "metric"
        RECORD = "record", "record"
        SHAPE = "shape", "shape"

    class Status(models.TextChoices):
        ACTIVE = "Active", "Active"
        ACKNOWLEDGED = "Acknowledged", "Acknowledged"
        RESOLVED = "Resolved", "Resolved"
        DUPLICATE = "Duplicate", "Duplicate"
        INVALID = "Invalid", "Invalid"
        DISCARDED = "Discarded", "Discarded"

    OPEN: ClassVar = (Status.ACTIVE, Status.ACKNOWLEDGED)
    ARCHIVED: ClassVar = (Status.RESOLVED, Status.DUPLICATE, Status.INVALID, Status.DISCARDED)

    org = models.ForeignKey(Org, on_delete=models.CASCADE, related_name="+")
    uuid = models.UUIDField(unique=True, default=uuid.uuid4, editable=False)
    type = models.CharField(max_length=8, choices=Type)
    status = models.CharField(max_length=16, choices=Status, default=Status.ACTIVE)
    is_new = models.BooleanField(default=True, help_text="Nobody has opened or changed it yet.")
    weight = models.IntegerField(default=1)
    weight_breakdown = models.JSONField(default=dict, blank=True, help_text="The parts that add up to the weight.")
    message = models.TextField(help_text="The sentence that says what is wrong, written by the detector or the scan.")
    description = models.TextField(blank=True, help_text="What people add to it.")
    fingerprint = models.BigIntegerField(null=True, blank=True, help_text="The problem of which this is one occurrence; below 2^53.")
    created = models.DateTimeField(help_text="When it was detected.")
    updated = models.DateTimeField(auto_now=True)
    deleted = models.DateTimeField(null=True, blank=True)

    datastore = models.ForeignKey(Datastore, on_delete=models.CASCADE, related_name="anomalies")
    container = models.ForeignKey(Container, null=True, blank=True, on_delete=models.CASCADE, related_name="anomalies")
    partition_scan_id = models.BigIntegerField(null=True, blank=True, help_text="The scan of a partition that found it.")
    anomalous_records_count = models.PositiveBigIntegerField(null=True, blank=True)
    source_enriched = models.BooleanField(default=False)

    global_tags = models.ManyToManyField(Tag, blank=True, related_name="anomalies")
    assignees = models.ManyToManyField(User, blank=True, related_name="assigned_anomalies")

    # Type metric only; null in the others.
    metric = models.ForeignKey(Metric, null=True, blank=True, on_delete=models.CASCADE, related_name="anomalies")
    kind = models.CharField(max_length=24, blank=True, help_text="What the detector saw: spike, level shift, silence...")
    episode_at = models.DateTimeField(null=True, blank=True, help_text="When the detector's episode began; a sequel starts later.")
    started_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    peak_at = models.DateTimeField(null=True, blank=True)
    peak_value = models.FloatField(null=True, blank=True)
    expected = models.FloatField(null=True, blank=True)
    expected_lower = models.FloatField(null=True, blank=True)
    expected_upper = models.FloatField(null=True, blank=True)
    score = models.FloatField(null=True, blank=True, help_text="0 to 100.")
    direction = models.CharField(max_length=4, blank=True, choices=(("up", "up"), ("down", "down")))
    detectors = models.JSONField(default=list, blank=True, help_text="Which detectors fired, strongest first: name and score.")
    is_backfilled = models.BooleanField(default=False, help_text="Found in imported history: recorded, alerts nobody.")

    objects = AnomalyQuerySet.as_manager()

    class Meta:
        ordering = ("-created", "-weight", "-pk")
        verbose_name_plural = "anomalies"
        constraints = (
            # Detection may run twice over the same points; the same excursion is one row.
            models.UniqueConstraint(
                fields=("metric", "kind", "started_at"), condition=models.Q(type="metric"), name="one_anomaly_per_excursion"
            ),
            models.CheckConstraint(
                condition=~models.Q(type="metric") | models.Q(metric__isnull=False, started_at__isnull=False),
                name="metric_anomaly_has_a_metric",
            ),
            models.CheckConstraint(
                condition=models.Q(fingerprint=None) | models.Q(fingerprint__gte=0, fingerprint__lt=2**53),
                name="fingerprint_is_exact_in_json",
            ),
        )
        indexes = (
            # The inbox and the API's default list: one status, default order.
            models.Index(fields=("org", "status", "-created", "-weight", "-id"), name="anomaly_inbox"),
            # The list that shows what is open, of whichever status; a member's datastores are looked up in the index as well.
            models.Index(
                fields=("org", "-created", "-weight", "-id"),
                include=("datastore",),
                condition=models.Q(deleted=None, status__in=("Active", "Acknowledged")),
                name="anomaly_open",
            ),
            # The same list with archived ones.
            models.Index(fields=("org", "-created", "-weight", "-id"), include=("datastore", "status"), name="anomaly_all"),
            # A series' anomalies, newest first: the metric page and the worker's open episodes.
            models.Index(fields=("org", "metric", "-started_at"), name="anomaly_of_metric"),
            # Related anomalies: the same problem again.
            models.Index(fields=("org", "fingerprint"), name="anomaly_fingerprint"),
        )

    def __str__(self) -> str:
        return f"#{self.pk} {self.message[:80]}"

    @property
    def is_archived(self) -> bool:
        return self.status in self.ARCHIVED


class FailedCheck(models.Model):
    """A check that an anomaly violates: rule, message and, where known, what would mend it."""

    org = models.ForeignKey(Org, on_delete=models.CASCADE, related_name="+")
    anomaly = models.ForeignKey(Anomaly, on_delete=models.CASCADE, related_name="failed_checks")
    rule_type = models.CharField(max_length=64)
    message = models.TextField()
    suggested_field = models.CharField(max_length=500, blank=True)
    suggested_value = models.TextField(blank=True)
    suggested_score = models.FloatField(null=True, blank=True)

    class Meta:
        ordering = ("pk",)

    def __str__(self) -> str:
        return self.message[:80]


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
