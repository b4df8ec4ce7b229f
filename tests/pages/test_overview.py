"""The first page."""

from datetime import timedelta

import numpy as np
import pytest
from django.utils import timezone

from metrics import points
from metrics.pulse import ingest_pulse
from tests import factories
from tests.pages.conftest import send_hours, spike


def test_the_overview_counts(as_, reporter, metric, other_datastore):
    factories.make_metric(metric.datastore, "new")
    factories.make_metric(metric.datastore, "mute", state="active", is_stale=True)
    spike(metric, is_new=False)
    spike(metric, ago=timedelta(hours=1), status="Acknowledged")
    spike(metric, ago=timedelta(hours=2), status="Resolved")
    spike(factories.make_metric(other_datastore, "theirs", is_stale=True))
    told = as_(reporter).get("/app/").context
    assert {name: told[name] for name in ("open", "unseen", "series", "troubled", "stale", "learning")} == {
        "open": "2", "unseen": "1", "series": "3", "troubled": "1", "stale": "1", "learning": "1",
    }  # fmt: skip
    assert [row.name for row in told["silent"]] == ["mute"]
    assert [row.name for row in told["learners"]] == ["new"]


def test_the_heaviest_come_first(as_, reporter, metric):
    light, heavy = spike(metric, weight=2), spike(metric, ago=timedelta(days=3), weight=9)
    assert [row.id for row in as_(reporter).get("/app/").context["rows"]] == [heavy.pk, light.pk]


@pytest.mark.parametrize(("has_series", "says"), [(False, b"No series yet"), (True, b"Nothing is open")])
def test_an_empty_overview_says_the_next_step(as_, reporter, datastore, has_series, says):
    if has_series:
        factories.make_metric(datastore)
    page = as_(reporter).get("/app/").content
    assert says in page
    assert (b"curl -X POST http://testserver/flux/metric_data_post" in page) is not has_series


def test_queries_do_not_grow(as_, reporter, metric, queries_of):
    send_hours(metric)
    spike(metric)
    factories.make_metric(metric.datastore, "new")
    factories.make_metric(metric.datastore, "mute", is_stale=True)
    client = as_(reporter)
    few = queries_of(lambda: client.get("/app/"))
    for number in range(50):
        spike(factories.make_metric(metric.datastore, f"series {number:02}", is_stale=number % 2 == 0), ago=timedelta(minutes=21 + number))
    assert queries_of(lambda: client.get("/app/")) == few


def test_the_pulse_counts_live_points_per_minute(metric, other_datastore):
    now = timezone.now()

    def send(to, count: int, ago_s: int, **more) -> None:
        times = np.arange(count) * 1000
        points.append(to.org_id, np.full(count, to.pk), times, np.zeros(count), received_at=now - timedelta(seconds=ago_s), **more)

    send(metric, 99, 31 * 60)
    assert sum(ingest_pulse(metric.org_id, now).per_minute) == 0
    send(metric, 7, 29 * 60 + 30)
    send(metric, 20, 70)
    send(metric, 30, 70)
    send(metric, 3, 10)
    send(metric, 99, 5, backfill=True)
    send(factories.make_metric(other_datastore, "theirs"), 99, 70)
    pulse = ingest_pulse(metric.org_id, now)
    assert (pulse.per_minute[0], sum(pulse.per_minute[1:-2]), pulse.per_minute[-2:]) == (7, 0, (50, 3))
    assert pulse.rate == 10.0
