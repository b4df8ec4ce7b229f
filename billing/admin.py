"""The operators' admin of billing: who pays, what Stripe told us, and which org has which plan."""

import json
from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest
from django.utils.html import format_html

from billing.models import Account, EventEffect, OrgPlan, StripeEvent, UsageDay
from billing.plans import plan_of
from billing.subscriptions import set_plan
from orgs.admin import PlumblineAdmin, ReadOnlyAdmin
from orgs.errors import DomainError
from orgs.models import Org


@admin.register(Account)
class AccountAdmin(ReadOnlyAdmin):
    """Subscriptions, as they were read at the provider last."""

    list_display = ("org", "plan", "status", "period_end", "ends", "overdue_since", "synced")
    list_filter = ("status", "plan", ("overdue_since", admin.EmptyFieldListFilter))
    list_select_related = ("org",)
    search_fields = ("org__name", "customer_id", "subscription_id")
    date_hierarchy = "created"


@admin.register(StripeEvent)
class StripeEventAdmin(ReadOnlyAdmin):
    """What Stripe told us, raw but for secrets."""

    fields = ("event_id", "type", "customer_id", "happened", "received", "outcome", "raw")
    list_display = ("type", "event_id", "customer_id", "happened", "received", "outcome")
    list_filter = ("type", ("effect", admin.EmptyFieldListFilter))
    list_select_related = ("effect",)
    search_fields = ("event_id", "customer_id", "type")
    date_hierarchy = "received"

    @admin.display(description="effect", empty_value="none yet")
    def outcome(self, event: StripeEvent) -> str | None:
        effect: EventEffect | None = getattr(event, "effect", None)
        return effect.get_outcome_display() if effect else None

    @admin.display(description="as it came")
    def raw(self, event: StripeEvent) -> str:
        return format_html("<pre>{}</pre>", json.dumps(event.payload, indent=2, sort_keys=True, ensure_ascii=False))


@admin.register(EventEffect)
class EventEffectAdmin(ReadOnlyAdmin):
    list_display = ("event", "outcome", "done")
    list_filter = ("outcome",)
    list_select_related = ("event",)
    search_fields = ("event__event_id",)
    date_hierarchy = "done"


@admin.register(UsageDay)
class UsageDayAdmin(ReadOnlyAdmin):
    list_display = ("org", "day", "metrics", "metric_limit")
    list_filter = (("org", admin.RelatedOnlyFieldListFilter),)
    list_select_related = ("org",)
    search_fields = ("org__name",)
    date_hierarchy = "day"


@admin.register(OrgPlan)
class OrgPlanAdmin(PlumblineAdmin):
    """Which plan each org is on. Changing it by hand takes the quota with it."""

    fields = ("name", "plan", "metric_limit", "grace_until")
    readonly_fields = ("name", "metric_limit", "grace_until")
    list_display = ("name", "plan", "metric_limit", "grace_until")
    list_filter = ("plan", ("grace_until", admin.EmptyFieldListFilter))
    search_fields = ("name", "slug")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: OrgPlan, form: Any, change: bool) -> None:  # noqa: FBT001
        """By the service that everything else goes by; it refuses while a subscription decides."""
        plan = plan_of(obj.plan)
        try:
            if plan is None:
                Org.objects.filter(pk=obj.pk).update(plan=obj.plan)  # the operator's own: the quota stays what it is
            else:
                set_plan(Org.objects.get(pk=obj.pk), plan, actor_id=None)
        except DomainError as refusal:
            self.message_user(request, refusal.detail, messages.ERROR)
