"""What an org pays, what the payment provider told us, and how much of its quota an org used on each day."""

from typing import ClassVar

from django.db import models

from billing.querysets import AccountQuerySet
from orgs.models import Org
from orgs.querysets import OrgQuerySet


class Account(models.Model):
    """An org as a customer of the payment provider: its subscription as it was read there last."""

    class Status(models.TextChoices):
        """The provider's words. A new one of theirs is stored as it comes and entitles to nothing."""

        NONE = "", "No subscription"
        INCOMPLETE = "incomplete", "First payment pending"
        INCOMPLETE_EXPIRED = "incomplete_expired", "Never paid"
        TRIALING = "trialing", "On trial"
        ACTIVE = "active", "Active"
        PAST_DUE = "past_due", "Payment failed"
        UNPAID = "unpaid", "Unpaid"
        PAUSED = "paused", "Paused"
        CANCELED = "canceled", "Ended"

    PAID: ClassVar = frozenset({Status.TRIALING, Status.ACTIVE})
    OVERDUE: ClassVar = frozenset({Status.PAST_DUE, Status.UNPAID})
    # While a subscription lives, a second one would be paid twice.
    LIVE: ClassVar = PAID | OVERDUE | {Status.PAUSED}

    org = models.OneToOneField(Org, on_delete=models.CASCADE, related_name="+")
    customer_id = models.CharField(max_length=255, null=True, blank=True, unique=True)
    checkout_id = models.CharField(max_length=255, blank=True, help_text="The newest payment page that was opened.")

    subscription_id = models.CharField(max_length=255, blank=True)
    status = models.CharField(max_length=32, choices=Status, blank=True, default=Status.NONE)
    plan = models.CharField(max_length=32, choices=Org.Plan, blank=True, help_text="What the subscription is for.")
    price_id = models.CharField(max_length=255, blank=True)
    period_end = models.DateTimeField(null=True, blank=True, help_text="Paid up to then; then it renews.")
    ends = models.DateTimeField(null=True, blank=True, help_text="It was cancelled and ends then.")
    overdue_since = models.DateTimeField(null=True, blank=True)
    synced = models.DateTimeField(null=True, blank=True, help_text="When it was read at the provider last.")
    created = models.DateTimeField(auto_now_add=True)

    objects = AccountQuerySet.as_manager()

    class Meta:
        ordering = ("-created", "-pk")
        verbose_name = "subscription"
        # What the daily comparison with the provider has to read.
        indexes = (models.Index(fields=("synced",), name="account_synced"),)

    def __str__(self) -> str:
        return f"{self.org}: {self.get_status_display()}"

    @property
    def is_live(self) -> bool:
        return self.status in self.LIVE

    @property
    def is_paid(self) -> bool:
        return self.status in self.PAID

    @property
    def is_overdue(self) -> bool:
        return self.status in self.OVERDUE


class OrgPlan(Org):
    """An org as operators see it who look after plans."""

    class Meta:
        proxy = True
        ordering = ("name", "pk")
        verbose_name = "plan"

    def __str__(self) -> str:
        return f"{self.name}: {self.get_plan_display()}"


class StripeEvent(models.Model):
    """One event as Stripe sent it, but for the secrets in it. Rows are added, never altered: the database sees to that."""

    event_id = models.CharField(max_length=255, unique=True)
    type = models.CharField(max_length=255)
    customer_id = models.CharField(max_length=255, blank=True)
    happened = models.DateTimeField(help_text="By Stripe's clock.")
    received = models.DateTimeField(auto_now_add=True)
    payload = models.JSONField()

    class Meta:
        ordering = ("-received", "-pk")
        # What has no effect yet, among the newest.
        indexes = (models.Index(fields=("received",), name="stripe_event_received"),)

    def __str__(self) -> str:
        return f"{self.type} {self.event_id}"


class EventEffect(models.Model):
    """That an event has been acted on. Without one it is acted on again: acting twice is acting once."""

    class Outcome(models.TextChoices):
        SYNCED = "synced", "The subscription was read anew"
        STRANGER = "stranger", "No customer of ours"
        IRRELEVANT = "irrelevant", "Nothing to do"

    event = models.OneToOneField(StripeEvent, on_delete=models.CASCADE, primary_key=True, related_name="effect")
    outcome = models.CharField(max_length=16, choices=Outcome)
    done = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"{self.event_id}: {self.get_outcome_display()}"


class UsageDay(models.Model):
    """How many metrics counted towards an org's quota on a day (UTC), and what the quota was, at the last look of that day."""

    org = models.ForeignKey(Org, on_delete=models.CASCADE, related_name="+")
    day = models.DateField()
    metrics = models.PositiveIntegerField()
    metric_limit = models.PositiveIntegerField()

    objects = OrgQuerySet["UsageDay"].as_manager()

    class Meta:
        ordering = ("org", "-day")
        constraints = (models.UniqueConstraint(fields=("org", "day"), name="one_usage_per_org_day"),)

    def __str__(self) -> str:
        return f"{self.org_id} {self.day}: {self.metrics} of {self.metric_limit}"
