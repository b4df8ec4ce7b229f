"""GET /api/anomalies/{id}/image: forms, themes, sizes, versions, the cache, and the picture that is drawn when an anomaly opens."""

import io
import time
from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree

import numpy as np
import pytest
from django.core.cache import cache
from PIL import Image

from metrics import pictures, points
from metrics.charts import Span
from metrics.tasks import render_chart
from tests import factories

pytestmark = pytest.mark.django_db
NOW_S = int(time.time()) // 60 * 60


@pytest.fixture
def metric(datastore):
    metric = factories.make_metric(datastore, "checkout.requests", resolution_s=60.0)
    times = (NOW_S - 60 * np.arange(600, -1, -1)) * 1000
    points.append(metric.org_id, np.full(times.size, metric.pk), times, np.sin(np.arange(times.size) / 30))
    return metric


@pytest.fixture
def anomaly(metric):
    started = datetime.fromtimestamp(NOW_S - 1200, UTC)
    return factories.make_anomaly(metric, started_at=started, peak_at=started)


def test_a_png_of_the_size_that_was_asked_for(as_, reporter, anomaly):
    client = as_(reporter)
    answer = client.get(f"/api/anomalies/{anomaly.pk}/image")
    assert (answer.status_code, answer["Content-Type"]) == (200, "image/png")
    assert Image.open(io.BytesIO(answer.content)).size == (900, 300)
    small = client.get(f"/api/anomalies/{anomaly.uuid}/image?format=png&theme=dark&width=400&height=200")
    image = Image.open(io.BytesIO(small.content)).convert("RGB")
    assert (image.size, image.getpixel((0, 0))) == ((400, 200), (0x1B, 0x20, 0x24))


def test_an_svg_that_may_style_itself_and_nothing_else(as_, reporter, anomaly):
    answer = as_(reporter).get(f"/api/anomalies/{anomaly.pk}/image?format=svg")
    assert (answer.status_code, answer["Content-Type"]) == (200, "image/svg+xml")
    assert answer["Content-Security-Policy"] == "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
    words = ["".join(node.itertext()).strip() for node in ElementTree.fromstring(answer.content).iter("{http://www.w3.org/2000/svg}text")]
    assert {"checkout.requests", "anomaly", "now"} <= set(words)


def test_a_known_picture_is_not_sent_again(as_, reporter, anomaly):
    client, path = as_(reporter), f"/api/anomalies/{anomaly.pk}/image"
    first = client.get(path)
    again = client.get(path, headers={"If-None-Match": first["ETag"]})
    assert (again.status_code, again.content, again["ETag"]) == (304, b"", first["ETag"])
    assert client.get(f"{path}?theme=dark", headers={"If-None-Match": first["ETag"]}).status_code == 200


@pytest.mark.parametrize("query", ["format=gif", "theme=sepia", "width=199", "width=2001", "height=1e3", "height=-1", "colour=red"])
def test_a_picture_that_does_not_exist_is_422(as_, reporter, anomaly, query):
    answer = as_(reporter).get(f"/api/anomalies/{anomaly.pk}/image?{query}")
    assert (answer.status_code, [error["loc"] for error in answer.json()["errors"]]) == (422, [["query", query.split("=")[0]]])


def test_an_anomaly_without_a_series_has_no_picture(as_, admin, anomaly):
    anomaly.type, anomaly.metric = "record", None
    anomaly.save()
    assert as_(admin).get(f"/api/anomalies/{anomaly.pk}/image").status_code == 404


def test_the_second_look_draws_nothing_and_an_empty_cache_costs_only_time(as_, reporter, anomaly, monkeypatch):
    client, path = as_(reporter), f"/api/anomalies/{anomaly.pk}/image"
    first = client.get(path)
    with monkeypatch.context() as patched:
        patched.setattr("matplotlib.figure.Figure.savefig", None)  # nothing can be drawn
        assert client.get(path).content == first.content
        cache.clear()
        assert client.get(path).status_code == 500
    assert client.get(path).status_code == 200


def test_without_the_cache_pictures_are_still_drawn(as_, reporter, anomaly, settings):
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": "redis://127.0.0.1:1/0"}}
    assert as_(reporter).get(f"/api/anomalies/{anomaly.pk}/image").status_code == 200


def test_the_pictures_of_an_opening_anomaly_wait_for_whoever_asks(metric, monkeypatch):
    started = (NOW_S - 1200) * 1000
    render_chart(metric.pk, started, started + 60_000)
    monkeypatch.setattr("matplotlib.figure.Figure.savefig", None)  # nothing can be drawn any more
    drawn = {
        style: pictures.picture_around(metric, Span(started, None, started), style=style, now_ms=NOW_S * 1000)
        for style in pictures.ON_OPENING
    }
    assert sorted((style.form, style.theme) for style in drawn) == [("png", "dark"), ("png", "light"), ("svg", "dark"), ("svg", "light")]
    assert len(set(drawn.values())) == 4


def test_drawing_for_a_series_that_is_gone_does_nothing(metric):
    metric.delete()
    assert render_chart(metric.pk, 0, 0) is None
    assert render_chart(2**60, 0, 0) is None


def test_the_frame_shows_what_was_usual_before_and_what_came_after(metric):
    minute, now = 60_000, NOW_S * 1000
    lasting = pictures.frame_of(metric, Span(now - 20 * minute, None), now_ms=now)
    assert (now - 20 * minute - lasting.start_ms, lasting.end_ms > now) == (480 * minute, True)
    over = pictures.frame_of(metric, Span(now - 9000 * minute, now - 8900 * minute), now_ms=now)
    assert (over.start_ms, over.end_ms) == (now - 9480 * minute, now - 8900 * minute + 120 * minute + 288_000)
    metric.resolution_s = 86_400.0
    assert (now - pictures.frame_of(metric, Span(now, None), now_ms=now).start_ms) == timedelta(days=21).total_seconds() * 1000
