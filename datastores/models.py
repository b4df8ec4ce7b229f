"""Where data lives, who may do what there, and the long work done on it."""

from datetime import datetime, timedelta
from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models

from accounts.models import Level, Team, User
from datastores.querysets import AuditQuerySet, DatastoreQuerySet, OperationQuerySet
from orgs.models import Org
from orgs.querysets import OrgQuerySet


class Datastore(models.Model):
    """One place that holds data; team levels are granted on it."""

    class Type(models.TextChoices):
        METRICS = "metrics", "Metrics"
        FILES = "files", "Files"

    org = models.ForeignKey(Org, on_delete=models.CASCADE, related_name="datastores")
    name = models.CharField(max_length=200)
    type = models.CharField(max_length=32, choices=Type, default=Type.METRICS)
    created = models.DateTimeField(auto_now_add=True)

    objects = DatastoreQuerySet.as_manager()

    class Meta:
        ordering = ("name", "pk")
        constraints = (models.UniqueConstraint(fields=("org", "name"), name="one_datastore_per_name"),)

    def __str__(self) -> str:
        return self.name


class TeamAccess(models.Model):
    """The level that a team has on a datastore. A person's level is the highest of their teams'."""

    org = models.ForeignKey(Org, on_delete=models.CASCADE, related_name="+")
    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="access")
    datastore = models.ForeignKey(Datastore, on_delete=models.CASCADE, related_name="access")
    level = models.PositiveSmallIntegerField(choices=Level)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("team", "datastore"), name="one_level_per_team_and_datastore"),)
        verbose_name_plural = "team access"

    def __str__(self) -> str:
        return f"{self.team_id} is {self.get_level_display()} on {self.datastore_id}"


class Operation(models.Model):
    """One piece of long work that a person started, or a flow: its progress, its end, what came of it."""

    class Kind(models.TextChoices):
        IMPORT = "import", "Import of points"
        BULK = "bulk", "Change of many anomalies"
        UNDO = "undo", "Change of many anomalies, undone"
        FLOW = "flow", "Housekeeping flow"

    class Status(models.TextChoices):
        WAITING = "waiting"
        RUNNING = "running"
        SUCCESS = "success"
        FAILURE = "failure"
        ABORTED = "aborted"

    UNFINISHED: ClassVar = (Status.WAITING, Status.RUNNING)
    UNDO_FOR: ClassVar = timedelta(minutes=10)

    org = models.ForeignKey(Org, on_delete=models.CASCADE, related_name="+")
    datastore = models.ForeignKey(
        Datastore, null=True, blank=True, on_delete=models.CASCADE, related_name="operations", help_text="Empty for work across datastores."
    )
    kind = models.CharField(max_length=16, choices=Kind)
    status = models.CharField(max_length=16, choices=Status, default=Status.WAITING)

    done = models.PositiveBigIntegerField(default=0)
    total = models.PositiveBigIntegerField(null=True, blank=True)
    message = models.TextField(blank=True)
    counters = models.JSONField(default=dict)

    user = models.ForeignKey(User, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    created = models.DateTimeField(auto_now_add=True)
    started = models.DateTimeField(null=True, blank=True)
    ended = models.DateTimeField(null=True, blank=True)
    is_undoable = models.BooleanField(default=False, help_text="Whether it can be undone for a while after its end.")

    objects = OperationQuerySet.as_manager()

    class Meta:
        ordering = ("-created", "-pk")
        # The list of an org's operations, newest first.
        indexes = (models.Index(fields=("org", "-created"), name="operation_recent"),)

    def __str__(self) -> str:
        return f"{self.kind} {self.pk}: {self.status}"

    @property
    def is_unfinished(self) -> bool:
        return self.status in self.UNFINISHED

    @property
    def undo_until(self) -> datetime | None:
        """Up to when it can be undone; None for what cannot, or has not ended."""
        return self.ended + self.UNDO_FOR if self.is_undoable and self.ended else None

    @property
    def percent(self) -> float | None:
        return None if not self.total else min(100.0, 100.0 * self.done / self.total)


class Container(models.Model):
    """A table, view or file in a datastore. Metrics have none."""

    org = models.ForeignKey(Org, on_delete=models.CASCADE, related_name="+")
    datastore = models.ForeignKey(Datastore, on_delete=models.CASCADE, related_name="containers")
    name = models.CharField(max_length=500)

    objects = OrgQuerySet["Container"].as_manager()

    class Meta:
        ordering = ("name", "pk")
        constraints = (models.UniqueConstraint(fields=("datastore", "name"), name="one_container_per_name"),)

    def __str__(self) -> str:
        return self.name


class AuditEntry(models.Model):
    """Somebody has looked at what is masked: who, at which fields of what, and from where. Never altered, never deleted."""

    class Action(models.TextChoices):
        UNMASK = "unmask_field_values", "Masked values were shown"

    class Resource(models.TextChoices):
        ANOMALY = "anomaly", "Anomaly"
        CONTAINER = "container", "Container"
        FIELD_PROFILE = "field_profile", "Field profile"

    # The database deletes what an org leaves behind, and a trigger refuses every other deletion.
    org = models.ForeignKey(Org, on_delete=models.DO_NOTHING, related_name="+")
    user = models.ForeignKey(User, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    user_email = models.EmailField(help_text="As it was then: it stays when the person is erased.")
    action = models.CharField(max_length=32, choices=Action)
    resource_type = models.CharField(max_length=16, choices=Resource)
    resource_id = models.BigIntegerField(help_text="No foreign key: the entry outlives what it is about.")
    masked_field_names = ArrayField(models.CharField(max_length=500))
    endpoint = models.CharField(max_length=200)
    ip_address = models.GenericIPAddressField(null=True, blank=True)
    created = models.DateTimeField()

    objects = AuditQuerySet.as_manager()

    class Meta:
        ordering = ("-created", "-pk")
        verbose_name_plural = "audit entries"
        # The log of an org, newest first.
        indexes = (models.Index(fields=("org", "-created", "-id"), name="audit_recent"),)

    def __str__(self) -> str:
        return f"{self.created:%Y-%m-%d %H:%M} {self.user_email}: {self.resource_type} {self.resource_id}"


class ClosedOrg(Org):
    """A closed org as operators see it who may open it again."""

    class Meta:
        proxy = True
        ordering = ("closed", "pk")
        verbose_name = "closed org"

    def __str__(self) -> str:
        return f"{self.name}, closed {self.closed:%Y-%m-%d}" if self.closed else self.name
