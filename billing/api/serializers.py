"""What plans, usage and invoices look like in JSON, and what may be sent."""

from datetime import date, timedelta
from typing import Any, Final

from rest_framework import serializers

from billing.models import Account
from billing.plans import PAID_CODES
from config.api.fields import MomentField, OneOfField, StrictSerializer

LONGEST_DAYS: Final = 400


class OfferedPlanSerializer(serializers.Serializer[Any]):
    code = serializers.CharField(source="plan.code")
    name = serializers.CharField(source="plan.name")
    metric_limit = serializers.IntegerField(source="plan.metric_limit", help_text="Metrics that may exist.")
    amount = serializers.IntegerField(source="plan.amount", help_text="A month's price in the smallest unit of the currency.")
    currency = serializers.CharField()
    current = serializers.BooleanField(source="is_current")


class PlanSerializer(serializers.Serializer[Any]):
    enabled = serializers.BooleanField(source="is_enabled", help_text="Whether plans can be bought on this installation.")
    plan = serializers.CharField(source="code", help_text="free, team, business, or self-hosted: the operator decides.")
    name = serializers.CharField()
    metric_limit = serializers.IntegerField(help_text="Metrics that may exist: the plan's, or what the operator has given.")
    status = serializers.ChoiceField(Account.Status.values, source="subscription", help_text="Of the subscription; empty for none.")
    renews = MomentField(source="period_end", allow_null=True, help_text="Paid up to then.")
    ends = MomentField(allow_null=True, help_text="It was cancelled, and the plan is Free from then on.")
    grace_until = MomentField(allow_null=True, help_text="A payment failed: then the plan becomes Free, unless it is made up for.")
    plans = OfferedPlanSerializer(many=True, source="offers")


class UsageDaySerializer(serializers.Serializer[Any]):
    day = serializers.DateField()
    used = serializers.IntegerField()
    limit = serializers.IntegerField(help_text="The quota of that day.")


class UsageSerializer(serializers.Serializer[Any]):
    used = serializers.IntegerField(help_text="Metrics that count now.")
    limit = serializers.IntegerField()
    remaining = serializers.IntegerField()
    since = serializers.DateField()
    until = serializers.DateField()
    days = UsageDaySerializer(many=True, help_text="Each day that was recorded, oldest first; today as it is now.")


class UsageQuery(StrictSerializer):
    since = serializers.DateField(required=False, help_text="First day (UTC); 90 days before `until` without it.")
    until = serializers.DateField(required=False, help_text="Last day, itself in it; today without it.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        until: date = attrs.get("until") or self.context["today"]
        since: date = attrs.get("since") or max(date.min + timedelta(days=90), until) - timedelta(days=90)
        if not timedelta() <= until - since < timedelta(days=LONGEST_DAYS):
            raise serializers.ValidationError({"since": f"`since` is at most {LONGEST_DAYS} days before `until`, and not after it."})
        return {"since": since, "until": until}


class InvoiceSerializer(serializers.Serializer[Any]):
    id = serializers.CharField()
    number = serializers.CharField(allow_blank=True)
    created = MomentField()
    amount = serializers.IntegerField(help_text="In the smallest unit of the currency.")
    currency = serializers.CharField()
    status = serializers.CharField(help_text="open, paid, void or uncollectible.")
    pdf_url = serializers.CharField(allow_blank=True)


class InvoicesSerializer(serializers.Serializer[Any]):
    enabled = serializers.BooleanField()
    invoices = InvoiceSerializer(many=True, help_text="Newest first.")


class InvoicesQuery(StrictSerializer):
    limit = serializers.IntegerField(required=False, default=20, min_value=1, max_value=100, help_text="How many at most.")


class CheckoutSerializer(StrictSerializer):
    plan = OneOfField(PAID_CODES)
    return_url = serializers.CharField(
        required=False, default="", allow_blank=True, max_length=2000, help_text="An address of this product."
    )


class PortalSerializer(StrictSerializer):
    plan = OneOfField(PAID_CODES, required=False, help_text="Straight to the change to this plan.")
    cancel = serializers.BooleanField(required=False, default=False, help_text="Straight to the cancellation.")
    payment_method = serializers.BooleanField(required=False, default=False, help_text="Straight to how one pays.")
    return_url = serializers.CharField(
        required=False, default="", allow_blank=True, max_length=2000, help_text="An address of this product."
    )


class PageSerializer(serializers.Serializer[Any]):
    id = serializers.CharField(help_text="The provider's.")
    url = serializers.CharField(help_text="Where to send the person.")


class PortalPageSerializer(serializers.Serializer[Any]):
    url = serializers.CharField(help_text="Where to send the person, within a few minutes.")
