"""/ping, /status, /misc."""

import sys
import zoneinfo
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from django.db import OperationalError, connection

from config import health
from config.session_api import DAY, HOUR, MINUTE, MONTH, WEEK, YEAR, ago
from tests.session_api.conftest import data, wrong


def test_ping(api):
    assert data(api.get("/ping")) == data(api.post("/ping")) == {"message": "pong"}


def test_status_tells_of_every_part(api, settings, monkeypatch):
    monkeypatch.setattr(health, "_last", None)
    told = data(api.get("/status"))
    assert (told["database"], told["broker"], told["version"]) == ({"ok": True}, {"ok": True}, settings.VERSION)
    assert set(told["workers"]) == {"default", "detect.0", "detect.1"}
    assert (told["health"], told["message"]) == ("degraded", "Points are taken, but they are judged or shown late.")
    assert (told["last_detection_timestamp"], told["last_detection_string"]) == (None, None)


def test_status_is_503_without_the_database(api, monkeypatch):
    def refuse(execute, sql, *rest):
        if "metrics_detectionshard" in str(sql):
            raise OperationalError("the server closed the connection")
        return execute(sql, *rest)

    monkeypatch.setattr(health, "_last", None)
    with connection.execute_wrapper(refuse):
        answer = api.get("/status")
    monkeypatch.setattr(health, "_last", None)
    assert (answer.status_code, answer["Retry-After"], answer.json()["data"]["health"]) == (503, "5", "unavailable")


def test_phone_codes_have_a_country_a_region_and_a_code(api):
    codes = data(api.get("/misc/phonecodes"))["phonecodes"]
    by_iso = {one["iso"]: one for one in codes}
    assert by_iso["DE"] == {"country": "Germany", "iso": "DE", "code": "+49"}
    assert (by_iso["US"]["code"], by_iso["CA"]["country"], by_iso["XK"]["country"]) == ("+1", "Canada", "Kosovo")
    assert len(by_iso) == len(codes) == 245
    assert all(one["country"] != one["iso"] for one in codes)
    assert [one["country"] for one in codes] == sorted(one["country"] for one in codes)


def test_time_zones_have_the_offset_of_today(api):
    zones = {one["name"]: one["offset"] for one in data(api.get("/misc/timezones"))["timezones"]}
    assert set(zones) == zoneinfo.available_timezones()
    assert (zones["UTC"], zones["Asia/Kathmandu"]) == (0, 20700)
    assert zones["Europe/Berlin"] == datetime.now(ZoneInfo("Europe/Berlin")).utcoffset().total_seconds()


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "just now"),
        (9, "just now"),
        (10, "less than a minute ago"),
        (59, "less than a minute ago"),
        (MINUTE, "1 minute ago"),
        (90, "more than 1 minute ago"),
        (2 * MINUTE, "2 minutes ago"),
        (HOUR, "1 hour ago"),
        (25 * HOUR, "more than 1 day ago"),
        (2 * DAY, "2 days ago"),
        (15 * DAY, "more than 2 weeks ago"),
        (2 * WEEK, "2 weeks ago"),
        (MONTH, "1 month ago"),
        (YEAR, "1 year ago"),
        (3 * YEAR + 1, "more than 3 years ago"),
    ],
)
def test_time_since_in_words(seconds, words):
    assert ago(seconds) == words


def test_time_since_is_counted_to_now_or_to_a_given_now(api):
    assert data(api.get("/misc/timesince", {"timestamp": 1000000, "now": 1000060})) == {"timesince": "1 minute ago"}
    assert data(api.get("/misc/timesince", {"timestamp": 0}))["timesince"].startswith("more than 5")
    assert wrong(api.get("/misc/timesince", {"timestamp": 2000, "now": 1000})) == {"timestamp"}


def test_where_on_earth_numbers_are_is_not_loaded(api):
    """It would cost every process of the product ten seconds of its start and 200 MB."""
    assert data(api.get("/misc/phonecodes"))["phonecodes"]
    assert [name for name in sys.modules if name.startswith("phonenumbers.geodata.data")] == []
