"""Senders, their clients, and what is stored for them."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import cramjam
import orjson
import pytest
from django.db import connection
from django.test import Client

from metrics import points
from metrics.ingest import senders, series
from metrics.models import Metric
from tests import factories
from tests.metrics.ingest import protobuf as pb
from tests.metrics.threads import in_thread

__all__ = ["in_thread"]


@pytest.fixture(autouse=True)
def _fresh_process():
    """As if the process had just started: it remembers no key and no series."""
    senders.forget()
    series.forget()


@pytest.fixture
def now() -> int:
    return int(time.time())


@pytest.fixture
def key(datastore) -> str:
    return factories.make_ingest_key(datastore)[1]


@pytest.fixture
def agent() -> Client:
    return Client(raise_request_exception=False)


@pytest.fixture
def post_json(agent):
    """Sends Flux JSON."""

    def post(document, *, path="/flux/metric_data_post", content_type="application/json", **headers):
        body = document if isinstance(document, bytes) else orjson.dumps(document)
        return agent.post(path, body, content_type=content_type, headers=headers)

    return post


@pytest.fixture
def write(agent, key):
    """Sends remote write: write([(labels, samples), ...]), labels as {name: value}."""

    def send(rows, *, path="/api/v1/write", version=1, secret=key, **headers):
        pairs = [(sorted(labels.items()), samples) for labels, samples in rows]
        content_type = "application/x-protobuf" + (";proto=io.prometheus.write.v2.Request" if version == 2 else "")
        body = bytes(cramjam.snappy.compress_raw({1: pb.v1, 2: pb.v2}[version](pairs)))
        headers = {"Content-Encoding": "snappy", "Authorization": f"Bearer {secret}", **headers}
        return agent.post(path, body, content_type=content_type, headers={k: v for k, v in headers.items() if v is not None})

    return send


@pytest.fixture
def stored(org):
    """Everything that is stored for the org: {metric name: [(unix seconds, value), ...]}."""

    def read(of=org):
        names = dict(Metric.objects.for_org(of).values_list("pk", "name"))
        found = points.read(of.pk, list(names), 0, 2**60)
        return {
            names[pk]: list(zip((one.timestamps_ms / 1000).tolist(), one.values.tolist(), strict=True))
            for pk, one in found.items()
            if one.values.size
        }

    return read


@contextmanager
def log_refusing(sqlstate: str, *, after: int = 0) -> Iterator[None]:
    """While the block runs, the database itself refuses every row of the log beyond the first `after`, with this error."""
    with connection.cursor() as cursor:
        cursor.execute(f"""
            CREATE FUNCTION refuse_batches() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                IF (SELECT count(*) FROM metrics_batch) >= {after} THEN RAISE 'refused by a test' USING ERRCODE = '{sqlstate}'; END IF;
                RETURN NEW;
            END $$;
            CREATE TRIGGER refused_by_a_test BEFORE INSERT ON metrics_batch FOR EACH ROW EXECUTE FUNCTION refuse_batches()
        """)
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP FUNCTION refuse_batches() CASCADE")
