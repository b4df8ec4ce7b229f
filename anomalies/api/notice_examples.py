"""Examples of the OpenAPI document: what people are told."""

from typing import Final

from drf_spectacular.utils import OpenApiExample

NOTICE: Final = OpenApiExample(
    "A mention",
    value={
        "id": 31,
        "kind": "mentioned",
        "text": "Alice Lee mentioned you",
        "anomaly": {
            "id": 12345,
            "uuid": "8e8b9f8b-1234-4abc-9def-012345678901",
            "type": "metric",
            "status": "Acknowledged",
            "message": "39,197 where 18,204 to 26,850 were expected.",
        },
        "user": {"id": 42, "name": "Alice Lee"},
        "actor": "user",
        "changes": 1,
        "changeset": {"status": ["Active", "Acknowledged"]},
        "comment": "Can you have a look, @[Bob Patel](57)?",
        "transaction_id": 9876,
        "created": "2026-05-15T17:22:08.000Z",
        "acknowledged": None,
    },
    response_only=True,
)
SETTINGS: Final = OpenApiExample(
    "Mentions and assignments everywhere, the rest in the product only",
    value={
        "mentioned": {"in_app": True, "email": True},
        "assigned": {"in_app": True, "email": True},
        "watched": {"in_app": True, "email": False},
        "auto_watch": True,
    },
)
WATCHING: Final = OpenApiExample("You watch it", value={"watching": True}, response_only=True)
ACKNOWLEDGED: Final = OpenApiExample("Three were unread", value={"acknowledged": 3}, response_only=True)
