"""Housekeeping: what becomes of anomalies that nobody has touched for long."""

from datetime import timedelta
from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models

from accounts.models import User
from anomalies.models.anomalies import Anomaly
from anomalies.models.tags import Tag
from anomalies.querysets import FlowQuerySet
from datastores.models import Datastore, Operation
from orgs.models import Org


class Flow(models.Model):
    """A rule of an org, applied once a day: anomalies without a change or comment for so long are archived, or deleted for good."""

    class Action(models.TextChoices):
        ARCHIVE = "archive", "Archive"
        DELETE = "delete", "Delete for good"

    class Inactivity(models.TextChoices):
        WEEK = "week"
        MONTH = "month"
        QUARTER = "quarter"
        YEAR = "year"

    DAYS: ClassVar = {Inactivity.WEEK: 7, Inactivity.MONTH: 30, Inactivity.QUARTER: 91, Inactivity.YEAR: 365}
    # A duplicate needs its original, which no rule knows.
    REASONS: ClassVar = (Anomaly.Status.RESOLVED, Anomaly.Status.INVALID, Anomaly.Status.DISCARDED)

    org = models.ForeignKey(Org, on_delete=models.CASCADE, related_name="+")
    name = models.CharField(max_length=100)
    is_active = models.BooleanField(default=True)
    action = models.CharField(max_length=8, choices=Action)
    inactivity = models.CharField(max_length=8, choices=Inactivity)

    statuses = ArrayField(
        models.CharField(max_length=16), default=list, blank=True, help_text="Which ones; empty: all that the action takes."
    )
    datastores: "models.ManyToManyField[Datastore, models.Model]" = models.ManyToManyField(
        Datastore, blank=True, related_name="+", help_text="Where; none: everywhere."
    )
    tags: "models.ManyToManyField[Tag, models.Model]" = models.ManyToManyField(
        Tag, blank=True, related_name="+", help_text="Only anomalies with any of these; none: all."
    )

    archive_status = models.CharField(max_length=16, blank=True, help_text="The reason for archiving.")
    extra_tags: "models.ManyToManyField[Tag, models.Model]" = models.ManyToManyField(
        Tag, blank=True, related_name="+", help_text="Put on what is archived."
    )
    comment = models.TextField(blank=True, help_text="Left on what is archived.")

    created = models.DateTimeField(auto_now_add=True)
    updated = models.DateTimeField(auto_now=True)
    last_run = models.DateTimeField(null=True, blank=True)

    objects = FlowQuerySet.as_manager()

    class Meta:
        ordering = ("name", "pk")
        constraints = (models.UniqueConstraint(fields=("org", "name"), name="one_flow_per_name"),)
        # What the clock looks for.
        indexes = (models.Index(fields=("last_run",), condition=models.Q(is_active=True), name="flow_due"),)

    def __str__(self) -> str:
        return self.name

    @property
    def inactive_for(self) -> timedelta:
        return timedelta(days=self.DAYS[self.Inactivity(self.inactivity)])


class FlowEntry(models.Model):
    """One line of a flow's history: it was changed, or it ran."""

    org = models.ForeignKey(Org, on_delete=models.CASCADE, related_name="+")
    flow = models.ForeignKey(Flow, on_delete=models.CASCADE, related_name="entries")
    timestamp = models.DateTimeField()
    user = models.ForeignKey(User, null=True, blank=True, on_delete=models.SET_NULL, related_name="+", help_text="Empty: the clock.")
    changeset = models.JSONField(default=dict, help_text="{field: [before, after]}; empty for a run.")
    operation = models.OneToOneField(Operation, null=True, blank=True, on_delete=models.SET_NULL, related_name="flow_entry")

    class Meta:
        ordering = ("-timestamp", "-pk")
        verbose_name_plural = "flow entries"
        # The history of one flow, newest first.
        indexes = (models.Index(fields=("flow", "-timestamp", "-id"), name="entry_of_flow"),)

    def __str__(self) -> str:
        return f"{self.timestamp:%Y-%m-%d %H:%M} {', '.join(self.changeset) or 'ran'}"
