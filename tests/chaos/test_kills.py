"""Requests go on while web, detection and PostgreSQL are killed with -9: nothing that was acknowledged is lost, nothing is told twice."""

import itertools
import json
import random
import threading
import time
from contextlib import suppress
from http.client import HTTPException

import numpy as np
import pytest

from tests.chaos.faults import HISTORY, NAMES, STEP_MS, values_of
from tests.chaos.inside import digest_of
from tests.product import Product, new_product, wait_until

VICTIMS = ("web", "detection", "postgres")
PACE_S = 0.02  # between two requests, so that the kills fall among them


def ask(product: Product, call: str) -> dict:
    said = product.as_owner(f"from tests.chaos import inside; inside.{call}")
    return json.loads(said.splitlines()[-1])


def send(product: Product, key: str, place: int, at_ms: int, values: np.ndarray) -> int:
    """Sends one request until it is acknowledged, as an agent does; how often it had to be repeated."""
    metrics = [{"metric": name, "timestamp": at_ms // 1000, "value": value} for name, value in zip(NAMES, values.tolist(), strict=True)]
    body = json.dumps({"key": key, "metrics": metrics}).encode()
    for attempt in range(3000):
        try:
            status, answer, _ = product.request("POST", "/flux/metric_data_post", body=body, Content_Type="application/json")
        except (OSError, HTTPException):
            status, answer = 0, b""
        if status == 204:
            time.sleep(PACE_S)
            return attempt
        assert status in (0, 502, 503), (status, answer)
        time.sleep(0.05)
    raise AssertionError(f"Request {place} was never acknowledged.")


class Killer:
    """Kills web, detection and PostgreSQL in turn, so many times while a number of requests go out, each during one of them."""

    def __init__(self, product: Product, *, requests: int, kills: int) -> None:
        self.rng = random.Random(3)
        self.product = product
        self.turns = dict(zip(sorted(self.rng.sample(range(requests), kills)), itertools.cycle(VICTIMS), strict=False))
        self.killed: list[str] = []

    def before(self, place: int) -> None:
        """Called before each request; the kill comes up to 50 ms later, by another thread."""
        if victim := self.turns.get(place):
            threading.Timer(self.rng.uniform(0.0, 0.05), self.kill, args=[victim]).start()

    def kill(self, victim: str) -> None:
        if victim == "postgres":
            # Between two kills the supervisor may not have it back yet.
            with suppress(OSError):
                self.product.kill_postgres()
                self.killed.append(victim)
        elif self.product.kill({"web": "granian", "detection": "queues=detect"}[victim]):
            self.killed.append(victim)


@pytest.mark.parametrize(("live", "kills"), [pytest.param(200, 6, id="short"), pytest.param(1000, 45, id="long", marks=pytest.mark.chaos)])
def test_nothing_is_lost_or_told_twice_whatever_is_killed(live, kills):
    begin_ms = (int(time.time()) // 60 - live) * STEP_MS
    values = values_of(live)
    with new_product(DETECT_INTERVAL_S="1") as product:
        product.start()
        keys = ask(product, f"seed({begin_ms}, {live})")
        wait_until(
            lambda: ask(product, f"look('calm', {begin_ms})")["behind"] == 0,
            within_s=420,
            what="detection was compiled and has read the history",
        )
        killer = Killer(product, requests=live, kills=kills)
        repeated = 0
        for i in range(live):
            killer.before(i)
            repeated += send(product, keys["storm"], i, begin_ms + i * STEP_MS, values[HISTORY + i])
        for i in range(live):
            send(product, keys["calm"], i, begin_ms + i * STEP_MS, values[HISTORY + i])
        wait_until(lambda: ask(product, f"look('calm', {begin_ms})")["behind"] == 0, what="detection has read everything")
        storm, calm = (ask(product, f"look('{slug}', {begin_ms})") for slug in ("storm", "calm"))
    times = begin_ms + STEP_MS * np.arange(live)
    assert storm["points"] == {name: digest_of(times, values[HISTORY:, i]) for i, name in enumerate(NAMES)}
    assert calm["points"] == storm["points"]
    assert storm["anomalies"] == calm["anomalies"]
    assert {row[0] for row in storm["anomalies"]} == set(NAMES)
    assert set(storm["history"]) == {1}
    assert set(killer.killed) == set(VICTIMS)
    assert repeated > 0
