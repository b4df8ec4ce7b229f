"""Examples of the OpenAPI document."""

from typing import Any, Final

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter

PAGES: Final = [
    OpenApiParameter("page", OpenApiTypes.INT, description="Which page, from 1."),
    OpenApiParameter("size", OpenApiTypes.INT, description="Entries on a page, 1 to 100; 50 without it."),
]
PUBLIC: Final = {"id": 1, "name": "Public"}
_USER: Final[dict[str, Any]] = {
    "id": 42,
    "name": "Alice Lee",
    "role": "manager",
    "is_active": True,
    "teams": [PUBLIC, {"id": 5, "name": "Data engineering"}],
    "created": "2026-05-15T17:22:08.000Z",
    "email": "alice@example.com",
    "is_demo": False,
    "last_login": "2026-06-01T08:00:00.000Z",
}
USER: Final = OpenApiExample("A manager", value=_USER, response_only=True)
USER_CHANGE: Final = OpenApiExample("Make somebody an admin", value={"role": "admin"}, request_only=True)
ME: Final = OpenApiExample(
    "Yourself",
    value={
        **_USER,
        "phone": "+4930123456",
        "timezone": "Europe/Berlin",
        "theme": "system",
        "is_service": False,
        "org": {"id": 3, "name": "Northwind", "timezone": "Europe/Berlin"},
        "scopes": ["read", "write"],
    },
    response_only=True,
)
ME_CHANGE: Final = OpenApiExample("Read times in New York", value={"timezone": "America/New_York"}, request_only=True)
SERVICE_ACCOUNT: Final = OpenApiExample(
    "A deploy pipeline",
    value={
        "id": 77,
        "name": "CI",
        "role": "member",
        "is_active": True,
        "teams": [PUBLIC, {"id": 5, "name": "Data engineering"}],
        "created": "2026-05-15T17:22:08.000Z",
        "description": "Posts deploy markers",
        "last_used": "2026-06-01T08:00:00.000Z",
        "usage": "active",
    },
    response_only=True,
)
NEW_SERVICE_ACCOUNT: Final = OpenApiExample(
    "A deploy pipeline", value={"name": "CI", "description": "Posts deploy markers", "role": "member", "teams": [5]}, request_only=True
)
_TOKEN: Final[dict[str, Any]] = {
    "id": 9,
    "name": "laptop",
    "prefix": "plb_5a1c3f09",
    "status": "active",
    "sources": ["10.0.0.0/8"],
    "created": "2026-05-15T17:22:08.000Z",
    "expires": "2027-05-15T17:22:08.000Z",
    "revoked": None,
    "last_used": None,
    "scopes": ["read", "write"],
    "user": {"id": 42, "name": "Alice Lee", "is_service": False},
}
TOKEN: Final = OpenApiExample("A token", value=_TOKEN, response_only=True)
NEW_TOKEN: Final = OpenApiExample(
    "Reads and writes for 90 days, from one network",
    value={"name": "laptop", "scopes": ["read", "write"], "expires_in_days": 90, "sources": ["10.0.0.0/8"]},
    request_only=True,
)
CREATED_TOKEN: Final = OpenApiExample(
    "A new token, with its secret",
    value={**_TOKEN, "token": "plb_5a1c3f09_this-part-is-shown-once"},
    response_only=True,
    status_codes=["201"],
)
REVOKE: Final = OpenApiExample("Revoke it", value={"revoked": True}, request_only=True)
