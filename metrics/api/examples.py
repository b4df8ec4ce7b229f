"""Examples of the OpenAPI document."""

from typing import Final

from drf_spectacular.utils import OpenApiExample

METRIC: Final = OpenApiExample(
    "A series with a daily season",
    value={
        "id": 17,
        "name": "taxi.rides.half_hourly",
        "labels": {},
        "datastore": {"id": 1, "name": "Metrics"},
        "state": "active",
        "stale": False,
        "kind": "gauge",
        "sensitivity": "normal",
        "resolution": 1800.0,
        "period": 86400.0,
        "last_at": "2026-05-15T17:00:00.000Z",
        "last_value": 21430.0,
        "created": "2026-01-07T09:12:31.000Z",
    },
    response_only=True,
)
TIMESERIES: Final = OpenApiExample(
    "Three points, one of them a gap",
    value={
        "metric": {"id": 17, "name": "taxi.rides.half_hourly"},
        "resolution": 1800.0,
        "aggregation": "raw",
        "timestamps": ["2026-05-15T16:00:00Z", "2026-05-15T16:30:00Z", "2026-05-15T17:00:00Z"],
        "values": [20112.0, None, 21430.0],
    },
    response_only=True,
)
FORECAST: Final = OpenApiExample(
    "Two points, the second far off",
    value={
        "metric": {"id": 17, "name": "taxi.rides.half_hourly"},
        "resolution": 1800.0,
        "aggregation": "raw",
        "timestamps": ["2026-05-15T16:30:00Z", "2026-05-15T17:00:00Z"],
        "expected": [20050.0, 21010.0],
        "lower": [17800.0, 18700.0],
        "upper": [22300.0, 23350.0],
        "score": [3.1, 91.0],
    },
    response_only=True,
)
