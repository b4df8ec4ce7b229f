"""The tenant, and the secrets by which machines speak for it."""

import zoneinfo
from datetime import datetime
from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models.functions import Now
from django.utils import timezone

from orgs.querysets import EventQuerySet, OrgQuerySet, SecretQuerySet


def validate_timezone(name: str) -> None:
    if name not in zoneinfo.available_timezones():
        raise ValidationError("%(name)s is not an IANA time zone, such as Europe/Berlin.", params={"name": name})


class Org(models.Model):
    """A tenant: everything else belongs to exactly one."""

    class Plan(models.TextChoices):
        """What each allows and costs stands in billing/plans.py; a self-hosted org has the limit that its operator gives it."""

        FREE = "free", "Free"
        TEAM = "team", "Team"
        BUSINESS = "business", "Business"
        SELF_HOSTED = "self-hosted", "Self-hosted"

    class Retention(models.IntegerChoices):
        """Days that points are kept. Few classes, because each is a partition that is dropped whole."""

        MONTH = 30, "30 days"
        QUARTER = 90, "90 days"
        YEAR = 400, "400 days"

    class Onboarding(models.IntegerChoices):
        """How far an org has come; written by the clock, from what its series do."""

        NO_METRICS = 1, "no metrics"
        ARRIVING = 100, "metrics arrive"
        LEARNING = 200, "detection has begun"
        ESTABLISHED = 300, "established"

    name = models.CharField(max_length=200)
    slug = models.SlugField(max_length=63, unique=True)
    description = models.CharField(max_length=500, blank=True)
    timezone = models.CharField(max_length=64, default="UTC", validators=[validate_timezone])
    plan = models.CharField(max_length=32, choices=Plan, default=Plan.SELF_HOSTED)
    metric_limit = models.PositiveIntegerField(
        default=1000, help_text="Series that may exist; new ones beyond it are refused, known ones go on."
    )
    grace_until = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="A payment failed: then the plan becomes Free, unless it is made up for."
    )
    retention_days = models.PositiveSmallIntegerField(choices=Retention, default=Retention.YEAR)
    onboarding_status = models.PositiveSmallIntegerField(choices=Onboarding, default=Onboarding.NO_METRICS)
    muted_until = models.DateTimeField(null=True, blank=True, help_text="No alert goes out before.")
    validates_clients = models.BooleanField(default=True, help_text="A new client needs the code that is mailed at log-in.")
    origins = ArrayField(
        models.CharField(max_length=200), default=list, blank=True, help_text="Web pages of these may read the session API."
    )
    is_demo = models.BooleanField(default=False, help_text="Anybody may look at it, as a demo user.")
    is_seeded = models.BooleanField(default=False, editable=False, help_text="Made by the demo, which may make it anew.")
    is_test = models.BooleanField(default=False, help_text="Signed up as test data; may be purged.")
    created = models.DateTimeField(auto_now_add=True)
    closed = models.DateTimeField(null=True, blank=True, editable=False, help_text="Closed by an admin: erased a week later.")

    class Meta:
        ordering = ("name", "pk")
        indexes = (
            # Whose grace has run out.
            models.Index(fields=("grace_until",), condition=models.Q(grace_until__isnull=False), name="org_in_grace"),
            # Whether any org names an origin (`orgs.origins.is_known`): the few that name some. PostgreSQL looks for no element of an
            # array by an index behind a policy, because `@>` is not leakproof; so no GIN.
            models.Index(fields=("id",), condition=models.Q(origins__len__gt=0), name="org_with_origins"),
        )

    def __str__(self) -> str:
        return self.name


class StoredSecret(models.Model):
    """A secret of which only a keyed hash is kept. Several may live at once, so that one can be rotated without a gap."""

    org = models.ForeignKey(Org, on_delete=models.CASCADE, related_name="+")
    name = models.CharField(max_length=200)
    prefix = models.CharField(max_length=16, editable=False)
    digest = models.BinaryField(max_length=32, unique=True, editable=False)
    sources = ArrayField(
        models.CharField(max_length=43),
        default=list,
        blank=True,
        help_text="Where it may be used, such as 10.0.0.0/8; none: anywhere.",
    )

    created = models.DateTimeField(auto_now_add=True)
    expires = models.DateTimeField(null=True, blank=True)
    revoked = models.DateTimeField(null=True, blank=True)
    last_used = models.DateTimeField(null=True, blank=True, editable=False)

    objects = SecretQuerySet["StoredSecret"].as_manager()

    class Meta:
        abstract = True
        ordering = ("-created", "-pk")

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"

    def is_live(self, now: datetime) -> bool:
        return self.revoked is None and (self.expires is None or self.expires > now)

    def status(self, now: datetime) -> str:
        """`active`, `revoked` or `expired`; a secret that is both says `revoked`."""
        if self.revoked is not None:
            return "revoked"
        return "active" if self.is_live(now) else "expired"


class OrgToken(StoredSecret):
    """Reads the org's metrics and anomalies, posts markers and reports of its health as the org itself, in the header X-Auth-Token."""


class IngestKey(StoredSecret):
    """Writes points into one datastore."""

    class Rule(models.TextChoices):
        LAST = "last", "last value per timestamp"
        SUM = "sum", "sum per minute"

    datastore = models.ForeignKey("datastores.Datastore", on_delete=models.CASCADE, related_name="ingest_keys")
    rule = models.CharField(max_length=8, choices=Rule, default=Rule.LAST, help_text="What two points of one series at one time become.")


class PublicKey(StoredSecret):
    """Lets web pages count events. It stands in their source, so it is no secret: it may only add to series below its namespace,
    from its origins, up to its limits. It is kept sealed, so that its snippet can be shown again."""

    datastore = models.ForeignKey("datastores.Datastore", on_delete=models.CASCADE, related_name="public_keys")
    sealed = models.BinaryField(editable=False)
    origins = ArrayField(models.CharField(max_length=200), help_text="Pages of these may use it; * is any.")
    namespace = models.CharField(max_length=100, default="web", help_text="What the names of its series begin with.")
    series_limit = models.PositiveIntegerField(default=100, help_text="Series that may exist below its namespace.")
    per_minute = models.PositiveIntegerField(default=600, help_text="Requests that it may send in a minute, from all pages together.")


class Event(models.Model):
    """Something the org did, or a marker that was posted from outside, such as a deploy; drawn over graphs."""

    class Type(models.TextChoices):
        DEPLOY = "deploy", "Deploy"
        MARKER = "marker", "Marker"
        TRAINING = "training", "Training"
        EXCLUSION = "exclusion", "Exclusion"
        ALERT = "alert", "Alert sent"
        ADMIN_ALERT = "admin_alert", "Admin alert"
        DELIVERY = "delivery", "Delivery"
        MEMBER = "member", "People"
        TEAM = "team", "Teams"
        TOKEN = "token", "Tokens and keys"
        SETTINGS = "settings", "Settings"

    POSTED: ClassVar = (Type.DEPLOY, Type.MARKER)

    org = models.ForeignKey(Org, on_delete=models.CASCADE, related_name="+")
    type = models.CharField(max_length=16, choices=Type)
    name = models.CharField(max_length=200)
    description = models.TextField(blank=True)
    url = models.URLField(max_length=2000, blank=True)
    timestamp = models.DateTimeField(help_text="When it happened, which may be before it was told.")
    created = models.DateTimeField(auto_now_add=True)

    user = models.ForeignKey("accounts.User", null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    datastore = models.ForeignKey(
        "datastores.Datastore", null=True, blank=True, on_delete=models.CASCADE, related_name="+", help_text="None: the whole org sees it."
    )
    # No foreign keys: what happened to a series or an anomaly outlives it.
    metric_id = models.BigIntegerField(null=True, blank=True)
    anomaly_id = models.BigIntegerField(null=True, blank=True)
    external_id = models.CharField(max_length=64, blank=True, editable=False, help_text="A hash of who told it and what they call it.")

    objects = EventQuerySet.as_manager()

    class Meta:
        ordering = ("-timestamp", "-pk")
        # The feed, newest first, and the markers in a graph's window.
        indexes = (models.Index(fields=("org", "-timestamp", "-id"), name="event_recent"),)
        # Whoever tells the same event twice has told it once.
        constraints = (
            models.UniqueConstraint(fields=("org", "external_id"), condition=~models.Q(external_id=""), name="one_event_per_external_id"),
        )

    def __str__(self) -> str:
        return f"{self.timestamp:%Y-%m-%d %H:%M} {self.name}"


class Channel(models.Model):
    """A Slack or Teams channel that the org can send to: by a webhook, whose address is a secret and kept sealed, or by the app's token."""

    class Service(models.TextChoices):
        SLACK = "slack", "Slack"
        MS_TEAMS = "ms_teams", "Microsoft Teams"

    org = models.ForeignKey(Org, on_delete=models.CASCADE, related_name="+")
    service = models.CharField(max_length=16, choices=Service)
    name = models.CharField(max_length=200)
    sealed_url = models.BinaryField(editable=False, default=b"", help_text="Of the webhook; empty for a channel of the app.")
    external_id = models.CharField(max_length=64, blank=True, help_text="What the service calls it; empty for a webhook.")
    created = models.DateTimeField(auto_now_add=True)

    objects = OrgQuerySet["Channel"].as_manager()

    class Meta:
        ordering = ("service", "name", "pk")
        constraints = (models.UniqueConstraint(fields=("org", "service", "name"), name="one_channel_per_name"),)

    def __str__(self) -> str:
        return f"{self.get_service_display()} {self.name}"


class ServiceApp(models.Model):
    """The org's app at a service, by whose token its channels are listed and written to. The token is a secret, and kept sealed."""

    org = models.ForeignKey(Org, on_delete=models.CASCADE, related_name="+")
    service = models.CharField(max_length=16, choices=Channel.Service)
    workspace = models.CharField(max_length=200, blank=True)
    sealed_token = models.BinaryField(editable=False)
    listed = models.DateTimeField(null=True, blank=True, help_text="When its channels were listed last.")
    created = models.DateTimeField(auto_now_add=True)

    objects = OrgQuerySet["ServiceApp"].as_manager()

    class Meta:
        ordering = ("org", "service")
        constraints = (models.UniqueConstraint(fields=("org", "service"), name="one_app_per_service"),)

    def __str__(self) -> str:
        return f"{self.get_service_display()} {self.workspace}".strip()


class Delivery(models.Model):
    """A message that has to reach one channel or telephone, and what has become of it."""

    class Method(models.TextChoices):
        SLACK = "slack", "Slack"
        MS_TEAMS = "ms_teams", "Microsoft Teams"
        SMS = "sms", "SMS"

    class Status(models.TextChoices):
        WAITING = "waiting", "Waiting"
        DELIVERED = "delivered", "Delivered"
        FAILED = "failed", "Failed"
        NOT_SET_UP = "not_set_up", "Not set up"

    org = models.ForeignKey(Org, on_delete=models.CASCADE, related_name="+")
    method = models.CharField(max_length=16, choices=Method)
    to = models.CharField(max_length=200, help_text="The channel's name, or the telephone number.")
    channel = models.ForeignKey(Channel, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    title = models.CharField(max_length=300)
    text = models.TextField(blank=True)
    url = models.CharField(max_length=2000, blank=True)

    status = models.CharField(max_length=16, choices=Status, default=Status.WAITING)
    tries = models.PositiveSmallIntegerField(default=0)
    next_try = models.DateTimeField(default=timezone.now, help_text="Not before; while it is being sent, when that is given up.")
    answer = models.CharField(max_length=1000, blank=True, help_text="What came of the last try.")
    took_ms = models.PositiveIntegerField(null=True, blank=True)
    created = models.DateTimeField(auto_now_add=True)
    ended = models.DateTimeField(null=True, blank=True)

    objects = OrgQuerySet["Delivery"].as_manager()

    class Meta:
        ordering = ("-created", "-pk")
        verbose_name_plural = "deliveries"
        indexes = (
            # What has to be sent now.
            models.Index(fields=("next_try",), condition=models.Q(status="waiting"), name="delivery_due"),
            # The log of an org's deliveries, newest first.
            models.Index(fields=("org", "-created", "-id"), name="delivery_recent"),
        )

    def __str__(self) -> str:
        return f"{self.get_method_display()} {self.to}: {self.title}"


class AdminAlert(models.Model):
    """How one kind of trouble with an org's data is told to people, and whether it is going on."""

    class Kind(models.IntegerChoices):
        NO_DATA = 1, "no_data"
        STALE_METRICS = 2, "stale_metrics"
        METRIC_QUOTA_EXCEEDED = 3, "metric_quota_exceeded"
        INVALID_METRICS = 5, "invalid_metrics"

    # These are told whatever the org says.
    ALWAYS: ClassVar = (Kind.METRIC_QUOTA_EXCEEDED, Kind.INVALID_METRICS)

    org = models.ForeignKey(Org, on_delete=models.CASCADE, related_name="+")
    kind = models.PositiveSmallIntegerField(choices=Kind)
    is_enabled = models.BooleanField(default=True)
    wait_s = models.PositiveIntegerField(default=900, help_text="How long it must last before it is told.")
    expiration_s = models.PositiveIntegerField(default=86_400, help_text="It is told again when it still lasts after so long; 0: once.")
    email_users = models.ManyToManyField("accounts.User", blank=True, related_name="+", help_text="None: every admin.")
    sms_users = models.ManyToManyField("accounts.User", blank=True, related_name="+")
    channel = models.ForeignKey(Channel, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")

    since = models.DateTimeField(null=True, blank=True, help_text="Since when it goes on; empty: it does not.")
    told = models.DateTimeField(null=True, blank=True, help_text="When people were told last of what goes on.")
    is_reported = models.BooleanField(default=False, help_text="Whether an engine outside says that it goes on; then only that ends it.")
    details = models.JSONField(default=dict, blank=True)

    objects = OrgQuerySet["AdminAlert"].as_manager()

    class Meta:
        ordering = ("org", "kind")
        constraints = (models.UniqueConstraint(fields=("org", "kind"), name="one_admin_alert_per_kind"),)

    def __str__(self) -> str:
        return f"{self.get_kind_display()} of {self.org_id}"


class RefusedSeries(models.Model):
    """How many points an org was refused per day, of new series beyond its quota and for what was wrong with them: what the quota page and
    the admin alerts read."""

    org = models.ForeignKey(Org, on_delete=models.CASCADE, related_name="+")
    day = models.DateField(db_default=Now())
    refused = models.PositiveBigIntegerField(default=0)
    example = models.CharField(max_length=200, blank=True)
    invalid = models.PositiveBigIntegerField(default=0, db_default=0)
    invalid_example = models.CharField(max_length=400, default="", db_default="", blank=True)
    invalid_at = models.DateTimeField(null=True, blank=True, help_text="When the last invalid point came.")

    class Meta:
        constraints = (models.UniqueConstraint(fields=("org", "day"), name="one_refusal_count_per_org_day"),)
        verbose_name_plural = "refused series"

    def __str__(self) -> str:
        return f"{self.org_id} {self.day}: {self.refused}"


class IdempotentAnswer(models.Model):
    """What a POST with an Idempotency-Key was answered, kept a day; `status` is null while the first call runs."""

    org = models.ForeignKey(Org, on_delete=models.CASCADE, related_name="+")
    caller = models.CharField(max_length=64, help_text="The token or person: two callers may choose the same key.")
    key = models.CharField(max_length=255)
    digest = models.BinaryField(max_length=32, help_text="Of method, address and body: the same key with another one is a mistake.")
    status = models.PositiveSmallIntegerField(null=True, blank=True)
    headers = models.JSONField(default=dict)
    body = models.BinaryField(default=b"")
    created = models.DateTimeField()

    class Meta:
        constraints = (models.UniqueConstraint(fields=("org", "caller", "key"), name="one_answer_per_key"),)
        # The clean-up of answers older than a day.
        indexes = (models.Index(fields=("created",), name="idempotent_answer_age"),)

    def __str__(self) -> str:
        return f"{self.key}: {self.status or 'running'}"
