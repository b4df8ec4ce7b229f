"""GET /api/metrics/{id}/forecast beyond the newest point: from the saved state, or from the stored points."""

import time

import numpy as np
import pytest
from django.core.cache import cache
from redis.exceptions import RedisError

from metrics import outlook, points
from metrics.detection import engine
from metrics.shards import saved
from tests import factories
from tests.api.conftest import client_with
from tests.metrics.detection.series import daily

pytestmark = pytest.mark.django_db
STEP_S = 600
DAY_S = 86_400
NOW_S = int(time.time()) // STEP_S * STEP_S
COUNT = 4 * 144  # four days


@pytest.fixture(autouse=True, scope="module")
def _compiled():
    """What is asked for before the detector is compiled has a test of its own."""
    state_after(1)


@pytest.fixture
def metric(datastore):
    return factories.make_metric(datastore, "daily", resolution_s=float(STEP_S))


@pytest.fixture
def ask(viewer, metric):
    client = client_with(factories.make_personal_token(viewer))

    def get(query="", *, status=200):
        answer = client.get(f"/api/metrics/{metric.pk}/forecast?times=unix{query}")
        assert answer.status_code == status, answer.content
        return answer.json()

    return get


def times_of(count):
    return 1000 * (NOW_S - STEP_S * np.arange(count - 1, -1, -1))


def send(metric, count, *, last=None):
    """The newest `last` of `count` points that end now."""
    part = slice(None if last is None else count - last, None)
    times, values = times_of(count)[part], daily(count)[part]
    points.append(metric.org_id, np.full(times.size, metric.pk), times, values)


def state_after(count, *, without=0):
    """A state that has seen these points but for the newest `without`."""
    states = engine.new_states(1)
    at, values = times_of(count)[: count - without], daily(count)[: count - without]
    engine.advance(states, np.zeros(at.size, np.int64), at, values, 0, backfill=True)
    return states


def save(metric, states):
    """In a block with a neighbour, as the loop writes it."""
    neighbours = engine.new_states(2)
    neighbours[1:] = states
    ids, orgs = np.array([metric.pk + 2, metric.pk]), np.array([metric.org_id] * 2)
    saved.write_block(metric.pk % 2, 3, neighbours, series=ids, orgs=orgs, seq=1)


def test_the_day_after_the_newest_point_is_told(ask, metric):
    send(metric, COUNT)
    told = ask()
    assert (told["last_at"], told["learning"], told["resolution"], told["aggregation"]) == (NOW_S, False, 600.0, "raw")
    assert told["timestamps"] == [NOW_S + STEP_S * k for k in range(1, 145)]
    clean = 100 + 20 * np.sin(2 * np.pi * (COUNT + np.arange(144)) / 144)
    assert np.abs(np.array(told["expected"]) - clean).mean() < 3.0
    assert all(low < expected < high for low, expected, high in zip(told["lower"], told["expected"], told["upper"], strict=True))
    assert told["score"] == [None] * 144


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("&horizon=3600", 6),
        ("&horizon=599", 0),
        ("&horizon=0", 0),
        (f"&until={NOW_S + 1801}", 3),
        (f"&until={NOW_S}", 0),
        (f"&horizon={7 * DAY_S}", 1008),
    ],
)
def test_so_far_as_is_asked_for(ask, metric, query, count):
    send(metric, COUNT)
    assert ask(query)["timestamps"] == [NOW_S + STEP_S * k for k in range(1, count + 1)]


@pytest.mark.parametrize("horizon", ["-1", "x", "604801", "1.5", ""])
def test_a_horizon_that_is_none_names_itself(ask, metric, horizon):
    assert ask(f"&horizon={horizon}", status=422)["errors"][0]["loc"] == ["query", "horizon"]


def test_it_comes_in_the_steps_of_what_was(ask, metric):
    send(metric, COUNT)
    told = ask(f"&step={6 * 3600}")
    assert told["resolution"] == 6 * 3600.0
    assert len(told["timestamps"]) in (4, 5)
    assert NOW_S < told["timestamps"][-1] <= NOW_S + DAY_S


def test_it_follows_the_verdicts_without_telling_a_time_twice(ask, metric, transactional_db):
    send(metric, COUNT)
    times = times_of(COUNT)[-3:] + np.array([0, 0, 1000 * STEP_S])
    band = np.array([1.0, 2.0, 3.0])
    points.append_verdicts(metric.org_id, np.full(3, metric.pk), times, yhat=band, lower=band - 1, upper=band + 1, score=band)
    told = ask("&horizon=1800")
    assert told["timestamps"] == [NOW_S - 2 * STEP_S, NOW_S - STEP_S, NOW_S + STEP_S, NOW_S + 2 * STEP_S, NOW_S + 3 * STEP_S]
    assert told["score"] == [1.0, 2.0, 3.0, None, None]


@pytest.mark.parametrize("count", [0, 1, 149, 200])
def test_while_it_is_learning_nothing_is_told_and_that_is_said(ask, metric, count):
    if count:
        send(metric, count)
    told = ask()
    assert (told["learning"], told["timestamps"], told["expected"]) == (True, [], [])
    assert told["last_at"] == (NOW_S if count >= 150 else None)


@pytest.mark.parametrize("behind", [0, 7])
def test_a_saved_state_is_taken_through_what_came_since(ask, metric, behind):
    save(metric, state_after(COUNT, without=behind))
    send(metric, COUNT, last=10)  # the saved state knows the rest, the store does not
    expected = engine.outlook(state_after(COUNT)[0], until_ms=1000 * (NOW_S + DAY_S), most=10_000)
    for told in (ask(), ask()):
        assert told["last_at"] == NOW_S
        assert told["timestamps"] == (expected.timestamps_ms // 1000).tolist()
        np.testing.assert_allclose(told["expected"], expected.expected)
        np.testing.assert_allclose(told["upper"], expected.upper)


def test_what_is_kept_is_taken_through_what_came_since_too(ask, metric):
    save(metric, state_after(COUNT, without=2))
    assert ask()["timestamps"][0] == NOW_S - STEP_S
    send(metric, COUNT, last=2)
    assert ask()["timestamps"][0] == NOW_S + STEP_S


def test_a_state_of_another_layout_or_of_another_series_is_not_taken(metric):
    save(metric, state_after(COUNT))
    assert saved.state_of(metric.pk)["newest_ms"].tolist() == [1000 * NOW_S]
    assert saved.state_of(metric.pk + 2)["seen"].tolist() == [0]
    assert saved.state_of(metric.org_id + 10**6) is None
    saved.DetectionBlock.objects.update(version=engine.VERSION + 1)
    assert saved.state_of(metric.pk) is None


def test_without_the_cache_it_is_made_each_time(ask, metric, monkeypatch):
    send(metric, COUNT)

    def away(*_, **__):
        raise RedisError

    monkeypatch.setattr(cache, "get", away)
    monkeypatch.setattr(cache, "set", away)
    assert len(ask()["timestamps"]) == 144


def test_while_the_detector_is_not_compiled_nobody_waits_for_it(ask, metric, monkeypatch):
    monkeypatch.setattr(outlook.engine, "is_compiled", lambda: False)
    send(metric, COUNT)
    assert ask()["learning"] is True
