"""Examples of the OpenAPI document."""

from typing import Final

from drf_spectacular.utils import OpenApiExample

DATASTORE: Final = OpenApiExample(
    "What every org has from birth",
    value={"id": 1, "name": "Metrics", "type": "metrics", "level": "editor", "created": "2026-01-07T09:12:31.000Z"},
    response_only=True,
)
OPERATION: Final = OpenApiExample(
    "An import on its way",
    value={
        "id": 31,
        "type": "import",
        "status": "running",
        "percent": 42.5,
        "done": 425000,
        "total": 1000000,
        "message": "",
        "counters": {"stored": 424990, "refused": 10},
        "datastore": {"id": 1, "name": "Metrics"},
        "user": {"id": 42, "name": "Alice Lee"},
        "created": "2026-05-15T17:22:08.000Z",
        "started": "2026-05-15T17:22:09.000Z",
        "ended": None,
        "undo_until": None,
    },
    response_only=True,
)
BEGUN: Final = OpenApiExample(
    "It waits for a worker",
    value={
        **OPERATION.value,
        "type": "bulk",
        "status": "waiting",
        "percent": 0.0,
        "done": 0,
        "total": 57,
        "counters": {"changed": 0, "skipped": 0},
        "datastore": None,
        "started": None,
    },
    response_only=True,
    status_codes=["202"],
)
