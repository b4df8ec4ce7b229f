"""The demo's series: real rows, continued without a gap, each point once however often the feeder stops."""

import json

import numpy as np
import pytest

from config.demo import catalogue, client, faults
from config.demo.catalogue import MINUTE_MS
from tests.peer import Answer, listening

ANCHOR = 1_700_000_000_000


def test_a_native_series_keeps_its_own_times():
    source = catalogue.load("taxi.rides.half_hourly")
    assert source.step_ms == 30 * MINUTE_MS
    assert (len(source.values), source.values[0], source.offsets_ms[1]) == (10320, 10844.0, 30 * MINUTE_MS)


def test_a_live_series_has_the_same_values_at_a_point_a_minute():
    native, live = catalogue.load("elb.requests.count"), catalogue.load("shop.gateway.requests")
    np.testing.assert_array_equal(np.roll(native.values, -(len(native.values) // 3)), live.values)
    assert set(np.diff(live.offsets_ms)) == {MINUTE_MS}


def test_history_ends_at_the_anchor_and_then_starts_over():
    source = catalogue.load("shop.checkout.cpu")
    times, values = source.points(ANCHOR, ANCHOR - 2 * MINUTE_MS, ANCHOR + 2 * MINUTE_MS)
    assert list(times) == [ANCHOR - MINUTE_MS, ANCHOR, ANCHOR + MINUTE_MS, ANCHOR + 2 * MINUTE_MS]
    assert list(values) == [*source.values[-2:], *source.values[:2]]


@pytest.mark.parametrize("metric", [*catalogue.NATIVE, *catalogue.LIVE])
def test_pieces_join_to_the_whole_without_loss_or_repetition(metric):
    source = catalogue.load(metric)
    cuts = [0, ANCHOR - 10 * source.step_ms, ANCHOR, ANCHOR + 1, ANCHOR + 7 * source.step_ms + 5, ANCHOR + 20 * source.step_ms]
    pieces = [source.points(ANCHOR, after, until)[0] for after, until in zip(cuts, cuts[1:], strict=False)]
    whole = source.points(ANCHOR, 0, cuts[-1])[0]
    np.testing.assert_array_equal(np.concatenate(pieces), whole)
    assert len(whole) == len(source.values) + 20
    assert np.all(np.diff(whole) > 0)


def test_faults_take_turns_over_the_series_and_last_their_points():
    sources = [catalogue.load("shop.checkout.cpu"), catalogue.load("shop.search.cpu")]
    first, second = (faults.planned(number, sources, ANCHOR) for number in (0, 1))
    assert (first.metric, first.kind, second.metric, second.kind) == ("shop.checkout.cpu", "spike", "shop.search.cpu", "burst")
    minutes = [ANCHOR + k * MINUTE_MS for k in range(5)]
    assert [second.applies("shop.search.cpu", at) for at in minutes] == [True, True, True, False, False]
    assert not second.applies("shop.checkout.cpu", ANCHOR)


def test_a_planted_fault_leaves_its_label(tmp_path):
    source = catalogue.load("shop.checkout.cpu")
    fault = faults.planned(0, [source], ANCHOR)
    faults.record(tmp_path / "faults.jsonl", fault, ANCHOR + 5, fault.distort(10.0, source), 10.0)
    label = json.loads((tmp_path / "faults.jsonl").read_text())
    assert label == {
        "metric": "shop.checkout.cpu",
        "kind": "spike",
        "start_ms": ANCHOR + 5,
        "end_ms": ANCHOR + MINUTE_MS - 1,
        "size": 1.0,
        "value": 10.0 + 2.0 * (source.most - source.least),
        "usual": 10.0,
    }


def test_history_is_waited_for_until_it_is_imported(monkeypatch):
    monkeypatch.setattr(client, "POLL_S", 0.01)
    with listening() as server:
        states = [("waiting", ""), ("running", "3 points stored."), ("success", "5 points stored.")]
        server.answers = [Answer(body=json.dumps({"id": 7, "status": status, "message": message}).encode()) for status, message in states]
        ended = client.Client(server.url, "the-key", "the-token").backfill(iter([("a", 1000, 1.0)]))
    assert ended == "success: 5 points stored."
    asked = [(one.method, one.path, one.headers["authorization"]) for one in server.sent]
    progress = ("GET", "/api/operations/7", "Bearer the-token")
    assert asked == [("POST", "/api/metrics/import", "Bearer the-key"), progress, progress]
