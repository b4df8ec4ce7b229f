"""Examples of the OpenAPI document."""

from typing import Any, Final

from drf_spectacular.utils import OpenApiExample

ORG: Final = OpenApiExample(
    "An org",
    value={
        "id": 3,
        "name": "Northwind",
        "slug": "northwind",
        "timezone": "Europe/Berlin",
        "plan": "self-hosted",
        "metric_limit": 10000,
        "retention_days": 400,
        "created": "2026-05-15T17:22:08.000Z",
    },
    response_only=True,
)
ORG_CHANGE: Final = OpenApiExample("Move to New York", value={"timezone": "America/New_York"}, request_only=True)
_SECRET: Final[dict[str, Any]] = {
    "id": 4,
    "name": "grafana",
    "prefix": "9f86d0",
    "status": "active",
    "sources": [],
    "created": "2026-05-15T17:22:08.000Z",
    "expires": None,
    "revoked": None,
    "last_used": "2026-06-01T08:00:00.000Z",
}
SECRET: Final = OpenApiExample("A token of the org", value=_SECRET, response_only=True)
NEW_SECRET: Final = OpenApiExample("Lives for 90 days", value={"name": "grafana", "expires_in_days": 90}, request_only=True)
CREATED_ORG_TOKEN: Final = OpenApiExample(
    "A new token, with its secret", value={**_SECRET, "token": "9f86d0-and-26-more-shown-once"}, response_only=True, status_codes=["201"]
)
REVOKE: Final = OpenApiExample("Revoke it", value={"revoked": True}, request_only=True)
