"""Examples of the OpenAPI document: changes of many anomalies."""

from typing import Final

from drf_spectacular.utils import OpenApiExample

from anomalies.api.examples import ANOMALY

BY_FILTER: Final = OpenApiExample(
    "First: what would it change?",
    value={
        "filter": {"status": ["Active"], "tag": "Nightly", "timeframe": "week"},
        "change": {"archive": {"status": "Discarded", "comment": "The nightly load was late."}, "tags_add": ["Late load"]},
        "dry_run": True,
    },
    request_only=True,
)
BY_TOKEN: Final = OpenApiExample("Then: do it", value={"token": "kV3p0Yb9w2mQeJ1sR8tXuA"}, request_only=True)
PLAN: Final = OpenApiExample(
    "What it would change",
    value={
        "count": 1204,
        "forbidden": 0,
        "sample": [ANOMALY.value],
        "token": "kV3p0Yb9w2mQeJ1sR8tXuA",
        "expires_at": "2026-05-15T17:37:08.000Z",
    },
    response_only=True,
    status_codes=["200"],
)
RESULTS: Final = OpenApiExample(
    "Skipped",
    value={
        "anomaly": 12345,
        "outcome": "skipped",
        "code": "forbidden",
        "message": "This needs the level author on its datastore.",
        "transaction_id": None,
    },
    response_only=True,
)
