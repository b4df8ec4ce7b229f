"""The anomaly: one life for a spike in a series, a wrong row and a broken table."""

import uuid
from typing import ClassVar

from django.db import models

from accounts.models import User
from anomalies.models.tags import AnomalyTag, Tag
from anomalies.querysets import AnomalyQuerySet
from datastores.models import Container, Datastore
from metrics.models import Metric
from orgs.models import Org

AWAKE = models.Q(snoozed_at=None, snooze_until=None, snooze_count=None, snooze_weight=None, snooze_back_in_band=False)
ASLEEP = models.Q(snoozed_at__isnull=False) & (
    models.Q(snooze_until__isnull=False, snooze_count=None, snooze_weight=None, snooze_back_in_band=False)
    | models.Q(snooze_until=None, snooze_count__isnull=False, snooze_weight=None, snooze_back_in_band=False)
    | models.Q(snooze_until=None, snooze_count=None, snooze_weight__isnull=False, snooze_back_in_band=False)
    | models.Q(snooze_until=None, snooze_count=None, snooze_weight=None, snooze_back_in_band=True)
)
# What lists filter and sort by, beside the keys of their indexes.
LISTED = (
    "status", "datastore", "type", "container", "metric", "snoozed_at", "score", "anomalous_records_count", "source_enriched", "kind",
    "direction", "started_at", "is_backfilled",
)  # fmt: skip
STANDING_OPEN = models.Q(deleted=None, status__in=("Active", "Acknowledged"))


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

    org = models.ForeignKey(Org, on_delete=models.CASCADE, related_name="+", db_index=False)
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

    # No index of its own: the planner takes a few large datastores for many small ones, and would read the list by it.
    datastore = models.ForeignKey(Datastore, on_delete=models.CASCADE, related_name="anomalies", db_index=False)
    container = models.ForeignKey(Container, null=True, blank=True, on_delete=models.CASCADE, related_name="anomalies")
    container_scan_id = models.BigIntegerField(null=True, blank=True, help_text="The scan of a container that found it.")
    partition_scan_id = models.BigIntegerField(null=True, blank=True, help_text="The part of that scan, of one partition, that found it.")
    anomalous_records_count = models.PositiveBigIntegerField(null=True, blank=True)
    source_enriched = models.BooleanField(default=False)

    global_tags: "models.ManyToManyField[Tag, AnomalyTag]" = models.ManyToManyField(
        Tag, through="AnomalyTag", blank=True, related_name="anomalies"
    )
    assignees: "models.ManyToManyField[User, AnomalyAssignee]" = models.ManyToManyField(
        User, through="AnomalyAssignee", blank=True, related_name="assigned_anomalies"
    )
    duplicate_of = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.SET_NULL, related_name="duplicates", db_index=False,
        help_text="The anomaly that this one, archived as Duplicate, is another record of.",
    )  # fmt: skip

    # Asleep while `snoozed_at` is set: out of the list and of notifications until its one condition ends.
    snoozed_at = models.DateTimeField(null=True, blank=True)
    snoozed_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.SET_NULL, related_name="+", db_index=False)
    snooze_until = models.DateTimeField(null=True, blank=True, help_text="Sleeps up to this moment.")
    snooze_count = models.PositiveIntegerField(null=True, blank=True, help_text="Sleeps for so many more occurrences of the same problem.")
    snooze_weight = models.IntegerField(null=True, blank=True, help_text="Sleeps until it weighs more than this.")
    snooze_back_in_band = models.BooleanField(
        default=False, db_default=False, help_text="Sleeps until the value is back where it was expected."
    )

    # The tombstone of one that was deleted for good: what it said is gone, its history stays.
    deleted = models.DateTimeField(null=True, blank=True)
    deleted_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.SET_NULL, related_name="+", db_index=False)

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
            models.CheckConstraint(condition=AWAKE | ASLEEP, name="asleep_until_one_condition_ends"),
            models.CheckConstraint(condition=models.Q(duplicate_of=None) | models.Q(status="Duplicate"), name="only_a_duplicate_is_one_of"),
            models.CheckConstraint(condition=~models.Q(duplicate_of=models.F("pk")), name="no_duplicate_of_itself"),
        )
        indexes = (
            # What is open, newest first: the default list. All that lists filter and sort by is in it, so that a list reads nothing else;
            # what stands in its rows is then read for one page.
            models.Index(fields=("org", "-created", "-weight", "-id"), include=LISTED, condition=STANDING_OPEN, name="anomaly_list_open"),
            # The same, heaviest first.
            models.Index(
                fields=("org", "-weight", "-created", "-id"), include=LISTED, condition=STANDING_OPEN, name="anomaly_list_heaviest"
            ),
            # The same with the archived, newest first.
            models.Index(fields=("org", "-created", "-weight", "-id"), include=(*LISTED, "deleted"), name="anomaly_list_all"),
            # The search: an index of trigrams, `anomaly_search`, which a migration makes together with the function that may use it.
            # A series' anomalies, newest first: the metric page and the worker's open episodes.
            models.Index(fields=("org", "metric", "-started_at"), name="anomaly_of_metric"),
            # Related anomalies: the same problem again.
            models.Index(fields=("org", "fingerprint"), name="anomaly_fingerprint"),
            # The copies of an anomaly, in its detail.
            models.Index(fields=("duplicate_of",), condition=models.Q(duplicate_of__isnull=False), name="anomaly_duplicates"),
            # Whose sleep or deletion is a person's, when that person is erased.
            models.Index(fields=("snoozed_by",), condition=models.Q(snoozed_by__isnull=False), name="anomaly_snoozed_by"),
            models.Index(fields=("deleted_by",), condition=models.Q(deleted_by__isnull=False), name="anomaly_deleted_by"),
            # Who sleeps: the list of them, and those whose time has come.
            models.Index(fields=("org", "snooze_until", "id"), condition=models.Q(snoozed_at__isnull=False), name="anomaly_asleep"),
            # How many are in each state, beside the list, and the latest of all: `anomalies/state_counts.py`.
            models.Index(
                fields=("org", "status", "-id"),
                include=("datastore", "snoozed_at"),
                condition=models.Q(deleted=None),
                name="anomaly_by_state",
            ),
            # What one scan found.
            models.Index(
                fields=("org", "container_scan_id", "id"), condition=models.Q(container_scan_id__isnull=False), name="anomaly_of_scan"
            ),
            models.Index(
                fields=("org", "partition_scan_id", "id"), condition=models.Q(partition_scan_id__isnull=False), name="anomaly_of_partition"
            ),
        )

    def __str__(self) -> str:
        return f"#{self.pk} {self.message[:80]}"

    @property
    def is_archived(self) -> bool:
        return self.status in self.ARCHIVED

    @property
    def is_asleep(self) -> bool:
        return self.snoozed_at is not None


class AnomalyAssignee(models.Model):
    """One person who looks after one anomaly."""

    org = models.ForeignKey(Org, on_delete=models.CASCADE, related_name="+", db_index=False)
    anomaly = models.ForeignKey(Anomaly, on_delete=models.CASCADE, related_name="+", db_index=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")

    class Meta:
        db_table = "anomalies_anomaly_assignees"
        constraints = (models.UniqueConstraint(fields=("anomaly", "user"), name="assigned_once"),)
        # Somebody's anomalies, and those of nobody.
        indexes = (models.Index(fields=("org", "user", "anomaly"), name="anomaly_of_assignee"),)

    def __str__(self) -> str:
        return f"{self.user_id} on {self.anomaly_id}"
