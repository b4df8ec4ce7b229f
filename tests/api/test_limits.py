"""The rate limit: per token, said in headers, gone without Redis."""

import pytest

from config.api import throttling
from tests import factories
from tests.api.conftest import ApiClient, client_with
from tests.buckets import standing

pytestmark = pytest.mark.django_db


@pytest.fixture
def tight(settings):
    settings.API_RATE_PER_MINUTE, settings.API_BURST = 1, 3


def test_the_headers_say_what_is_left(as_, viewer, tight):
    client = as_(viewer)
    told = [{name: client.get("/api/datastores")[f"RateLimit-{name}"] for name in ("Limit",)} for _ in range(1)]
    assert told == [{"Limit": "3"}]
    answer = client.get("/api/datastores")
    assert (answer["RateLimit-Limit"], answer["RateLimit-Remaining"], answer["RateLimit-Reset"]) == ("3", "1", "120")


def test_beyond_the_burst_it_is_429_with_the_time_to_wait(as_, viewer, tight, monkeypatch):
    client = as_(viewer)
    assert [client.get("/api/datastores").status_code for _ in range(4)] == [200, 200, 200, 429]
    answer = client.get("/api/datastores")
    assert (answer.json()["type"], answer["Retry-After"], answer["RateLimit-Remaining"]) == ("/problems/too-many-requests", "60", "0")
    for at_s, codes in ((59, [429, 429]), (61, [200, 429])):
        monkeypatch.setattr(throttling, "BUCKET", standing(at_s=at_s))
        assert [client.get("/api/datastores").status_code for _ in range(2)] == codes


def test_each_token_has_a_bucket_of_its_own(as_, viewer, tight):
    first, second = as_(viewer), as_(viewer)
    assert [first.get("/api/datastores").status_code for _ in range(4)][-1] == 429
    assert second.get("/api/datastores").status_code == 200


def test_guessing_tokens_is_limited_by_address(tight, db):
    guesses = [client_with(f"plb_{n:08x}_guess").get("/api/datastores", REMOTE_ADDR="192.0.2.7").status_code for n in range(4)]
    assert guesses == [401, 401, 401, 429]
    assert ApiClient().get("/api/datastores", REMOTE_ADDR="192.0.2.8").status_code == 401


def test_without_redis_nobody_is_limited_and_nothing_waits(as_, viewer, tight, settings):
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    client = as_(viewer)
    answers = [client.get("/api/datastores") for _ in range(5)]
    assert [answer.status_code for answer in answers] == [200] * 5
    assert "RateLimit-Limit" not in answers[0]


def test_a_dead_redis_is_not_asked_again_for_a_while(settings, monkeypatch):
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    buckets = throttling._Buckets()
    assert buckets.take("k", rate_s=1, burst=1) is None
    monkeypatch.setattr(buckets, "_open", lambda: pytest.fail("asked again"))
    monkeypatch.setattr(throttling.time, "monotonic", lambda: buckets._silent_until - 0.001)
    assert buckets.take("k", rate_s=1, burst=1) is None


@pytest.fixture(autouse=True)
def _fresh_buckets(monkeypatch):
    """Not connected yet. The one object stays: whoever is imported meanwhile would keep another one."""
    monkeypatch.setattr(throttling.buckets, "_client", None)
    monkeypatch.setattr(throttling.buckets, "_silent_until", 0.0)


def test_the_setting_is_the_default_of_the_contract(settings):
    assert (settings.API_RATE_PER_MINUTE, settings.API_BURST) == (6000, 600)


def test_an_org_token_is_limited_apart_from_people(org, as_, viewer, tight):
    robot = client_with(factories.make_org_token(org))
    assert [robot.get("/api/metrics").status_code for _ in range(4)][-1] == 429
    assert as_(viewer).get("/api/metrics").status_code == 200
