"""Examples of the OpenAPI document."""

from typing import Final

from drf_spectacular.utils import OpenApiExample

ANOMALY: Final = OpenApiExample(
    "A spike of a series",
    value={
        "id": 12345,
        "uuid": "8e8b9f8b-1234-4abc-9def-012345678901",
        "type": "metric",
        "status": "Active",
        "archived": False,
        "is_new": True,
        "weight": 8,
        "weight_breakdown": {"score": 8, "duration": 0, "tags": 0},
        "message": "39,197 where 18,204 to 26,850 were expected.",
        "description": "",
        "anomalous_records_count": None,
        "source_enriched": False,
        "fingerprint": 9182736455,
        "created": "2026-05-15T17:22:08.000Z",
        "updated": "2026-05-15T17:22:08.000Z",
        "global_tags": [{"id": 7, "name": "High", "color": "#d9480f", "weight_modifier": 2}],
        "assignees": [{"id": 42, "name": "Alice Lee", "email": "alice@example.com"}],
        "failed_checks": [],
        "datastore": {"id": 1, "name": "Metrics"},
        "container": None,
        "container_scan": None,
        "partition_scan": None,
        "metric": {"id": 17, "name": "taxi.rides.half_hourly"},
        "kind": "spike",
        "started_at": "2026-05-15T17:20:00.000Z",
        "ended_at": None,
        "peak_at": "2026-05-15T17:20:00.000Z",
        "peak_value": 39197.0,
        "expected": 22310.5,
        "expected_lower": 18204.0,
        "expected_upper": 26850.0,
        "score": 91.0,
        "direction": "up",
        "detectors": [{"name": "forecast", "label": "Off the forecast", "score": 8.8}],
        "is_backfilled": False,
        "duplicate_of": None,
        "duplicates": [],
        "snooze": None,
        "deleted": None,
        "deleted_by": None,
    },
    response_only=True,
)
CHANGE: Final = OpenApiExample(
    "Acknowledge, describe, tag and assign",
    value={
        "status": "Acknowledged",
        "description": "Investigating with the data engineering team",
        "tags": ["High", "Customer-Impact"],
        "assignee_ids": [42, 57],
    },
    request_only=True,
)
# The document shows an example of an entry as a list of one.
BULK_CHANGE: Final = (
    OpenApiExample("Acknowledge", value={"id": 12345, "status": "Acknowledged"}, request_only=True),
    OpenApiExample("Assign", value={"id": 12346, "assignee_ids": [42]}, request_only=True),
    OpenApiExample("Clear the tags", value={"id": 12347, "tags": []}, request_only=True),
)
ARCHIVE: Final = OpenApiExample(
    "With a comment that tells somebody",
    value={"status": "Resolved", "comment": "Resolved after backfill, see @[Alice Lee](42)", "mentioned_user_ids": [42]},
    request_only=True,
)
BULK_ARCHIVE: Final = (
    OpenApiExample("Archive", value={"id": 12345, "archive": True, "status": "Resolved"}, request_only=True),
    OpenApiExample("Delete for good", value={"id": 12347, "archive": False}, request_only=True),
)
SNOOZE: Final = OpenApiExample("Until Monday morning", value={"until": "2026-05-18T07:00:00Z"}, request_only=True)
DUPLICATE_OF: Final = OpenApiExample("The original", value={"anomaly": 12340}, request_only=True)
PARTITION: Final = OpenApiExample("Forty were open", value={"changed": 40, "transaction_id": 9877}, response_only=True)
HISTORY: Final = OpenApiExample(
    "Acknowledged by a person",
    value={
        "transaction_id": 9876,
        "user": {"id": 1, "name": "Alice Lee"},
        "actor": "user",
        "timestamp": "2026-05-15T17:22:08.000Z",
        "changeset": {
            "status": ["Active", "Acknowledged"],
            "assignees": [[{"id": 42, "name": "Alice Lee"}], [{"id": 42, "name": "Alice Lee"}, {"id": 57, "name": "Bob Patel"}]],
        },
    },
    response_only=True,
)


def _values(*found: tuple[str, str, int]) -> dict[str, object]:
    return {"values": [{"value": value, "name": name, "count": count, "capped": False} for value, name, count in found], "more": False}


FACETS: Final = OpenApiExample(
    "Open anomalies",
    value={
        "total": 31,
        "capped": False,
        "incomplete": False,
        "facets": {
            "status": _values(("Resolved", "Resolved", 112), ("Active", "Active", 23), ("Acknowledged", "Acknowledged", 8)),
            "type": _values(("metric", "metric", 28), ("record", "record", 3)),
            "datastore": _values(("1", "Metrics", 28), ("4", "Warehouse", 3)),
            "container": _values(("17", "orders", 3)),
            "rule": _values(("notNull", "notNull", 3)),
            "tag": _values(("High", "High", 5)),
            "assignee": _values(("none", "Nobody", 29), ("42", "Alice Lee", 2)),
        },
    },
    response_only=True,
)
