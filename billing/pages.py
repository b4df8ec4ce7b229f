"""/app/settings/billing: the plan, what it allows and what is used of it, invoices; and the way to the payment provider's pages."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta, tzinfo
from typing import Any, ClassVar, Final, Literal
from urllib.parse import urlsplit

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from accounts.pages.settings import Done, SettingsView
from accounts.permissions import has_role
from accounts.zones import zone_of
from billing import checkout
from billing.invoices import invoices_of
from billing.money import money
from billing.plans import CURRENCY, PAID_CODES, Plan
from billing.provider.interface import Invoice, ProviderAway
from billing.standing import Standing, standing_of
from billing.subscriptions import PAGE
from billing.usage import Usage, usage_of
from billing.usage_chart import UsageChart, usage_chart

RANGES: Final = {"30": "30 d", "90": "90 d", "365": "1 y"}
INVOICES: Final = 24
# Where people were before they came to this page, as its address says.
BOUGHT, MANAGED = "checkout", "portal"


@dataclass(frozen=True)
class Onward(Done):
    """The way leads on, to a page of the payment provider."""

    url: str = ""


@dataclass(frozen=True)
class Card:
    """One plan to choose. `do` is what its button does: buy, change, cancel, or nothing."""

    plan: Plan
    price: str
    is_current: bool
    do: Literal["", "buy", "change", "cancel"]
    is_below_usage: bool


@dataclass(frozen=True)
class InvoiceRow:
    """One invoice as the page shows it."""

    invoice: Invoice
    amount: str
    day: str

    @property
    def pay_url(self) -> str:
        """Where an open invoice is paid."""
        return self.invoice.page_url if self.invoice.status == "open" else ""


@dataclass(frozen=True)
class RangeLink:
    days: str
    label: str
    is_current: bool


class PlanForm(forms.Form):
    plan = forms.ChoiceField(choices=[(code, code) for code in PAID_CODES])


class Billing(SettingsView):
    """Everybody sees plan and usage; admins see invoices, and change what is paid."""

    frame = "billing/billing.html"
    title, part, place, operation = "Billing", "billing/_billing.html", "settings-billing", "billing.read"
    changes: ClassVar = {name: "billing.manage" for name in ("buy", "change", "cancel", "pay", "manage")}
    form_classes: ClassVar = {"buy": PlanForm, "change": PlanForm}

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if request.GET.get("back") and has_role(self.person, "billing.manage"):
            checkout.refresh(self.person.org, now=timezone.now())
            self.person.org.refresh_from_db()
        return super().get(request, *args, **kwargs)

    def context(self) -> Mapping[str, Any]:
        org, days = self.person.org, self.days()
        today = timezone.now().date()
        usage = usage_of(org, since=today - timedelta(days=int(days) - 1), until=today, today=today)
        standing = standing_of(org)
        return {
            "standing": standing,
            "back": self.request.GET.get("back", ""),
            "price": money(standing.paid_plan.amount, CURRENCY) if standing.paid_plan else "",
            "cards": cards_of(standing, usage),
            "usage": usage,
            "share": share_of(usage),
            "chart": chart_of(usage, today),
            "ranges": [RangeLink(name, label, name == days) for name, label in RANGES.items()],
            **self.invoices(),
        }

    def days(self) -> str:
        asked = self.request.GET.get("days", "")
        return asked if asked in RANGES else "30"

    def invoices(self) -> dict[str, Any]:
        """The invoices, or why there are none to be seen."""
        if not has_role(self.person, "billing.invoices"):
            return {"invoices": (), "invoices_away": "Only admins of the organisation see its invoices."}
        try:
            found = invoices_of(self.person.org, limit=INVOICES)
        except ProviderAway as exc:
            return {"invoices": (), "invoices_away": f"The invoices cannot be read now. {exc.detail}"}
        zone = zone_of(self.person)
        return {"invoices": [invoice_row(invoice, zone) for invoice in found], "invoices_away": ""}

    def buy(self, said: Mapping[str, Any]) -> Done:
        plan = checkout.paid_plan(said["plan"])
        page = checkout.start_checkout(self.person, plan, return_url=f"{PAGE}?back={BOUGHT}", now=timezone.now())
        return Onward("", url=page.url)

    def change(self, said: Mapping[str, Any]) -> Done:
        return self.to_portal(plan=checkout.paid_plan(said["plan"]))

    def cancel(self, said: Mapping[str, Any]) -> Done:
        return self.to_portal(cancels=True)

    def pay(self, said: Mapping[str, Any]) -> Done:
        return self.to_portal(pays=True)

    def manage(self, said: Mapping[str, Any]) -> Done:
        return self.to_portal()

    def to_portal(self, **visit: Any) -> Done:
        return Onward("", url=checkout.open_portal(self.person.org, return_url=f"{PAGE}?back={MANAGED}", **visit))

    def told(self, done: Done) -> HttpResponse:
        """A page that leads on by itself: a form that is answered with a way to another host is stopped by our own policy."""
        if not isinstance(done, Onward):
            return super().told(done)
        response = render(self.request, "billing/onward.html", {"url": done.url, "host": urlsplit(done.url).hostname})
        response["Cache-Control"] = "private, no-store"
        return response


def invoice_row(invoice: Invoice, zone: tzinfo) -> InvoiceRow:
    made = invoice.created.astimezone(zone)
    return InvoiceRow(invoice, money(invoice.amount, invoice.currency), f"{made.day} {made:%b %Y}")


def cards_of(standing: Standing, usage: Usage) -> list[Card]:
    return [
        Card(
            offer.plan,
            money(offer.plan.amount, CURRENCY) if offer.plan.is_paid else "",
            offer.is_current,
            button_of(offer.plan, standing),
            usage.used > offer.plan.metric_limit,
        )
        for offer in standing.offers
    ]


def button_of(plan: Plan, standing: Standing) -> Literal["", "buy", "change", "cancel"]:
    """What one can do with this plan now. While a payment is overdue, that comes first."""
    if not standing.is_for_sale or standing.is_overdue:
        return ""
    if not standing.is_live:
        return "buy" if plan.is_paid else ""
    if not plan.is_paid:
        return "" if standing.ends else "cancel"
    return "" if plan == standing.paid_plan else "change"


def share_of(usage: Usage) -> float:
    """How much of the meter is full: 0 to 44, its width."""
    return round(44 * min(1.0, usage.used / max(1, usage.limit)), 1)


def chart_of(usage: Usage, today: date) -> UsageChart:
    return usage_chart(usage.days, since=usage.since, until=today)
