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
    "Two points, the second far off, and one to come",
    value={
        "metric": {"id": 17, "name": "taxi.rides.half_hourly"},
        "resolution": 1800.0,
        "aggregation": "raw",
        "last_at": "2026-05-15T17:00:00Z",
        "learning": False,
        "timestamps": ["2026-05-15T16:30:00Z", "2026-05-15T17:00:00Z", "2026-05-15T17:30:00Z"],
        "expected": [20050.0, 21010.0, 21870.0],
        "lower": [17800.0, 18700.0, 19240.0],
        "upper": [22300.0, 23350.0, 24480.0],
        "score": [3.1, 91.0, None],
    },
    response_only=True,
)
NDJSON: Final = OpenApiExample(
    "Lines of JSON",
    value=(
        '{"metric": "taxi.rides.half_hourly", "timestamp": 1778860800, "value": 20112}\n'
        '{"metric": "taxi.rides.half_hourly", "timestamp": "2026-05-15T16:30:00Z", "value": 21430}\n'
    ),
    media_type="application/x-ndjson",
    request_only=True,
)
CSV: Final = OpenApiExample(
    "CSV with its header",
    value="metric,timestamp,value\ntaxi.rides.half_hourly,1778860800,20112\ntaxi.rides.half_hourly,2026-05-15T16:30:00Z,21430\n",
    media_type="text/csv",
    request_only=True,
)
IMPORT: Final = OpenApiExample(
    "It waits to be read",
    value={
        "id": 31,
        "type": "import",
        "status": "waiting",
        "percent": 0.0,
        "done": 0,
        "total": 104857,
        "message": "",
        "counters": {"lines": 0, "stored": 0, "refused": 0, "new_series": 0, "refused_lines": [], "form": "text/csv", "rule": 0},
        "datastore": {"id": 1, "name": "Metrics"},
        "user": {"id": 42, "name": "Alice Lee"},
        "created": "2026-05-15T17:22:08.000Z",
        "started": None,
        "ended": None,
        "undo_until": None,
    },
    response_only=True,
    status_codes=["202"],
)
SVG: Final = OpenApiExample(
    "The first line of a picture",
    value='<svg xmlns="http://www.w3.org/2000/svg" width="648pt" height="216pt" viewBox="0 0 648 216" version="1.1">…</svg>',
    media_type="image/svg+xml",
    response_only=True,
)
