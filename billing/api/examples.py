"""Examples of the OpenAPI document."""

from typing import Any, Final

from drf_spectacular.utils import OpenApiExample

from billing.plans import CURRENCY, PLANS, TEAM

_PLANS: Final[list[dict[str, Any]]] = [
    {"code": p.code, "name": p.name, "metric_limit": p.metric_limit, "amount": p.amount, "currency": CURRENCY, "current": p is TEAM}
    for p in PLANS
]
PLAN: Final = OpenApiExample(
    "On the plan Team",
    value={
        "enabled": True,
        "plan": "team",
        "name": "Team",
        "metric_limit": 10000,
        "status": "active",
        "renews": "2026-06-15T17:22:08.000Z",
        "ends": None,
        "grace_until": None,
        "plans": _PLANS,
    },
    response_only=True,
)
USAGE: Final = OpenApiExample(
    "Two days",
    value={
        "used": 812,
        "limit": 1000,
        "remaining": 188,
        "since": "2026-05-14",
        "until": "2026-05-15",
        "days": [{"day": "2026-05-14", "used": 790, "limit": 1000}, {"day": "2026-05-15", "used": 812, "limit": 1000}],
    },
    response_only=True,
)
INVOICES: Final = OpenApiExample(
    "One invoice",
    value={
        "enabled": True,
        "invoices": [
            {
                "id": "in_1PqRsT",
                "number": "PL-0001",
                "created": "2026-05-15T17:22:08.000Z",
                "amount": 4900,
                "currency": "eur",
                "status": "paid",
                "pdf_url": "https://pay.stripe.com/invoice/in_1PqRsT/pdf",
            }
        ],
    },
    response_only=True,
)
CHECKOUT: Final = OpenApiExample("Buy Team", value={"plan": "team", "return_url": "/app/settings/billing"}, request_only=True)
PAGE: Final = OpenApiExample(
    "A payment page", value={"id": "cs_live_a1b2", "url": "https://checkout.stripe.com/c/pay/cs_live_a1b2"}, response_only=True,
    status_codes=["201"],
)  # fmt: skip
PORTAL: Final = OpenApiExample("Change to Business", value={"plan": "business"}, request_only=True)
PORTAL_PAGE: Final = OpenApiExample(
    "The portal", value={"url": "https://billing.stripe.com/p/session/live_a1b2"}, response_only=True, status_codes=["201"]
)
