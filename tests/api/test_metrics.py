"""GET /api/metrics and its columns."""

import math
import time
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from django.db import transaction

from datastores.models import Datastore
from metrics import points
from tests import factories

pytestmark = pytest.mark.django_db
NOW_S = int(time.time()) // 60 * 60


@pytest.fixture
def metric(datastore):
    return factories.make_metric(datastore, "checkout.requests", resolution_s=60.0, labels={"job": "api"})


def put_points(metric, times_s, values) -> None:
    times = (np.asarray(times_s, np.float64) * 1000).astype(np.int64)
    points.append(metric.org_id, np.full(times.size, metric.pk), times, np.asarray(values, np.float64))


def iso(at_s: float) -> str:
    return datetime.fromtimestamp(at_s, UTC).isoformat().replace("+00:00", "Z")


def names(answer) -> list[str]:
    assert answer.status_code == 200, answer.content
    return [item["name"] for item in answer.json()["items"]]


def test_a_metric_has_what_was_learned_about_it(as_, reporter, metric, datastore):
    metric.last_at, metric.last_value, metric.period_s = datetime(2026, 3, 1, 12, 0, 0, 123456, UTC), 2.5, 86400.0
    metric.save()
    client = as_(reporter)
    shown = client.get(f"/api/metrics/{metric.pk}").json()
    assert shown == {
        "id": metric.pk, "name": "checkout.requests", "labels": {"job": "api"}, "datastore": {"id": datastore.pk, "name": "Metrics"},
        "state": "learning", "stale": False, "kind": "unknown", "sensitivity": "normal", "resolution": 60.0, "period": 86400.0,
        "last_at": "2026-03-01T12:00:00.123Z", "last_value": 2.5, "created": shown["created"],
    }  # fmt: skip
    assert client.get("/api/metrics").json()["items"] == [shown]


def test_metrics_are_listed_by_name_and_filtered(as_, viewer, datastore):
    for name, fields in (
        ("b.cpu", {"state": "active"}),
        ("a.cpu", {}),
        ("c.mem", {"is_stale": True, "state": "active", "kind": "counter"}),
    ):
        factories.make_metric(datastore, name, **fields)
    client = as_(viewer)
    assert names(client.get("/api/metrics")) == ["a.cpu", "b.cpu", "c.mem"]
    assert names(client.get("/api/metrics?sort_name=desc")) == ["c.mem", "b.cpu", "a.cpu"]
    assert names(client.get("/api/metrics?search=CPU")) == ["a.cpu", "b.cpu"]
    assert names(client.get("/api/metrics?state=active&stale=false")) == ["b.cpu"]
    assert names(client.get("/api/metrics?stale=true")) == names(client.get("/api/metrics?kind=counter")) == ["c.mem"]
    assert names(client.get("/api/metrics?name=a.cpu,c.mem")) == ["a.cpu", "c.mem"]
    assert names(client.get(f"/api/metrics?datastore={datastore.pk + 1}")) == []


@pytest.mark.parametrize("query", ["state=dead", "stale=maybe", "status=active", "sort_value=asc", "datastore=x"])
def test_a_filter_that_does_not_do_is_422(as_, viewer, metric, query):
    answer = as_(viewer).get(f"/api/metrics?{query}")
    assert (answer.status_code, answer.json()["errors"][0]["loc"]) == (422, ["query", query.split("=")[0]])


def test_out_of_scope_is_404_and_equal_names_stay_apart(as_, as_org, org, admin, viewer, stranger, outsider, metric, other_datastore):
    twin = factories.make_metric(other_datastore, "checkout.requests")
    hidden = factories.make_metric(Datastore.objects.create(org=org, name="Hidden"), "hidden")
    put_points(metric, [NOW_S - 60], [1.0])
    put_points(twin, [NOW_S - 60], [2.0])
    for path in ("", "/timeseries", "/forecast"):
        assert as_(outsider).get(f"/api/metrics/{metric.pk}{path}").status_code == 404
        assert as_(stranger).get(f"/api/metrics/{metric.pk}{path}").status_code == 404
        assert as_(viewer).get(f"/api/metrics/{hidden.pk}{path}").status_code == 404
        assert as_(admin).get(f"/api/metrics/{hidden.pk}{path}").status_code == 200
        assert as_org.get(f"/api/metrics/{hidden.pk}{path}").status_code == 200
    assert as_(outsider).get(f"/api/metrics/{twin.pk}/timeseries").json()["values"] == [2.0]
    assert names(as_(outsider).get("/api/metrics")) == ["checkout.requests"]
    assert names(as_(viewer).get("/api/metrics")) == ["checkout.requests"]


def test_the_last_day_comes_as_it_was_received(as_, viewer, metric):
    times = [NOW_S - 90_000, NOW_S - 3600, NOW_S - 60, NOW_S]
    put_points(metric, times, [1.0, 2.5, math.nan, 4.0])
    body = as_(viewer).get(f"/api/metrics/{metric.pk}/timeseries").json()
    assert body == {
        "metric": {"id": metric.pk, "name": "checkout.requests"}, "resolution": 60.0, "aggregation": "raw",
        "timestamps": [iso(at) for at in times[1:]], "values": [2.5, None, 4.0],
    }  # fmt: skip


def test_times_in_unix_seconds_and_milliseconds_are_exact(as_, viewer, metric):
    put_points(metric, [NOW_S - 60], [1.0])
    client, path = as_(viewer), f"/api/metrics/{metric.pk}/timeseries"
    assert client.get(f"{path}?times=unix").json()["timestamps"] == [NOW_S - 60]
    put_points(metric, [NOW_S - 30.25], [1.0])
    assert client.get(f"{path}?times=unix").json()["timestamps"] == [NOW_S - 60, NOW_S - 30.25]
    assert (
        client.get(path).json()["timestamps"][1] == datetime.fromtimestamp(NOW_S - 30.25, UTC).isoformat(timespec="milliseconds")[:-6] + "Z"
    )


def test_a_range_is_half_open_and_takes_offsets_and_unix_seconds(as_, viewer, metric):
    put_points(metric, [NOW_S - 180, NOW_S - 120, NOW_S - 60], [1.0, 2.0, 3.0])
    client, path = as_(viewer), f"/api/metrics/{metric.pk}/timeseries"
    berlin = (datetime.fromtimestamp(NOW_S - 120, UTC) + timedelta(hours=1)).replace(tzinfo=None).isoformat() + "%2B01:00"
    assert client.get(f"{path}?from={berlin}&until={NOW_S - 60}").json()["values"] == [2.0]
    assert client.get(f"{path}?from={iso(NOW_S - 180)}").json()["values"] == [1.0, 2.0, 3.0]
    assert client.get(f"{path}?until={iso(NOW_S - 60)}").json()["values"] == [1.0, 2.0]


def test_a_long_range_is_rolled_up_and_says_so(as_, viewer, metric):
    start = (NOW_S - 30 * 86400) // 1800 * 1800
    times = np.arange(start, NOW_S, 60)
    values = (times // 60 % 30).astype(np.float64)
    put_points(metric, times[(times < start + 3600) | (times >= start + 7200)], values[(times < start + 3600) | (times >= start + 7200)])
    client, path = as_(viewer), f"/api/metrics/{metric.pk}/timeseries?from={start}&times=unix"
    body = client.get(path).json()
    assert (body["resolution"], body["aggregation"]) == (1800.0, "mean")
    assert body["timestamps"][:5] == [start, start + 1800, start + 3600, start + 5400, start + 7200]
    assert (body["values"][:5], body["minimum"][:3], body["maximum"][:3]) == (
        [14.5, 14.5, None, None, 14.5],
        [0.0, 0.0, None],
        [29.0, 29.0, None],
    )
    assert len(body["timestamps"]) <= 2000
    assert client.get(f"{path}&aggregation=max").json()["values"][:3] == [29.0, 29.0, None]
    least = client.get(f"{path}&aggregation=min&step=3600").json()
    assert (least["resolution"], least["aggregation"], least["values"][0]) == (3600.0, "min", 0.0)


def test_at_most_as_many_points_come_as_were_asked_for(as_, viewer, metric):
    put_points(metric, NOW_S - 60 * np.arange(1000, 0, -1), np.arange(1000.0))
    client, path = as_(viewer), f"/api/metrics/{metric.pk}/timeseries"
    assert client.get(f"{path}?max_points=2000").json()["aggregation"] == "raw"
    body = client.get(f"{path}?max_points=100").json()
    assert (body["aggregation"], body["resolution"]) == ("mean", 900.0)
    assert 1 <= len(body["values"]) <= 100


@pytest.mark.parametrize(
    ("query", "loc"),
    [
        ("from=2026-03-01T00:00:00", "from"), ("from=yesterday", "from"), ("from=%C2%B2", "from"), ("from=%D9%A1%D9%A2", "from"),
        ("until=1e99", "until"), ("from=99999999999999999999", "from"),
        ("from=2026-03-02T00:00Z&until=2026-03-01T00:00Z", "until"), ("max_points=0", "max_points"), ("step=-1", "step"),
        ("times=epoch", "times"), ("aggregation=median", "aggregation"), ("colour=red", "colour"), ("from=0&step=1", "step"),
    ],
)  # fmt: skip
def test_a_range_that_does_not_do_is_named(as_, viewer, metric, query, loc):
    answer = as_(viewer).get(f"/api/metrics/{metric.pk}/timeseries?{query}")
    assert (answer.status_code, [error["loc"] for error in answer.json()["errors"]]) == (422, [["query", loc]])


def test_the_forecast_is_the_verdict_on_each_point(as_, viewer, metric):
    times = np.array([NOW_S - 120, NOW_S - 60]) * 1000
    columns = {"yhat": [10.0, 11.0], "lower": [8.0, math.nan], "upper": [12.0, 13.5], "score": [3.0, 91.0]}
    with transaction.atomic():
        points.append_verdicts(metric.org_id, np.full(2, metric.pk), times, **{name: np.array(column) for name, column in columns.items()})
    body = as_(viewer).get(f"/api/metrics/{metric.pk}/forecast?times=unix").json()
    assert body == {
        "metric": {"id": metric.pk, "name": "checkout.requests"}, "resolution": 60.0, "aggregation": "raw",
        "last_at": None, "learning": True, "timestamps": [NOW_S - 120, NOW_S - 60],
        "expected": [10.0, 11.0], "lower": [8.0, None], "upper": [12.0, 13.5], "score": [3.0, 91.0],
    }  # fmt: skip
    hour = NOW_S // 3600 * 3600 if NOW_S % 3600 >= 120 else None
    stepped = as_(viewer).get(f"/api/metrics/{metric.pk}/forecast?times=unix&step=3600").json()
    assert (stepped["resolution"], stepped["aggregation"]) == (3600.0, "mean")
    if hour is not None:
        assert (stepped["timestamps"], stepped["expected"], stepped["lower"], stepped["score"]) == ([hour], [10.5], [8.0], [91.0])


def test_a_metric_without_points_has_empty_columns(as_, viewer, metric):
    client = as_(viewer)
    for query in ("", "?step=60", "?times=unix"):
        body = client.get(f"/api/metrics/{metric.pk}/timeseries{query}").json()
        assert (body["timestamps"], body["values"]) == ([], [])
        forecast = client.get(f"/api/metrics/{metric.pk}/forecast{query}").json()
        assert (forecast["timestamps"], forecast["expected"], forecast["score"]) == ([], [], [])


def test_query_counts(as_, viewer, datastore, metric, same_queries):
    for n in range(20):
        factories.make_metric(datastore, f"m{n}")
    client = as_(viewer)
    client.get("/api/metrics")
    same_queries("GET /api/metrics, 21 rows", lambda: client.get("/api/metrics"))
    same_queries("GET /api/metrics/{id}", lambda: client.get(f"/api/metrics/{metric.pk}"))
    same_queries("GET /api/metrics/{id}/timeseries", lambda: client.get(f"/api/metrics/{metric.pk}/timeseries"))
    same_queries("GET /api/metrics/{id}/forecast", lambda: client.get(f"/api/metrics/{metric.pk}/forecast"))
