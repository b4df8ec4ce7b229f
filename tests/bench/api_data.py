"""What the API's figures are measured on. Prints where it is, as JSON.

One org with a long series and its verdicts; and a million anomalies in fifty orgs, of which the first has 200,000, the second 20,000 and
the others share the rest: of all three types, with history, tags, assignees, failed checks and their fields.
"""

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from django.db import connection, transaction
from django.test import Client

from accounts.models import Level, Role, User
from anomalies.models import Tag
from config.database.owner import as_owner
from datastores.models import Container, Datastore
from datastores.services import create_org
from metrics import points
from metrics.points import fold
from metrics.points.families import POINTS, VERDICTS
from orgs.models import Org
from orgs.tenancy import within
from tests import factories

DAYS = 30
ORGS = 50
# How many the first two orgs have; half of them open. The others share the rest.
FIRST_ORG = 200_000
SECOND_ORG = 20_000
ANOMALIES = 1_000_000
CONTAINERS = 10
METRICS = 20
PEOPLE = 5
TABLES = (
    "anomalies_anomaly", "anomalies_anomaly_global_tags", "anomalies_anomaly_assignees", "anomalies_failedcheck", "anomalies_failedfield",
    "anomalies_change",
)  # fmt: skip

# Half are open; created minute by minute. Of ten, six are excursions of series, three wrong rows, one a table out of shape.
ANOMALIES_SQL = """
INSERT INTO anomalies_anomaly (
    uuid, type, status, is_new, weight, weight_breakdown, message, description, fingerprint, created, updated, datastore_id, container_id,
    org_id, metric_id, source_enriched, anomalous_records_count, container_scan_id, partition_scan_id, kind, episode_at, started_at, ended_at,
    peak_at, peak_value, expected, expected_lower, expected_upper, score, direction, detectors, is_backfilled)
SELECT gen_random_uuid(), type, (ARRAY['Active', 'Acknowledged', 'Resolved', 'Invalid'])[1 + dice %% 4], n %% 3 = 0, 1 + dice / 64 %% 13,
       '{"score": 1}',
       CASE type
       WHEN 'metric' THEN 100 + n * 17 %% 89991 || ' where ' || n %% 90 || ' to ' || 90 + n %% 9 || ' were expected: ' || n %% 77 || ' %% too high.'
       WHEN 'record' THEN (ARRAY['order_id', 'customer_id', 'total', 'email', 'country'])[1 + n %% 5] || ' is null in row ' || n || ' of orders'
       ELSE 'In country, ' || n %% 100 || '.125%% of ' || n * 3 || ' filtered records (' || n || ') are not unique' END,
       CASE WHEN n %% 10 = 0 THEN 'Known since the last release, see the runbook.' ELSE '' END, n %% 5000, at, at,
       CASE WHEN type = 'metric' THEN %(metrics)s ELSE %(warehouse)s END,
       CASE WHEN type <> 'metric' THEN (%(containers)s::bigint[])[1 + dice / 1024 %% %(container_count)s] END,
       %(org)s, CASE WHEN type = 'metric' THEN (%(series)s::bigint[])[1 + dice / 1024 %% %(series_count)s] END,
       n %% 3 = 0, CASE WHEN type <> 'metric' THEN n %% 1000 END, CASE WHEN type <> 'metric' THEN n / 1000 END,
       CASE WHEN type <> 'metric' THEN n / 100 END, CASE WHEN type = 'metric' THEN 'spike' ELSE '' END,
       CASE WHEN type = 'metric' THEN at END, CASE WHEN type = 'metric' THEN at END, CASE WHEN type = 'metric' THEN at END,
       CASE WHEN type = 'metric' THEN at END, 40, 15, 10, 20, CASE WHEN type = 'metric' THEN dice / 4096 %% 100 END,
       CASE WHEN type = 'metric' THEN 'up' ELSE '' END, '[{"name": "forecast", "label": "Off the forecast", "score": 8.8}]', false
  FROM (SELECT n, now() - n * interval '1 minute' AS at, dice,
               CASE WHEN dice / 4 %% 10 < 6 THEN 'metric' WHEN dice / 4 %% 10 < 9 THEN 'record' ELSE 'shape' END AS type
          FROM (SELECT n, abs(hashint8(n)::bigint) AS dice FROM generate_series(1, %(count)s) AS n) AS thrown) AS numbers
"""
# Every third has the first tag, every tenth the second, every hundredth the third; half are somebody's; two lines of history each.
HANGING_SQL = """
INSERT INTO anomalies_anomaly_global_tags (org_id, anomaly_id, tag_id)
SELECT a.org_id, a.id, t.id FROM anomalies_anomaly a
  JOIN anomalies_tag t ON t.org_id = a.org_id AND abs(hashint8(a.id + 1)::bigint) %% (t.description::integer) = 0;
INSERT INTO anomalies_anomaly_assignees (org_id, anomaly_id, user_id)
SELECT a.org_id, a.id, u.id FROM anomalies_anomaly a
  JOIN (SELECT org_id, id, row_number() OVER (PARTITION BY org_id ORDER BY id) AS place FROM accounts_user) u
    ON u.org_id = a.org_id AND u.place = abs(hashint8(a.id + 2)::bigint) %% (2 * %(people)s);
INSERT INTO anomalies_failedcheck (org_id, anomaly_id, quality_check_id, rule_type, message, suggested_field, suggested_value)
SELECT org_id, id, hash %% 200, (ARRAY['notNull', 'between', 'unique', 'matchesPattern', 'expectedValues'])[1 + hash %% 5], message, '', ''
  FROM (SELECT *, abs(hashint8(id + 3)::bigint) AS hash FROM anomalies_anomaly WHERE type <> 'metric') AS wrong;
INSERT INTO anomalies_failedfield (org_id, anomaly_id, failed_check_id, name)
SELECT org_id, anomaly_id, id, (ARRAY['order_id', 'customer_id', 'total', 'email', 'country'])[1 + quality_check_id / 5 %% 5] FROM anomalies_failedcheck;
INSERT INTO anomalies_change (org_id, anomaly_id, transaction_id, actor, timestamp, changeset)
SELECT org_id, id, id, 'detector', created, '{"status": [null, "Active"]}'::jsonb FROM anomalies_anomaly
 UNION ALL
SELECT org_id, id, id, 'user', updated, '{"status": ["Active", "Acknowledged"]}'::jsonb FROM anomalies_anomaly;
"""
TAGS = {"High": 3, "Customer-Impact": 10, "Rare": 100}


def main() -> None:
    with as_owner():
        orgs = [make_org(number) for number in range(ORGS)]
        put_anomalies(orgs)
    first, second = orgs[0], orgs[1]
    series = first.metrics[0]
    with within(first.org.pk):
        put_history(first.org.pk, series)
    tokens = {name: token for org in (first, second) for name, token in org.tokens.items()}
    known = {name: value for name, value in vars(first).items() if name in ("people", "containers", "warehouse")}
    sys.stdout.write(json.dumps({"metric": series, "tokens": tokens, "session": session_of(first.member), **known}) + "\n")


class Tenant:
    """One org, and the ids of what its anomalies are about."""

    def __init__(self, org: Org, number: int) -> None:
        store = org.datastores.get()
        self.org, self.store = org, store.pk
        warehouse = Datastore.objects.create(org=org, name="Warehouse", type=Datastore.Type.METRICS)
        self.warehouse = warehouse.pk
        self.containers = [Container.objects.create(org=org, datastore=warehouse, name=f"orders_{n}").pk for n in range(CONTAINERS)]
        self.metrics = [factories.make_metric(store, f"bench.requests.{n}", resolution_s=60.0).pk for n in range(METRICS)]
        admin = factories.make_user(org, "Ada Admin", role=Role.ADMIN)
        member = factories.make_user(org, "Mia Member", level=Level.EDITOR, datastore=store)
        factories.grant(member, warehouse, Level.EDITOR)
        others = [factories.make_user(org, f"Person {n}", level=Level.VIEWER, datastore=store) for n in range(PEOPLE - 2)]
        self.people = [user.pk for user in (admin, member, *others)]
        # How often each is put is written down with it, for the statement that does.
        for name, every in TAGS.items():
            Tag.objects.create(org=org, name=name, description=str(every), weight_modifier=2)
        prefix = "" if number == 0 else "small "
        self.tokens = {f"{prefix}{who}": factories.make_personal_token(user) for who, user in (("admin", admin), ("member", member))}
        self.count = {0: FIRST_ORG, 1: SECOND_ORG}.get(number, (ANOMALIES - FIRST_ORG - SECOND_ORG) // (ORGS - 2))
        self.member = member


def make_org(number: int) -> Tenant:
    return Tenant(create_org(name=f"Bench {number}", slug=f"bench-{number}"), number)


def session_of(user: User) -> str:
    """The cookie of a person who has logged in."""
    client = Client()
    client.force_login(user)
    return client.session.session_key


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


def put_anomalies(orgs: list[Tenant]) -> None:
    """A few minutes, most of it for the indexes; at the end the tables are as autovacuum leaves them."""
    with connection.cursor() as cursor:
        cursor.execute("SET maintenance_work_mem = '1GB'; SET synchronous_commit = off")
        with without_indexes(cursor):
            for tenant in orgs:
                cursor.execute(ANOMALIES_SQL, numbers(tenant))
            cursor.execute(HANGING_SQL, {"people": PEOPLE})
        cursor.execute("UPDATE anomalies_tag SET description = ''")
        cursor.execute("VACUUM ANALYZE")


def numbers(tenant: Tenant) -> dict[str, object]:
    return {
        "org": tenant.org.pk, "metrics": tenant.store, "warehouse": tenant.warehouse, "count": tenant.count, "series": tenant.metrics,
        "series_count": METRICS, "containers": tenant.containers, "container_count": CONTAINERS,
    }  # fmt: skip


@contextmanager
def without_indexes(cursor) -> Iterator[None]:
    """Filling first and indexing then takes a fifth of the time; foreign keys of what is made of what is there need no proof."""
    cursor.execute(
        """SELECT i.indexrelid::regclass::text, pg_get_indexdef(i.indexrelid) FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
            WHERE c.relname = ANY(%s) AND NOT i.indisunique""",
        [list(TABLES)],
    )
    indexes = cursor.fetchall()
    for name, _ in indexes:
        cursor.execute(f"DROP INDEX {name}")
    cursor.execute("SET session_replication_role = replica")
    yield
    cursor.execute("SET session_replication_role = origin")
    for _, definition in indexes:
        cursor.execute(definition)


if __name__ == "__main__":
    import django

    django.setup()
    main()
