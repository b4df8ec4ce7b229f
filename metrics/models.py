"""Series: their names, and what the detector has learned about them. Points are in `metrics/points/`."""

import hashlib

from django.core.validators import MaxLengthValidator
from django.db import models
from django.db.models.functions import Left, Now

from datastores.models import Datastore
from metrics.querysets import MetricQuerySet
from orgs.models import Org

NAME_LIMIT = 4096
# By what series are sorted: a whole name does not fit the index `metric_by_name`.
NAME_KEY = Left("name", 200)


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
            # The metric list: an org's series by name, a page at a time.
            # Only the first 200 characters: a whole name may not fit an index page.
            models.Index("org", NAME_KEY, "id", name="metric_by_name"),
            # The metric list by when series came up. `last_at` has none: each new value of a series would have to be entered there.
            models.Index(fields=("org", "created"), name="metric_by_age"),
            # "Series with trouble" on the overview.
            models.Index(fields=("org", "is_stale"), condition=models.Q(is_stale=True), name="metric_stale"),
            # "What is learning" on the overview.
            models.Index(fields=("org", "state"), condition=models.Q(state="learning"), name="metric_learning"),
        )

    def __str__(self) -> str:
        return self.name if len(self.name) <= 120 else f"{self.name[:119]}…"


class DetectionShard(models.Model):
    """How far detection of one shard of all series has come. Moved in the transaction that stores what was found."""

    shard = models.PositiveSmallIntegerField(primary_key=True)
    shards = models.PositiveSmallIntegerField(default=1, help_text="How many shards there were when this one was filled.")
    seq = models.BigIntegerField(default=0, help_text="The number of its newest step.")
    mark = models.BigIntegerField(default=0, help_text="Every logged request of a transaction below it has been consumed.")
    clock_ms = models.BigIntegerField(default=0, help_text="The detector's clock: silence counts only while it runs.")
    checkpoint_seq = models.BigIntegerField(default=0, help_text="The oldest step from which a saved block has to be replayed.")
    checkpoint_mark = models.BigIntegerField(default=0, help_text="Logged requests below it are needed by no replay.")
    last_tick = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("shard",)

    def __str__(self) -> str:
        return f"{self.shard} of {self.shards}"


class DetectionStep(models.Model):
    """One step of a shard, as it has to be done again after a crash: what was read, when, and what people had ordered."""

    shard = models.PositiveSmallIntegerField()
    seq = models.BigIntegerField()
    mark = models.BigIntegerField(help_text="The log was read up to here.")
    now_ms = models.BigIntegerField(help_text="Everything received before it had been read.")
    clock_ms = models.BigIntegerField(help_text="The detector's clock before the step.")
    pause_ms = models.BigIntegerField(help_text="A longer hole without step and arrival is a stop of the detector.")
    orders = models.JSONField(default=list)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("shard", "seq"), name="one_step_per_number"),)

    def __str__(self) -> str:
        return f"{self.shard}/{self.seq}"


class DetectionBlock(models.Model):
    """The saved detector states of up to 256 series of a shard, as they were after step `seq`."""

    shard = models.PositiveSmallIntegerField()
    block = models.PositiveIntegerField()
    seq = models.BigIntegerField()
    version = models.PositiveSmallIntegerField(help_text="Of the layout of a state.")
    digest = models.BinaryField(max_length=16)
    series = models.BinaryField(help_text="int64: the ids by place, 0 for a free one, then their orgs.")
    states = models.BinaryField(help_text="The states, lz4.")

    class Meta:
        constraints = (models.UniqueConstraint(fields=("shard", "block"), name="one_block_per_place"),)

    def __str__(self) -> str:
        return f"{self.shard}/{self.block} at {self.seq}"


class DetectionOrder(models.Model):
    """What a detector has to do with one series before its next point. Written by triggers and services, deleted by the step that obeys."""

    class Op(models.TextChoices):
        SENSITIVITY = "sensitivity", "work with another sensitivity"
        RELEARN = "relearn", "take the present level as normal"
        REBUILD = "rebuild", "learn anew from the stored points"
        DROP = "drop", "forget the series"

    metric_id = models.BigIntegerField(help_text="No foreign key: the order to forget a series outlives it.")
    op = models.CharField(max_length=12, choices=Op)
    argument = models.CharField(max_length=8, blank=True)
    created = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ("pk",)

    def __str__(self) -> str:
        return f"{self.op} {self.metric_id} {self.argument}".rstrip()
