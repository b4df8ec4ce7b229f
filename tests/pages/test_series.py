"""The list of series, the page of one, and its points as a table."""

import html
import json
import re
import shlex
from datetime import timedelta

import numpy as np
import pytest
from django.utils import timezone

from anomalies.pages import series
from tests import factories
from tests.pages.conftest import send_hours, spike

HTMX = {"HX-Request": "true"}


def names(answer) -> list[str]:
    return [row.name for row in answer.context["page"].rows]


def test_the_list_is_by_name_and_counts_what_is_open(as_, reporter, metric):
    factories.make_metric(metric.datastore, "api.errors")
    spike(metric)
    spike(metric, ago=timedelta(hours=1), status="Acknowledged")
    spike(metric, ago=timedelta(hours=2), status="Resolved")
    answer = as_(reporter).get("/app/metrics")
    assert [(row.name, row.state, row.open_anomalies) for row in answer.context["page"].rows] == [
        ("api.errors", "learning", 0), ("checkout.latency", "active", 2),
    ]  # fmt: skip


def test_series_of_others_are_not_there(as_, reporter, stranger, metric, other_datastore):
    theirs = factories.make_metric(other_datastore, "theirs")
    assert names(as_(reporter).get("/app/metrics")) == ["checkout.latency"]
    assert names(as_(stranger).get("/app/metrics")) == []
    assert as_(reporter).get(f"/app/metrics/{theirs.pk}").status_code == 404
    assert as_(reporter).get(f"/app/metrics/{theirs.pk}/points").status_code == 404
    assert as_(stranger).get(f"/app/metrics/{metric.pk}").status_code == 404


@pytest.mark.parametrize(
    ("query", "expected"),
    [("state=learning", ["new"]), ("state=active", ["calm", "wild"]), ("state=stale", ["mute"]), ("state=trouble", ["wild"]),
     ("state=x", ["calm", "mute", "new", "wild"]), ("search=AL", ["calm"]), ("search=w&state=trouble", ["wild"]), ("page=2", [])],
)  # fmt: skip
def test_the_address_filters(as_, reporter, datastore, query, expected):
    for name, fields in {
        "calm": {"state": "active"},
        "wild": {"state": "active"},
        "new": {},
        "mute": {"state": "active", "is_stale": True},
    }.items():
        factories.make_metric(datastore, name, **fields)
    spike(datastore.metrics.get(name="wild"))
    assert names(as_(reporter).get(f"/app/metrics?{query}")) == expected


def test_a_row_shows_the_last_day(as_, reporter, metric):
    send_hours(metric)
    (row,) = as_(reporter).get("/app/metrics").context["page"].rows
    assert row.spark.line.startswith("M")
    assert row.spark.band.endswith("Z")
    assert row.spark.hit == ""


def test_queries_do_not_grow_with_the_series(as_, reporter, metric, queries_of):
    send_hours(metric)
    client = as_(reporter)
    few = queries_of(lambda: client.get("/app/metrics"))
    for number in range(50):
        spike(factories.make_metric(metric.datastore, f"series {number:02}"))
    assert queries_of(lambda: client.get("/app/metrics")) == few


def test_htmx_gets_the_list_alone(as_, reporter, metric):
    part = as_(reporter).get("/app/metrics?search=check", headers=HTMX)
    assert (part.status_code, b"<html" in part.content, names(part)) == (200, False, ["checkout.latency"])


@pytest.mark.parametrize(("query", "says"), [("", b"No series yet"), ("?search=x", b"No series like that")])
def test_an_empty_list_says_the_next_step(as_, reporter, query, says):
    page = as_(reporter).get(f"/app/metrics{query}").content
    assert says in page
    assert (b"curl -X POST http://testserver/flux/metric_data_post" in page) is (query == "")


def test_the_page_tells_what_was_learned_and_how_to_send(as_, reporter, datastore):
    moment = timezone.now() - timedelta(minutes=3)
    fields = {"state": "active", "kind": "gauge", "resolution_s": 60.0, "period_s": 86400.0, "last_at": moment, "last_value": 39197.0}
    metric = factories.make_metric(datastore, """it's{host="a"}""", labels={"host": "a"}, **fields)
    page = as_(reporter).get(f"/app/metrics/{metric.pk}").content.decode()
    for told in ("<strong>39,197</strong> at last", "one point every 1 min", "<dd>gauge</dd>", "<dd>1 d</dd>", '<dd class="mono">a</dd>'):
        assert told in page
    command = html.unescape(re.search(r"<pre[^>]*>(.*?)</pre>", page, re.DOTALL)[1])
    *words, body = shlex.split(command.replace("\\\n", ""))
    assert words == ["curl", "-X", "POST", "http://testserver/flux/metric_data_post", "-d"]
    sent = {"key": "YOUR_INGEST_KEY", "metric": metric.name, "value": 42, "timestamp": 1795386772}
    assert json.loads(body.replace("$(date +%s)", "1795386772")) == sent


def test_the_page_lists_its_own_anomalies(as_, reporter, anomaly):
    spike(factories.make_metric(anomaly.datastore, "other"))
    answer = as_(reporter).get(f"/app/metrics/{anomaly.metric_id}")
    assert [row.id for row in answer.context["rows"]] == [anomaly.pk]
    assert [mark["id"] for mark in answer.context["chart"].config["marks"]] == [anomaly.pk]
    table = answer.content.decode().split('<table class="rows">')[1].split("</table>")[0]
    assert (table.count("</th>"), table.count("</td>")) == (5, 5)
    assert '<span class="status active">Active</span>' in table


def test_queries_do_not_grow_with_its_anomalies(as_, reporter, anomaly, queries_of):
    send_hours(anomaly.metric)
    client = as_(reporter)
    few = queries_of(lambda: client.get(f"/app/metrics/{anomaly.metric_id}"))
    for hours in range(1, 50):
        spike(anomaly.metric, ago=timedelta(minutes=20 + hours))
    assert queries_of(lambda: client.get(f"/app/metrics/{anomaly.metric_id}")) == few


@pytest.mark.parametrize(("most", "said"), [(3, "3"), (2, "2+")])
def test_its_anomalies_are_counted_as_far_as_they_are_drawn(as_, reporter, metric, monkeypatch, most, said):
    monkeypatch.setattr(series, "MARKS_SHOWN", most)
    for hours in range(3):
        spike(metric, ago=timedelta(hours=hours + 1))
    context = as_(reporter).get(f"/app/metrics/{metric.pk}").context
    assert (context["total"], len(context["chart"].config["marks"])) == (said, most)


def test_points_are_told_with_what_was_expected(as_, reporter, metric):
    times = send_hours(metric, 2)
    answer = as_(reporter).get(f"/app/metrics/{metric.pk}/points?from={times[0] // 1000}&to={times[-1] // 1000 + 1}")
    rows = answer.context["rows"]
    assert (len(rows), answer.context["step_s"]) == (120, 0)
    assert (int(rows[0].at.timestamp() * 1000), rows[-1].value) == (times[-1], 1.0)
    assert (rows[-1].expected, rows[-1].lower, rows[-1].upper, rows[-1].is_outside) == (1.0, 0.5, 1.5, False)


def test_many_points_are_told_as_means(as_, reporter, metric):
    times = send_hours(metric, 20)
    answer = as_(reporter).get(f"/app/metrics/{metric.pk}/points?from={times[0] // 1000}&to={times[-1] // 1000 + 1}", headers=HTMX)
    assert (len(answer.context["rows"]) <= 501, answer.context["step_s"]) == (True, 144)
    assert b"each line is the mean of 2 min 24 s" in answer.content
    assert b"<html" not in answer.content


def test_beside_means_stand_the_means_of_what_was_expected(as_, reporter, metric):
    times = send_hours(metric, 20)
    rows = as_(reporter).get(f"/app/metrics/{metric.pk}/points?from={times[0] // 1000}&to={times[-1] // 1000 + 1}").context["rows"]
    means = np.array([(row.value, row.expected, row.lower, row.upper) for row in rows], np.float64)
    np.testing.assert_allclose(means - means[:, :1], np.tile([0.0, 0.0, -0.5, 0.5], (len(rows), 1)), atol=1e-4)
    assert not any(row.is_outside for row in rows)


@pytest.mark.parametrize(("hours", "step_s"), [(8, 0), (20, 86_400)])
def test_a_century_is_cut_to_what_is_kept_and_its_few_points_are_told_one_by_one(as_, reporter, metric, hours, step_s):
    times = send_hours(metric, hours)
    context = as_(reporter).get(f"/app/metrics/{metric.pk}/points?from=0&to=4102444799").context
    assert context["end"] - context["start"] == timedelta(days=400)
    assert timezone.now() < context["end"] <= timezone.now() + timedelta(days=1)
    days = {time // 86_400_000 for time in times.tolist()}
    assert (len(context["rows"]), context["step_s"]) == (60 * hours if step_s == 0 else len(days), step_s)


def test_no_points_are_said_to_be_none(as_, reporter, metric):
    assert b"No points in this stretch of time." in as_(reporter).get(f"/app/metrics/{metric.pk}/points").content
