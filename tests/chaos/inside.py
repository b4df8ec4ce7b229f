"""What the chaos test does and asks inside the product, through `manage.py shell`. Each prints one line of JSON."""

import hashlib
import json
import sys

import numpy as np
from django.db import connection

from anomalies.models import Anomaly, Change
from datastores.services import create_org
from metrics import points
from metrics.models import DetectionShard, Metric
from tests import factories
from tests.chaos.faults import HISTORY, NAMES, STEP_MS, values_of


def seed(begin_ms: int, live: int) -> None:
    """Two orgs with series of the same names and the same history; their ingest keys."""
    tell({slug: seed_org(slug, begin_ms, live) for slug in ("storm", "calm")})


def seed_org(slug: str, begin_ms: int, live: int) -> str:
    org = create_org(name="Acme", slug=slug)
    datastore = org.datastores.get()
    ids = np.array([factories.make_metric(datastore, name).pk for name in NAMES], np.int64)
    times = begin_ms - STEP_MS * np.arange(HISTORY, 0, -1)
    history = values_of(live)[:HISTORY]
    points.append(org.pk, np.tile(ids, HISTORY), np.repeat(times, len(ids)), history.ravel(), backfill=True)
    return factories.make_ingest_key(datastore)[1]


def look(slug: str, begin_ms: int) -> None:
    """What is stored of the org's live points, what was found in them, and how far detection is behind."""
    metrics = Metric.objects.filter(org__slug=slug).order_by("name")
    found = points.read(metrics[0].org_id, [metric.pk for metric in metrics], begin_ms, 2**60)
    tell(
        {
            "points": {metric.name: digest_of(found[metric.pk].timestamps_ms, found[metric.pk].values) for metric in metrics},
            "anomalies": story(slug),
            "history": told(slug),
            "behind": behind(),
        }
    )


def story(slug: str) -> list[list[object]]:
    fields = (
        "metric__name", "kind", "status", "started_at", "ended_at", "peak_at", "peak_value", "expected", "expected_lower", "expected_upper",
        "score", "direction", "weight", "message", "detectors", "is_backfilled",
    )  # fmt: skip
    rows = Anomaly.objects.filter(org__slug=slug).exclude(kind="silence").order_by("metric__name", "started_at", "kind")
    return [list(row) for row in rows.values_list(*fields)]


def told(slug: str) -> list[int]:
    """How often each anomaly was opened: once."""
    opened = Change.objects.filter(org__slug=slug, changeset__has_key="status")
    return [opened.filter(anomaly=pk).count() for pk in Anomaly.objects.filter(org__slug=slug).values_list("pk", flat=True)]


def behind() -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM metrics_batch WHERE xid >= %s", [min(DetectionShard.objects.values_list("mark", flat=True), default=0)]
        )
        return int(cursor.fetchone()[0])


def digest_of(timestamps_ms: np.ndarray, values: np.ndarray) -> list[object]:
    """How many points, and which."""
    whole = np.asarray(timestamps_ms, np.int64).tobytes() + np.asarray(values, np.float64).tobytes()
    return [len(timestamps_ms), hashlib.sha256(whole).hexdigest()]


def tell(found: object) -> None:
    sys.stdout.write(json.dumps(found, default=str) + "\n")
