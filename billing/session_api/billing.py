"""/billing, and /org/stripecallback: buying a plan, managing it, invoices, and what the payment provider tells us."""

from typing import Any, Final

from django.http import HttpRequest, HttpResponseRedirect
from django.http.request import RawPostDataException

from billing import checkout, intake
from billing.invoices import invoices_of
from billing.plans import PAID
from billing.provider import provider
from billing.provider.interface import BadNotice, Invoice
from config.api.session import Call, Data, Kind, endpoint, stamps
from config.api.session.parameters import Flag, Integer, Text
from orgs.errors import FieldError, Invalid

DISABLED: Final = "Billing is not enabled on this installation: its operator sets plans and limits."
PLAN: Final = Text(name="plan", default="", help=f"One of {', '.join(plan.code for plan in PAID)}.")
RETURN_URL: Final = Text(name="return_url", default="", limit=2000, help="Where people come back to: an address of this product.")


@endpoint(
    "/billing/getcheckoutsession",
    kind=Kind.WRITE,
    operation="billing.manage",
    parameters=(PLAN, Text(name="price_id", default="", help="Instead of `plan`: the provider's own id of its price."), RETURN_URL),
    example={"plan": "team"},
)
def getcheckoutsession(call: Call, *, plan: str, price_id: str, return_url: str) -> Data:
    """Opens a page of the payment provider on which the plan is paid for.

    Asked again for the same, it is the same page while that is open. 501 where billing is not enabled.
    """
    asked = checkout.enabled()
    if not plan and price_id:
        plan = next((one.code for one in PAID if asked.price_id(one) == price_id), "")
    wanted = checkout.paid_plan(plan, field="price_id" if price_id else "plan")
    page = checkout.start_checkout(call.person(), wanted, return_url=return_url, now=call.now)
    return {"enabled": True, "checkout_session": {"id": page.id, "url": page.url}, "plan": wanted.code}


@endpoint(
    "/billing/checkoutcallback",
    kind=Kind.GET,
    operation="billing.read",
    parameters=(
        Text(name="checkout_session_id", default="", help="The provider's id of the payment page. Needed where billing is enabled."),
    ),
    example={"checkout_session_id": "cs_test_a1b2c3"},
)
def checkoutcallback(call: Call, *, checkout_session_id: str) -> Data | HttpResponseRedirect:
    """Where the payment provider sends people back to. The org has its new plan when this answers.

    Browsers go on to the page they came from.
    """
    if not provider().is_enabled:
        return {"enabled": False, "message": DISABLED, "plan": call.org.plan}
    if not checkout_session_id:
        raise Invalid("Say which page.", errors=[FieldError(("checkout_session_id",), "required", "This is required.")])
    if call.person().is_demo:  # whoever looks around need not make us ask the provider
        return {"enabled": True, "message": "Demo users pay for nothing.", "plan": call.org.plan}
    page = checkout.finish_checkout(call.org, checkout_session_id, now=call.now)
    if "text/html" in call.request.headers.get("Accept", ""):
        return HttpResponseRedirect(checkout.checked_return_url(page.return_url))
    call.org.refresh_from_db(fields=["plan"])
    said = "The payment is done." if page.is_paid else "Nothing was paid yet."
    return {"enabled": True, "message": said, "plan": call.org.plan}


@endpoint(
    "/billing/getportalsession",
    kind=Kind.WRITE,
    operation="billing.manage",
    parameters=(
        RETURN_URL,
        Text(name="plan", default="", help="Straight to the change to this plan."),
        Flag(name="cancel", default=False, help="Straight to the cancellation."),
        Flag(name="payment_method", default=False, help="Straight to how one pays."),
    ),
    example={"return_url": "/app/settings/billing"},
)
def getportalsession(call: Call, *, return_url: str, plan: str, cancel: bool, payment_method: bool) -> Data:
    """Opens the payment provider's own pages, on which a plan is changed or cancelled. 501 where billing is not enabled."""
    checkout.enabled()
    wanted = checkout.paid_plan(plan) if plan else None
    url = checkout.open_portal(call.org, return_url=return_url, plan=wanted, cancels=cancel, pays=payment_method)
    return {"enabled": True, "portal_session": {"url": url}}


@endpoint("/billing/history", operation="billing.invoices", parameters=(Integer(name="limit", default=20, least=1, most=100),))
def history(call: Call, *, limit: int) -> Data:
    """The org's invoices, newest first. Amounts are in the smallest unit of the currency, such as cents.

    They are as the payment provider had them at most 30 seconds ago.
    """
    invoices = invoices_of(call.org, limit=limit)
    return {"enabled": provider().is_enabled, "invoices": [invoice_shown(invoice, call) for invoice in invoices]}


def invoice_shown(invoice: Invoice, call: Call) -> dict[str, Any]:
    return {
        "id": invoice.id,
        "number": invoice.number,
        **stamps("created", invoice.created, call.zone),
        "amount": invoice.amount,
        "currency": invoice.currency,
        "status": invoice.status,
        "pdf_url": invoice.pdf_url,
    }


@endpoint("/org/stripecallback", kind=Kind.WRITE, knows_caller=False)
def stripecallback(call: Call) -> Data:
    """Takes the events of the payment provider, signed in the header Stripe-Signature.

    What is unsigned or older than five minutes is refused. The same event may come any number of times and in any order. It is stored
    before this answers, and acted on afterwards.
    """
    asked = provider()
    if not asked.is_enabled:
        return {"enabled": False, "message": DISABLED}
    try:
        notice = asked.notice(body_of(call.request), call.request.headers.get("Stripe-Signature", ""))
    except BadNotice as exc:
        wrong = FieldError(("Stripe-Signature",), "invalid", exc.detail)
        raise Invalid("This event is not taken.", errors=[wrong]) from exc
    intake.store(notice)
    return {"enabled": True, "message": "OK"}


def body_of(request: HttpRequest) -> bytes:
    """As it came; nothing for a form with parts, of which nobody has the bytes any more."""
    try:
        return request.body
    except RawPostDataException:
        return b""
