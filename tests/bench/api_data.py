"""What the API's figures are measured on: one org with a long series and its verdicts, and many anomalies. Prints where they are, as JSON."""

import json
import sys
import time

import numpy as np
from django.db import connection, transaction

from accounts.models import Level, Role
from datastores.services import create_org
from metrics import points
from metrics.points import fold
from metrics.points.families import POINTS, VERDICTS
from tests import factories

DAYS = 30
ANOMALIES = 200_000

# Half are open; created minute by minute, so that the order of the list is the order of the ids.
ANOMALIES_SQL = """
INSERT INTO anomalies_anomaly (
    uuid, type, status, is_new, weight, weight_breakdown, message, description, fingerprint, created, updated,
    datastore_id, org_id, metric_id, source_enriched, kind, episode_at, started_at, ended_at, peak_at, peak_value, expected, expected_lower, expected_upper, score, direction,
    detectors, is_backfilled)
SELECT gen_random_uuid(), 'metric', (ARRAY['Active', 'Acknowledged', 'Resolved', 'Invalid'])[1 + n %% 4],
       true, 1 + n %% 10, '{}',
       'Value ' || n || ' where 10 to 20 were expected', '', n %% 5000, at, at, %(datastore)s, %(org)s, %(metric)s,
       false, 'spike', at, at, at, at, 40, 15, 10, 20, n %% 100, 'up', '[{"name": "forecast", "score": 8.8}]', false
  FROM (SELECT n, now() - n * interval '1 minute' AS at FROM generate_series(1, %(count)s) AS n) AS numbers
"""
TAGGED_SQL = """
INSERT INTO anomalies_anomaly_global_tags (org_id, anomaly_id, tag_id) SELECT org_id, id, %s FROM anomalies_anomaly WHERE id %% 3 = 0;
INSERT INTO anomalies_anomaly_assignees (org_id, anomaly_id, user_id) SELECT org_id, id, %s FROM anomalies_anomaly WHERE id %% 2 = 0;
"""


def main() -> None:
    org = create_org(name="Bench", slug="bench")
    datastore = org.datastores.get()
    admin = factories.make_user(org, "Ada Admin", role=Role.ADMIN)
    member = factories.make_user(org, "Mia Member", level=Level.EDITOR, datastore=datastore)
    metric = factories.make_metric(datastore, "bench.requests", resolution_s=60.0)
    put_history(org.pk, metric.pk)
    put_anomalies(org.pk, datastore.pk, metric.pk, member)
    tokens = {name: factories.make_personal_token(user) for name, user in (("admin", admin), ("member", member))}
    sys.stdout.write(json.dumps({"metric": metric.pk, "tokens": tokens}) + "\n")


def put_history(org_id: int, metric_id: int) -> None:
    """30 days at one point a minute, folded as the nights would have."""
    now = int(time.time()) // 60 * 60_000
    times = now - 60_000 * np.arange(DAYS * 1440, 0, -1)
    values = np.round(100 + 20 * np.sin(np.arange(times.size) / 229) + np.random.default_rng(1).normal(size=times.size), 2)
    series = np.full(times.size, metric_id)
    points.append(org_id, series, times, values)
    with transaction.atomic():
        points.append_verdicts(org_id, series, times, yhat=values, lower=values - 5, upper=values + 5, score=np.abs(values) % 100)
    for family in (POINTS, VERDICTS):
        fold.fold_all(org_id, family)
        fold.fold_days(org_id, family)


def put_anomalies(org_id: int, datastore_id: int, metric_id: int, assignee) -> None:
    from anomalies.models import Tag

    tag = Tag.objects.create(org_id=org_id, name="High")
    with connection.cursor() as cursor:
        cursor.execute(ANOMALIES_SQL, {"org": org_id, "datastore": datastore_id, "metric": metric_id, "count": ANOMALIES})
        cursor.execute(TAGGED_SQL, [tag.pk, assignee.pk])
        cursor.execute("VACUUM ANALYZE")


if __name__ == "__main__":
    import django

    django.setup()
    main()
