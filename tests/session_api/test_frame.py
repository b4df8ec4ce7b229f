"""What every root endpoint inherits: envelope, methods, parameters, sessions, tokens, precedence, CSRF, CORS."""

import re
import time

import orjson
import pytest
import redis
from django.core import mail
from django.test import Client

from accounts.models import Session
from accounts.sessions import _new_anonymous, is_live
from config.api.session.parameters import Timestamp
from orgs import origins
from tests import factories
from tests.session_api.conftest import Api, data, session_of, wrong

SINCE = {"timestamp": 1657025880, "now": 1658321880}
AGO = {"timesince": "more than 2 weeks ago"}


def test_a_read_answers_get_and_post_in_every_form_alike(db):
    client = Client()
    form = "application/x-www-form-urlencoded"
    answers = [
        client.get("/misc/timesince", SINCE),
        client.post("/misc/timesince", "timestamp=1657025880&now=1658321880", content_type=form),
        client.post("/misc/timesince", SINCE),
        client.post("/misc/timesince", SINCE, content_type="application/json"),
        client.post("/misc/timesince", {"data": SINCE}, content_type="application/json"),
        client.post("/misc/timesince?timestamp=1&now=1658321880", {"timestamp": 1657025880}, content_type="application/json"),
        client.post("/misc/timesince", orjson.dumps(SINCE), content_type=form),
        client.post("/misc/timesince", orjson.dumps(SINCE), content_type="text/plain"),
    ]
    assert [data(answer) for answer in answers] == [AGO] * len(answers)


def test_the_status_tells_when_how_long_and_where(api, settings):
    status = api.get("/ping").json()["status"]
    assert abs(status["created_timestamp"] - time.time()) < 600
    assert status["created_string"] == time.strftime("%a %d %b %Y @ %H:%M (UTC)", time.gmtime(status["created_timestamp"]))
    assert 0 < status["duration"] < 600
    assert (status["language"], status["code"], status["oldest_cached_component_age"]) == ("en-gb", 200, 0)
    assert status["timezone"] == {"timezone_type": 3, "timezone": "UTC"}
    assert (status["api_host"], status["org_onboarding_status_id"]) == (settings.BASE_URL, None)
    assert set(status["user_onboarding_flags"].values()) == {False}


def test_times_are_told_in_the_zone_of_the_org(as_, admin):
    admin.org.timezone = "Asia/Kathmandu"
    admin.org.save()
    status = as_(admin).get("/user/info").json()["status"]
    told = time.strftime("%a %d %b %Y @ %H:%M (Asia/Kathmandu)", time.gmtime(status["created_timestamp"] + 20700))
    assert (status["timezone"]["timezone"], status["created_string"]) == ("Asia/Kathmandu", told)


@pytest.mark.parametrize(
    ("path", "accept", "kind"),
    [
        ("/nowhere", "*/*", "application/json"),
        ("/org/nowhere", "application/json", "application/json"),
        ("/pattern/x/y/z", "", "application/json"),
        ("/nowhere", "text/html,*/*;q=0.8", "text/html; charset=utf-8"),
        ("/app/nowhere", "*/*", "text/html; charset=utf-8"),
    ],
)
def test_an_unknown_address_is_404_in_the_envelope_or_as_a_page(api, path, accept, kind):
    answer = api.get(path, accept=accept)
    assert (answer.status_code, answer["Content-Type"]) == (404, kind)
    if kind == "application/json":
        assert len(session_of(answer)) == 32
        data(answer, 404)


@pytest.mark.parametrize("path", ["/login", "/login/forgotpassword", "/user/update", "/user/delete"])
def test_a_write_takes_post_only(api, path):
    answer = api.get(path)
    data(answer, 405)
    assert answer["Allow"] == "POST"


def test_a_fault_of_ours_is_500_in_the_envelope_without_its_text(api, monkeypatch):
    monkeypatch.setattr("config.session_api._phonecodes", lambda: 1 / 0)
    answer = api.get("/misc/phonecodes")
    assert "division" not in str(data(answer, 500))


@pytest.mark.parametrize("body", ["{", "[1]", "nonsense", '{"a": NaN}'])
def test_a_body_that_cannot_be_read_is_400(api, body):
    data(api.client.post("/misc/timesince", body, content_type="application/json"), 400)


def test_a_body_that_is_too_large_is_413(api, settings):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000
    data(api.post("/misc/timesince", {"x": "y" * 2000}), 413)


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        ({}, "This is required."),
        ({"timestamp": "yesterday"}, "A time is a whole number of unix seconds."),
        ({"timestamp": 1.5}, "A time is a whole number of unix seconds."),
        ({"timestamp": -1}, "A time must not be negative."),
        ({"timestamp": True}, "A time is a whole number of unix seconds."),
        ({"timestamp": 1657025880000}, "This looks like milliseconds: a time is in unix seconds, 10 digits."),
        ({"timestamp": 9999999999}, "A time may be at most 60 seconds in the future."),
        ({"timestamp": "1\u0000"}, "A time is a whole number of unix seconds."),
    ],
)
def test_a_time_that_does_not_do_is_named_with_the_reason(api, sent, said):
    assert data(api.post("/misc/timesince", sent), 400)["errors"] == {"timestamp": [said]}


def test_a_time_may_be_a_minute_ahead_and_no_more(api):
    now, time_sent = 1_790_000_000, Timestamp(name="timestamp")
    assert time_sent.read(str(now + 60), now=now) == now + 60
    with pytest.raises(ValueError, match="at most 60 seconds"):
        time_sent.read(str(now + 61), now=now)
    ahead = int(time.time()) + 55
    assert data(api.get("/misc/timesince", {"timestamp": ahead, "now": ahead})) == {"timesince": "just now"}
    assert wrong(api.get("/misc/timesince", {"timestamp": ahead + 3600})) == {"timestamp"}


def test_a_new_session_is_made_once_and_then_found_by_what_is_sent(api):
    first = api.get("/ping")
    made = session_of(first)
    assert len(made) == 32
    assert first.cookies["session_id"].value == made
    assert (first.cookies["session_id"]["httponly"], first.cookies["session_id"]["samesite"]) == (True, "Lax")
    again = [api.get("/ping", x_session_id=made), api.get("/ping", {"session_id": made}), api.post("/ping", {"session_id": made})]
    assert [session_of(answer) for answer in again] == [made] * 3


def test_a_browser_gets_the_cookie_once(db):
    browser = Client()
    made = session_of(browser.get("/misc/timezones"))
    second = browser.get("/misc/timezones")
    assert (session_of(second), "session_id" in second.cookies) == (made, False)


def test_an_anonymous_session_costs_no_row(api, django_assert_num_queries):
    with django_assert_num_queries(0):
        made = session_of(api.get("/ping"))
        session_of(api.get("/misc/timezones", x_session_id=made))
        session_of(api.get("/nowhere", x_session_id=made))
    assert Session.objects.count() == 0


def test_header_beats_parameter_beats_cookie(as_, admin, viewer, reporter):
    by_header, by_parameter = as_(admin).headers["x_session_id"], as_(viewer).headers["x_session_id"]
    browser = Client()
    browser.force_login(reporter)

    def who(query, **headers):
        return data(browser.get("/user/info", query, headers=headers))["user"]["id"]

    assert who({"session_id": by_parameter}, x_session_id=by_header) == admin.pk
    assert who({"session_id": by_parameter}) == viewer.pk
    assert who({}) == reporter.pk


@pytest.mark.parametrize("sent", ["x" * 32, "short", "", "u" * 31 + "é", "a" * 32])
def test_an_invalid_header_never_falls_through(admin, sent):
    browser = Client()
    browser.force_login(admin)
    answer = browser.get("/user/info", {"session_id": browser.session.session_key}, headers={"X-Session-Id": sent})
    data(answer, 401)
    assert session_of(answer) not in (sent, browser.session.session_key)
    assert data(browser.get("/user/info"))["user"]["id"] == admin.pk


def test_a_token_counts_only_when_nobody_is_logged_in(as_, admin, org, other_org):
    token = factories.make_org_token(other_org)
    assert data(Api(x_auth_token=token).get("/org/info"))["org"]["id"] == other_org.pk
    assert data(as_(admin).get("/org/info", x_auth_token=token))["org"]["id"] == org.pk


def test_a_token_works_in_the_data_block_of_a_read(api, org):
    assert data(api.post("/org/info", {"data": {"token": factories.make_org_token(org)}}))["org"]["id"] == org.pk


@pytest.mark.parametrize("token", ["0" * 32, "nonsense", "plb_12345678_secret"])
def test_a_bad_token_is_401(api, token, org):
    data(api.get("/org/info", x_auth_token=token), 401)
    data(api.post("/org/info", {"data": {"token": token}}), 401)


def test_a_revoked_token_ends_at_once(org, as_org):
    from orgs.models import OrgToken
    from orgs.services import revoke

    data(as_org.get("/org/info"))
    revoke(OrgToken.objects.get())
    data(as_org.get("/org/info"), 401)


def test_a_token_is_no_person(as_org):
    for path in ("/user/info", "/user/ping"):
        data(as_org.get(path), 401)
    data(as_org.post("/user/update", {"name": "Robot"}), 401)


def test_a_demo_user_reads_and_writes_nothing(as_, demo):
    told = data(as_(demo).post("/user/update", {"name": "Changed"}), 403)
    assert told["message"] == "Demo users may look at everything of their org and change nothing."
    demo.refresh_from_db()
    assert demo.name == "Dan Demo"
    assert data(as_(demo).get("/user/info"))["user"]["demo"] is True


def test_a_write_by_the_cookie_alone_needs_the_csrf_token(admin):
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(admin)
    data(browser.post("/user/update", {"name": "Tricked"}), 403)
    browser.get("/app/login")
    answer = browser.post("/user/update", {"name": "Meant"}, headers={"X-CSRFToken": csrf(browser)})
    assert data(answer)["user"]["name"] == "Meant"


def csrf(browser: Client) -> str:
    page = browser.get("/doc").content.decode()
    return page.split('name="csrf-token" content="')[1].split('"')[0]


@pytest.mark.parametrize("place", ["header", "parameter"])
def test_a_write_by_header_or_parameter_needs_none(admin, place):
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(admin)
    key = browser.session.session_key
    sent = {"headers": {"X-Session-Id": key}} if place == "header" else {}
    body = {"name": "New"} | ({"session_id": key} if place == "parameter" else {})
    assert data(browser.post("/user/update", body, **sent))["user"]["name"] == "New"


def test_a_foreign_page_logs_nobody_in(api, admin, settings):
    body = {"email": admin.email, "password": factories.PASSWORD}
    data(api.post("/login", body, origin="https://evil.example"), 403)
    settings.CORS_ORIGINS = ["https://app.example"]
    for origin in ("https://app.example", "http://testserver"):
        data(api.post("/login", body, origin=origin))


@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize("foreign", [{"origin": "https://evil.example"}, {"origin": "null"}, {"sec_fetch_site": "cross-site"}])
def test_a_foreign_page_logs_nobody_in_with_a_link_of_its_own(admin, foreign, method):
    Api().post("/login", {"email": admin.email, "password": factories.PASSWORD})
    link = re.search(r"code=(\d+)&token=(\w+)", mail.outbox[-1].body)
    body = {"code": link[1], "token": link[2]}
    victim = Api()
    data(getattr(victim, method)("/login/validateclient", body, **foreign), 403)
    assert not Session.objects.exists()
    assert data(getattr(victim, method)("/login/validateclient", body, origin="http://testserver"))["session"]["user"]["id"] == admin.pk


def test_cors_is_for_configured_origins_and_never_with_credentials(api, settings):
    settings.CORS_ORIGINS = ["https://app.example"]
    asked = {"origin": "https://app.example", "access_control_request_method": "POST"}
    preflight = api.client.options("/login", headers=asked)
    assert (preflight.status_code, preflight["Access-Control-Allow-Origin"]) == (204, "https://app.example")
    assert (preflight["Access-Control-Allow-Methods"], "Origin" in preflight["Vary"]) == ("POST", True)
    assert "X-Session-Id" in preflight["Access-Control-Allow-Headers"]
    answer = api.get("/ping", origin="https://app.example")
    assert answer["Access-Control-Allow-Origin"] == "https://app.example"
    assert "Access-Control-Allow-Credentials" not in answer
    for foreign in ("https://evil.example", "null", "https://app.example.evil.example"):
        assert "Access-Control-Allow-Origin" not in api.get("/ping", origin=foreign)


def test_a_person_of_whom_only_the_key_is_known_costs_ping_no_query(as_, admin, django_assert_num_queries):
    person = as_(admin)
    with django_assert_num_queries(0):
        answer = person.get("/ping")
    assert data(answer) == {"message": "pong"}
    assert session_of(answer) == person.headers["x_session_id"]


def test_callers_are_limited_as_in_the_rest_api(as_, viewer, api, settings):
    settings.API_RATE_PER_MINUTE, settings.API_BURST = 1, 3
    person = as_(viewer)
    answers = [person.get("/user/info") for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert data(answers[-1], 429)["message"] == "Too many requests. Wait as long as Retry-After says."
    assert answers[-1]["Retry-After"] == "60"
    assert [api.get("/ping").status_code for _ in range(6)] == [200] * 6
    assert 429 in [api.get("/org/info", x_auth_token="0" * 32).status_code for _ in range(4)]


def test_a_form_that_cannot_be_read_is_400(db, settings):
    settings.DATA_UPLOAD_MAX_NUMBER_FIELDS = 3
    client = Client(raise_request_exception=False)
    many = client.post("/misc/timesince", {f"f{at}": "1" for at in range(9)})
    torn = client.post("/misc/timesince", b"--x", content_type="multipart/form-data; boundary=")
    asked = client.get("/misc/timesince?" + "&".join(f"f{at}=1" for at in range(9)))
    assert data(asked, 400)["message"] == "The address has too many parameters, or some that cannot be read."
    for answer in (many, torn):
        assert data(answer, 400)["message"] == "The form could not be read: it is damaged, or has too many fields."


@pytest.mark.parametrize(
    "row", ["/login DEBUG 100", "/login DEBUG 1069", "/login DEBUG STAGE", "/login/DEBUG/100", "/login/debug", "/login/DEBUG"]
)
def test_there_is_no_debug_log_in(api, row):
    for method in (api.get, api.post):
        data(method(row.replace(" ", "%20")), 404)


@pytest.fixture
def redis_away(monkeypatch):
    gone = redis.Redis.from_url("unix:///nowhere/redis.sock")
    monkeypatch.setattr("accounts.sessions._redis", lambda: gone)


def test_an_anonymous_session_that_holds_nothing_needs_no_redis(api, redis_away):
    first = session_of(api.get("/ping"))
    assert session_of(api.get("/misc/timesince", SINCE, x_session_id=first)) == first


def test_an_anonymous_id_is_good_for_a_day_and_cannot_be_made_up():
    now_s, made = time.time(), _new_anonymous()
    assert [is_live(made, now_s=now_s + later) for later in (0, 23.9 * 3600, 24 * 3600 + 61)] == [True, True, False]
    changed = [made[:at] + ("0" if made[at] != "0" else "1") + made[at + 1 :] for at in (1, 12, 31)]
    forged = [*changed, "a" * 32, made[:-1], ""]
    assert [is_live(key, now_s=now_s) for key in forged] == [False] * len(forged)


def test_without_redis_people_stay_logged_in(as_, viewer, redis_away):
    assert data(as_(viewer).get("/user/info"))["user"]["id"] == viewer.pk


def test_pages_of_an_orgs_own_origins_read_what_is_its(as_, admin, outsider):
    origin = "https://dashboard.acme.example"
    assert "Access-Control-Allow-Origin" not in as_(admin).get("/org/info", origin=origin)
    told = data(as_(admin).post("/org/update", {"origins": [origin.upper() + "/"]}))["org"]
    assert told["origins"] == [origin]
    origins.forget()
    assert as_(admin).get("/org/info", origin=origin)["Access-Control-Allow-Origin"] == origin
    assert "Access-Control-Allow-Origin" not in as_(outsider).get("/org/info", origin=origin)
    asked = {"origin": origin, "access_control_request_method": "POST"}
    assert as_(admin).client.options("/org/info", headers=asked)["Access-Control-Allow-Origin"] == origin
    assert data(as_(admin).post("/org/update", {"origins": ""}))["org"]["origins"] == []
    assert "Access-Control-Allow-Origin" not in as_(admin).get("/org/info", origin=origin)


@pytest.mark.parametrize("origin", ["*", "https://*.example.com", "app.example", "https://app.example/path", "ftp://app.example", "null"])
def test_what_is_no_origin_is_refused_and_changes_nothing(as_, admin, origin):
    assert wrong(as_(admin).post("/org/update", {"name": "New", "origins": ["https://fine.example", origin]})) == {"origins"}
    admin.org.refresh_from_db()
    assert (admin.org.name, admin.org.origins) == ("Acme", [])
