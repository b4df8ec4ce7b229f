"""/org: settings, people, channels, events, quota, test requests, figures."""

import time
from datetime import UTC, datetime, timedelta

import pytest
from django.core.cache.backends.redis import RedisCache
from django.test import Client
from django.utils import timezone

from accounts.models import User
from metrics.ingest import trials
from metrics.models import Metric, name_digest
from orgs.events import record_event
from orgs.models import Channel, Event, Org, OrgToken, ServiceApp
from tests import factories
from tests.peer import Answer, listening, said
from tests.session_api.conftest import Api, data, last_mail, token_in, wrong

SLACK = "https://hooks.slack.com/services/T0/B0/secretsecret"
TEAMS = "https://example.webhook.office.com/webhookb2/secretsecret"
ADMIN_ONLY = ["/org/users", "/org/adminalerts", "/org/getquotametrics", "/org/testmetrics"]
ADMIN_WRITES = ["/org/update", "/org/removequotametrics"]
MEMBERS_TOO = ["/org/info", "/org/summary", "/org/events", "/org/channels"]


@pytest.mark.parametrize("path", [*ADMIN_ONLY, *MEMBERS_TOO, "/org/graph"])
def test_nobody_is_401(api, path):
    data(api.get(path), 401)


@pytest.mark.parametrize("path", [*ADMIN_ONLY, *ADMIN_WRITES])
def test_members_and_managers_are_403(as_, manager, stranger, path):
    for person in (manager, stranger):
        data(as_(person).post(path, {"name": "Changed", "metrics": "cpu", "dry_run": False}), 403)
    assert Org.objects.get().name == "Acme"


@pytest.mark.parametrize("path", [*ADMIN_ONLY, *MEMBERS_TOO])
def test_a_demo_user_reads_everything(as_, demo, path):
    data(as_(demo).get(path))


@pytest.mark.parametrize(("path", "said"), [
    *[(path, {"name": "Changed", "metrics": "cpu", "dry_run": False}) for path in ADMIN_WRITES],
    ("/org/users", {"add": "jo@example.com"}), ("/org/adminalerts", {"type_1_enabled": False}),
])  # fmt: skip
def test_a_demo_user_changes_nothing(as_, demo, path, said):
    data(as_(demo).post(path, said), 403)
    assert (Org.objects.get().name, User.objects.count()) == ("Acme", 1)


@pytest.mark.parametrize("path", [*ADMIN_ONLY, *MEMBERS_TOO])
def test_get_and_post_read_the_same(as_, admin, path):
    person = as_(admin)
    first, second = data(person.get(path)), data(person.post(path))
    for told in (first, second):
        for of_the_moment in ("until", "from", "graph_url"):
            told.pop(of_the_moment, None)
    assert first == second


@pytest.mark.parametrize("path", ["/org/info", "/org/summary", "/org/events", "/org/getquotametrics", "/org/testmetrics"])
def test_an_org_token_reads(as_org, path):
    data(as_org.get(path))


@pytest.mark.parametrize("path", ["/org/users", "/org/adminalerts", "/org/channels"])
def test_an_org_token_is_not_enough_for_what_needs_a_person(as_org, path):
    data(as_org.get(path), 401)


def test_info_shows_plan_quota_and_secrets_by_prefix_only(as_, admin, datastore):
    secret = factories.make_org_token(admin.org)
    key, key_secret = factories.make_ingest_key(datastore)
    factories.make_metric(datastore)
    answer = as_(admin).get("/org/info")
    org = data(answer)["org"]
    assert (org["name"], org["plan"], org["metric_limit"], org["metric_count"]) == ("Acme", "self-hosted", 1000, 1)
    assert [(one["name"], one["prefix"]) for one in org["tokens"]] == [("robot", secret[:6])]
    assert [(one["id"], one["prefix"]) for one in org["ingest"]["keys"]] == [(key.pk, key_secret[:6])]
    assert secret not in answer.content.decode()
    assert key_secret not in answer.content.decode()


def test_info_hides_secrets_from_members_and_tokens(as_, viewer, as_org):
    for caller in (as_(viewer), as_org):
        org = data(caller.get("/org/info"))["org"]
        assert (org["tokens"], org["ingest"]["keys"]) == (None, None)


def test_update_changes_what_is_sent(as_, admin):
    told = data(as_(admin).post("/org/update", {"name": "Acme Ltd", "timezone": "Asia/Tokyo", "validate_clients": False}))["org"]
    assert (told["name"], told["timezone"], told["validate_clients"]) == ("Acme Ltd", "Asia/Tokyo", False)
    org = Org.objects.get()
    assert (org.name, org.timezone, org.validates_clients) == ("Acme Ltd", "Asia/Tokyo", False)
    assert Event.objects.filter(type="settings").get().user_id == admin.pk


@pytest.mark.parametrize(
    ("said", "named"),
    [
        ({"name": ""}, "name"),
        ({"timezone": "Mars"}, "timezone"),
        ({"mute_minutes": -1}, "mute_minutes"),
        ({"mute_minutes": "x"}, "mute_minutes"),
        ({"slack_webhook": "https://evil.example/x"}, "slack_webhook"),
        ({"ms_teams_webhook": "http://x.webhook.office.com/"}, "ms_teams_webhook"),
        ({"slack_webhook": "https://hooks.slack.com.evil.example/"}, "slack_webhook"),
    ],
)
def test_an_update_that_does_not_do_is_named_and_changes_nothing(as_, admin, said, named):
    assert wrong(as_(admin).post("/org/update", {"validate_clients": False, **said})) == {named}
    assert Org.objects.get().validates_clients is True
    assert not Channel.objects.exists()


def test_muting_lasts_as_long_as_was_said(as_, admin):
    muting = data(as_(admin).post("/org/update", {"mute_minutes": 30}))["org"]["alert_muting"]
    assert muting["muted"] is True
    assert muting["minutes_remaining"] in (29, 30)
    assert abs(muting["muted_until_timestamp"] - time.time() - 1800) < 60
    assert data(as_(admin).post("/org/update", {"mute_minutes": 0}))["org"]["alert_muting"]["muted"] is False


def test_a_rotated_token_is_shown_once_and_the_old_ones_stay(as_, admin):
    old = factories.make_org_token(admin.org)
    new = data(as_(admin).post("/org/update", {"rotate_token": True}))["token"]
    for token in (old, new):
        data(Api(x_auth_token=token).get("/org/info"))
    assert OrgToken.objects.count() == 2
    assert "token" not in data(as_(admin).post("/org/update", {"name": "Acme"}))


def test_channels_are_connected_listed_and_let_go_and_their_address_is_sealed(as_, admin, viewer):
    person = as_(admin)
    told = data(person.post("/org/update", {"slack_webhook": SLACK, "slack_channel": "#ops", "ms_teams_webhook": TEAMS}))["org"]
    assert told["connected_services"] == {"slack": True, "ms_teams": True}
    listed = data(as_(viewer).get("/org/channels"))["channels"]
    assert [(one["name"], one["service"]) for one in listed] == [("Microsoft Teams", "ms_teams"), ("#ops", "slack")]
    assert [one["name"] for one in data(person.get("/org/channels", {"service": "slack"}))["channels"]] == ["#ops"]
    assert not any(b"secretsecret" in bytes(channel.sealed_url) for channel in Channel.objects.all())
    assert data(person.post("/org/update", {"slack_webhook": ""}))["org"]["connected_services"] == {"slack": False, "ms_teams": True}
    assert wrong(person.get("/org/channels", {"service": "pager"})) == {"service"}


def test_added_removed_and_added_again_a_stranger_gets_no_mail_for_ever(as_, admin):
    client, codes = as_(admin), []
    for _ in range(6):
        answer = client.post("/org/users", {"add": "again@stranger.example"})
        codes.append(answer.status_code)
        User.objects.filter(email="again@stranger.example").delete()
    assert codes == [200] * 5 + [429]


def test_a_token_of_somebody_with_the_longest_name_is_rotated(as_, admin):
    User.objects.filter(pk=admin.pk).update(name="x" * 200)
    assert len(data(as_(admin).post("/org/update", {"rotate_token": "yes"}))["token"]) == 32


def test_users_lists_the_org_and_nobody_else(as_, cast):
    told = data(as_(cast["admin"]).get("/org/users"))["users"]
    assert {one["id"] for one in told} == {person.pk for word, person in cast.items() if word != "outsider"}
    assert [one["admin"] for one in told].count(True) == 1


def test_users_costs_the_same_however_many_there_are(as_, admin, django_assert_num_queries):
    person = as_(admin)
    with django_assert_num_queries(3):
        person.get("/org/users")
    for _ in range(20):
        factories.make_user(admin.org)
    with django_assert_num_queries(3):
        assert len(data(person.get("/org/users"))["users"]) == 21


def test_the_invited_come_in_with_the_token_of_the_mail(as_, admin, api):
    told = data(as_(admin).post("/org/users", {"add": "Jo@Example.com", "name": "Jo Miller", "admin": True}))["users"]
    assert [(one["email"], one["name"], one["admin"], one["invited"]) for one in told if one["invited"]] == [
        ("jo@example.com", "Jo Miller", True, True)
    ]
    text = last_mail("jo@example.com")
    assert "Ada Admin invites you to Acme" in text
    assert "It works once, within 7 days." in text
    body = {
        "email": "jo@example.com",
        "verification_token": token_in(text),
        "password_1": "plumb lines hang",
        "password_2": "plumb lines hang",
    }
    session = data(api.post("/signup/verify", body))["session"]
    assert (session["user"]["org_id"], session["user"]["admin"]) == (admin.org_id, True)


def test_a_demo_user_is_no_invited_one(as_, admin, demo):
    told = data(as_(admin).get("/org/users"))["users"]
    assert [(one["id"], one["demo"], one["invited"]) for one in told if one["demo"]] == [(demo.pk, True, False)]


def test_an_address_that_somebody_has_is_not_added(as_, admin, outsider):
    assert wrong(as_(admin).post("/org/users", {"add": outsider.email})) == {"add"}
    assert User.objects.filter(org=admin.org).count() == 1


def test_remove_erases_a_person_of_the_org_but_not_oneself(as_, admin, viewer, outsider):
    person = as_(admin)
    assert viewer.pk not in [one["id"] for one in data(person.post("/org/users", {"remove": viewer.pk}))["users"]]
    data(person.post("/org/users", {"remove": outsider.pk}), 404)
    assert "/user/delete" in data(person.post("/org/users", {"remove": admin.pk}), 409)["message"]
    assert set(User.objects.values_list("pk", flat=True)) == {admin.pk, outsider.pk}


def test_added_and_removed_are_both_or_neither(as_, admin, viewer, outsider):
    assert wrong(as_(admin).post("/org/users", {"add": outsider.email, "remove": viewer.pk})) == {"add"}
    assert User.objects.filter(pk=viewer.pk).exists()


@pytest.mark.parametrize("said", [{"name": "Jo Miller"}, {"admin": True}, {"name": "Jo", "admin": False}])
def test_a_name_without_an_address_adds_nobody_and_says_so(as_, admin, said):
    assert wrong(as_(admin).post("/org/users", said)) == {"add"}
    assert User.objects.count() == 1


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/org/users", {"add": "jo@example.com"}),
        ("/org/users", {"name": "Jo"}),
        ("/org/users", {"admin": "no"}),
        ("/org/users", {"remove": 1}),
        ("/org/events", {"name": "deploy"}),
        ("/org/adminalerts", {"type_1_enabled": "no"}),
    ],
)
def test_a_get_that_would_write_is_405(as_, admin, path, query):
    answer = as_(admin).get(path, query)
    data(answer, 405)
    assert (answer["Allow"], User.objects.count(), Event.objects.filter(type="deploy").count()) == ("POST", 1, 0)


def test_a_cookie_reads_by_post_but_writes_only_with_the_csrf_token(admin):
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(admin)
    data(browser.post("/org/users"))
    data(browser.post("/org/users", {"add": "jo@example.com"}), 403)
    assert User.objects.count() == 1


def test_a_marker_is_posted_and_shown_with_what_the_org_did(as_, viewer, admin):
    at = int(time.time()) - 3600
    told = data(
        as_(viewer).post(
            "/org/events", {"name": "checkout 2.14", "timestamp": at, "url": "https://ci.example.com/1", "description": "blue"}
        )
    )
    assert [(one["type"], one["name"], one["timestamp"], one["user_id"]) for one in told["events"]] == [
        ("deploy", "checkout 2.14", at, viewer.pk)
    ]
    as_(admin).post("/org/update", {"name": "Acme Ltd"})
    assert [one["type"] for one in data(as_(viewer).get("/org/events"))["events"]] == ["settings", "deploy"]
    assert [one["type"] for one in data(as_(viewer).get("/org/events", {"type": "deploy"}))["events"]] == ["deploy"]
    assert data(as_(viewer).get("/org/events", {"from": at + 10}))["events"][0]["type"] == "settings"


def test_a_marker_of_long_ago_is_in_the_answer_to_it(as_, viewer):
    at = int(time.time()) - 9 * 86_400
    told = data(as_(viewer).post("/org/events", {"name": "checkout 2.13", "timestamp": at}))["events"]
    assert [(one["name"], one["timestamp"]) for one in told] == [("checkout 2.13", at)]
    assert data(as_(viewer).get("/org/events"))["events"] == []


def test_a_pipeline_posts_markers_with_the_org_token(as_org, org, other_org):
    told = data(as_org.post("/org/events", {"name": "release", "type": "marker"}))["events"]
    assert [(one["type"], one["user_id"]) for one in told if one["name"] == "release"] == [("marker", None)]
    assert Event.objects.get(name="release").org_id == org.pk


@pytest.mark.parametrize(
    ("said", "named"),
    [
        ({"name": ""}, "name"),
        ({"description": "blue"}, "name"),
        ({"timestamp": 1_790_000_000}, "name"),
        ({"name": "x", "url": "javascript:alert(1)"}, "url"),
        ({"name": "x", "type": "settings"}, "type"),
        ({"name": "x", "type": "other"}, "type"),
        ({"name": "x", "timestamp": 9_999_999_999}, "timestamp"),
        ({"name": "x" * 201}, "name"),
    ],
)
def test_a_marker_that_does_not_do_is_named_and_not_posted(as_, viewer, said, named):
    assert wrong(as_(viewer).post("/org/events", said)) == {named}
    assert not Event.objects.exists()


def test_a_demo_user_posts_no_marker(as_, demo):
    data(as_(demo).post("/org/events", {"name": "x"}), 403)
    data(as_(demo).get("/org/events"))
    assert not Event.objects.exists()


def test_events_of_datastores_are_for_those_who_see_them(as_, stranger, viewer, datastore, other_org):
    record_event(datastore.org_id, type="alert", name="sent", datastore_id=datastore.pk)
    record_event(other_org.pk, type="alert", name="foreign")
    assert [one["name"] for one in data(as_(viewer).get("/org/events"))["events"]] == ["sent"]
    assert data(as_(stranger).get("/org/events"))["events"] == []


def test_from_must_be_before_until(as_, viewer):
    assert wrong(as_(viewer).get("/org/summary", {"from": 2000, "until": 1000})) == {"from"}
    assert wrong(as_(viewer).get("/org/summary", {"from": 1657025880000})) == {"from"}
    told = data(as_(viewer).get("/org/summary", {"until": 1657025880}))
    assert (told["from"], told["until"]) == (1657025880 - 86400, 1657025880)


@pytest.fixture
def quota(datastore, other_datastore):
    for name in ("web.a", "web.b", "db,1", "db.100%"):
        factories.make_metric(datastore, name, last_at=datetime(2026, 3, 1, 12, tzinfo=UTC))
    factories.make_metric(other_datastore, "web.a")
    Org.objects.filter(pk=datastore.org_id).update(metric_limit=10)


def test_quota_lists_what_counts(as_, admin, quota):
    told = data(as_(admin).get("/org/getquotametrics", {"limit": 2}))
    assert (told["quota"], told["used"], told["remaining"]) == (10, 4, 6)
    assert [one["name"] for one in told["metrics"]] == ["db,1", "db.100%"]
    assert told["metrics"][0]["last_timestamp"] == 1772366400
    assert [one["name"] for one in data(as_(admin).get("/org/getquotametrics", {"q": "WEB", "offset": 1}))["metrics"]] == ["web.b"]


def test_a_dry_run_is_the_default_and_changes_nothing(as_, admin, quota):
    told = data(as_(admin).post("/org/removequotametrics", {"patterns": "web.*"}))
    assert told == {"removed_metrics": ["web.a", "web.b"], "removed_count": 2, "more": False, "dry_run": True, "used": 4, "remaining": 6}
    assert Metric.objects.count() == 5


def test_more_fit_than_go_at_once(as_, admin, datastore, other_datastore):
    Org.objects.filter(pk=admin.org_id).update(metric_limit=6000)
    names = [f"web.{number:04}" for number in range(5003)]
    rows = [Metric(org_id=admin.org_id, datastore=datastore, name=name, digest=name_digest(name)) for name in names]
    Metric.objects.bulk_create(rows)
    factories.make_metric(other_datastore, "web.0000")
    for dry_run, found, more, used in ((True, 5000, True, 5003), (False, 5000, True, 3), (True, 3, False, 3), (False, 3, False, 0)):
        told = data(as_(admin).post("/org/removequotametrics", {"patterns": "web.*", "dry_run": dry_run}))
        assert (told["removed_count"], told["more"], told["used"]) == (found, more, used)
    assert Metric.objects.get().org_id == other_datastore.org_id


def test_removal_frees_quota_and_leaves_other_orgs_alone(as_, admin, quota, other_org):
    told = data(as_(admin).post("/org/removequotametrics", {"metrics": ["db,1"], "patterns": ["web.?"], "dry_run": False}))
    assert (told["removed_metrics"], told["remaining"]) == (["db,1", "web.a", "web.b"], 9)
    assert list(Metric.objects.for_org(admin.org).values_list("name", flat=True)) == ["db.100%"]
    assert Metric.objects.for_org(other_org).count() == 1
    assert Event.objects.get().name == "3 metrics were removed"


@pytest.mark.parametrize("pattern", ["db.100", "DB.100%", "db.1.0%", "[w]eb.a", "web", "(a+)+$", "web.a|web.b", "\\"])
def test_a_pattern_is_no_regular_expression_and_fits_whole_names(as_, admin, quota, pattern):
    assert data(as_(admin).post("/org/removequotametrics", {"patterns": [pattern]}))["removed_metrics"] == []


@pytest.mark.parametrize(
    ("pattern", "fits"),
    [("db.100%", ["db.100%"]), ("*", ["db,1", "db.100%", "web.a", "web.b"]), ("*1*", ["db,1", "db.100%"]), ("db?1", ["db,1"])],
)
def test_a_pattern_fits(as_, admin, quota, pattern, fits):
    assert data(as_(admin).post("/org/removequotametrics", {"patterns": [pattern]}))["removed_metrics"] == fits


def test_removal_needs_to_know_what(as_, admin, quota):
    assert wrong(as_(admin).post("/org/removequotametrics", {"dry_run": False})) == {"metrics"}
    assert Metric.objects.count() == 5


def test_test_requests_are_shown_and_nothing_of_them_is_stored(as_, admin, datastore, other_org):
    secret = factories.make_ingest_key(datastore)[1]
    now = int(time.time())
    points = [
        {"metric": "web.a", "timestamp": now, "value": 1}, {"metric": "web.a", "timestamp": now + 1, "value": 2},
        {"metric": "db.b", "timestamp": now}, {"metric": "db.c", "timestamp": "never", "value": 1},
    ]  # fmt: skip
    Client().post("/flux/metric_data_post", {"key": secret, "metrics": points, "test": True}, content_type="application/json")
    told = data(as_(admin).get("/org/testmetrics"))
    assert told == {
        "ingest_count": 2, "metrics": ["web.a"], "drop_count": 1, "dropped": [{"metric": "db.c", "reason": "timestamp_invalid"}],
        "no_values_count": 1, "metrics_with_no_values": ["db.b"],
    }  # fmt: skip
    assert not Metric.objects.exists()
    assert data(Api(x_auth_token=factories.make_org_token(other_org)).get("/org/testmetrics"))["ingest_count"] == 0


def test_test_requests_are_none_without_redis(as_, admin, datastore, monkeypatch):
    gone = RedisCache("redis://127.0.0.1:1/0", {})
    monkeypatch.setattr(trials, "cache", gone)
    answer = as_(admin).get("/org/testmetrics")
    assert (answer.status_code, data(answer)["ingest_count"]) == (200, 0)


def test_summary_counts_what_the_caller_sees(as_, admin, viewer, stranger, datastore, other_datastore):
    noisy, quiet = (
        factories.make_metric(datastore, "noisy", last_at=timezone.now()),
        factories.make_metric(datastore, "quiet", is_stale=True),
    )
    now = timezone.now()
    for minutes in (1, 2, 3):
        factories.make_anomaly(noisy, created=now, started_at=now - timedelta(minutes=minutes))
    factories.make_anomaly(quiet, created=now - timedelta(days=30), started_at=now - timedelta(days=30), status="Resolved")
    factories.make_anomaly(quiet, created=now, started_at=now - timedelta(days=9), status="Resolved", is_backfilled=True)
    factories.make_anomaly(factories.make_metric(other_datastore, "noisy"), created=now, started_at=now)
    for caller in (admin, viewer):
        told = data(as_(caller).get("/org/summary"))
        assert told["metrics"] == {"total": 2, "active": 1, "stale": 1}
        assert (told["anomalies"]["total"], told["anomalies"]["open"], sum(day["count"] for day in told["anomalies"]["by_day"])) == (
            3,
            3,
            3,
        )
        assert [(one["metric"], one["anomalies_count"]) for one in told["top_metrics"]] == [("noisy", 3)]
    told = data(as_(stranger).get("/org/summary"))
    assert (told["metrics"]["total"], told["anomalies"]["total"]) == (0, 0)


def test_days_of_the_summary_begin_at_midnight_of_the_org(as_, admin, datastore):
    Org.objects.update(timezone="Asia/Tokyo")
    metric = factories.make_metric(datastore)
    found = datetime(2026, 3, 4, tzinfo=UTC)
    factories.make_anomaly(metric, created=found, started_at=datetime(2026, 3, 1, 16, tzinfo=UTC))
    told = data(as_(admin).get("/org/summary", {"from": 1772323200, "until": 1772496000}))
    assert told["anomalies"]["by_day"] == [
        {"day": "2026-03-02", "timestamp": 1772377200, "timestamp_string": "Mon 02 Mar 2026 @ 00:00 (Asia/Tokyo)", "count": 1}
    ]


def test_graph_is_a_picture_or_the_counts(as_, admin, datastore):
    metric = factories.make_metric(datastore)
    for minute in (5, 10):
        at = datetime(2026, 3, 1, 12, minute, tzinfo=UTC)
        factories.make_anomaly(metric, created=at + timedelta(days=1), started_at=at)
    span = {"from": 1772362800, "until": 1772370000}
    person = as_(admin)
    told = data(person.get("/org/graph", {"format": "json", **span}))
    assert (told["resolution"], told["timeseries"]) == (3600, [[1772362800, 0], [1772366400, 2]])
    png, svg = person.get("/org/graph", span), person.get("/org/graph", {"format": "svg", **span})
    assert (png["Content-Type"], png.content[:8]) == ("image/png", b"\x89PNG\r\n\x1a\n")
    assert (svg["Content-Type"], b"Anomalies of Acme" in svg.content) == ("image/svg+xml", True)
    assert wrong(person.get("/org/graph", {"width": 5, "series": "cats"})) == {"width", "series"}


def test_graph_counts_metrics_and_alerts_step_by_step(as_, admin, datastore):
    span, at = {"from": 1772362800, "until": 1772370000, "format": "json"}, datetime(2026, 3, 1, 12, 30, tzinfo=UTC)
    metric = factories.make_metric(datastore)
    Metric.objects.update(created=at)
    for minutes in (0, 10, 29, 30):
        record_event(metric.org_id, type="alert", name="sent", timestamp=at + timedelta(minutes=minutes))
    person = as_(admin)
    assert data(person.get("/org/graph", {**span, "series": "metrics"}))["timeseries"] == [[1772362800, 0], [1772366400, 1]]
    assert data(person.get("/org/graph", {**span, "series": "alerts"}))["timeseries"] == [[1772362800, 0], [1772366400, 3]]


@pytest.fixture
def slack(settings):
    """Slack's Web API, at a server of our own."""
    with listening() as peer:
        settings.SLACK_API_URL = f"{peer.url}/api"
        yield peer


def listed(*names, cursor=""):
    return said(ok=True, channels=[{"id": f"C{name}", "name": name} for name in names], response_metadata={"next_cursor": cursor})


def names_of(person, **asked):
    return [(one["name"], one["service"]) for one in data(person.get("/org/channels", asked))["channels"]]


def test_a_slack_app_lists_its_channels_page_by_page(as_, admin, slack):
    slack.answers = [said(ok=True, team="Acme HQ"), listed("general", cursor="next"), listed("ops")]
    person = as_(admin)
    assert data(person.post("/org/update", {"slack_token": "xoxb-secret-token"}))["org"]["connected_services"]["slack"] is True
    assert [one.path for one in slack.sent] == ["/api/auth.test", "/api/conversations.list", "/api/conversations.list"]
    assert {one.headers["authorization"] for one in slack.sent} == {"Bearer xoxb-secret-token"}
    assert slack.sent[2].form["cursor"] == "next"
    assert names_of(person) == [("#general", "slack"), ("#ops", "slack")]
    assert Event.objects.get().name == "The Slack app of Acme HQ was connected: 2 channels"


@pytest.fixture
def app(as_, admin, slack):
    """The org's app, which lists #general and #ops; listed long ago."""
    slack.answers = [said(ok=True, team="Acme HQ"), listed("general", "ops")]
    data(as_(admin).post("/org/update", {"slack_token": "xoxb-secret-token"}))
    ServiceApp.objects.update(listed=timezone.now() - timedelta(hours=1))
    slack.sent.clear()


def test_a_demo_user_asks_slack_nothing(as_, demo, app, slack):
    person = as_(demo)
    assert "Demo users" in data(person.get("/org/channels", {"refresh": True}), 403)["message"]
    assert (slack.sent, names_of(person)) == ([], [("#general", "slack"), ("#ops", "slack")])


def test_a_token_that_was_sealed_with_another_key_says_what_to_do(as_, viewer, app, slack):
    ServiceApp.objects.update(sealed_token=b"of another key")
    told = data(as_(viewer).get("/org/channels", {"refresh": True}), 409)
    assert told["message"] == "The app's token was sealed with another key. Connect the Slack app again with its token."
    assert slack.sent == []


def test_channels_are_asked_for_anew_only_when_wanted(as_, viewer, app, slack):
    person = as_(viewer)
    slack.answers = [listed("ops", "new")]
    assert names_of(person) == [("#general", "slack"), ("#ops", "slack")]
    assert slack.sent == []
    assert names_of(person, refresh=True) == [("#new", "slack"), ("#ops", "slack")]
    assert names_of(person, refresh=True) == [("#new", "slack"), ("#ops", "slack")]
    assert len(slack.sent) == 1


def test_renamed_channels_keep_their_alerts_and_those_with_an_alert_stay(as_, admin, app, slack):
    person = as_(admin)
    data(person.post("/org/adminalerts", {"type_1_slack_channel": "#general"}))
    data(person.post("/org/adminalerts", {"type_2_slack_channel": "#ops"}))
    slack.answers = [said(ok=True, channels=[{"id": "Cgeneral", "name": "ops"}])]
    assert names_of(person, refresh=True) == [("#ops", "slack"), ("#ops (Cgeneral)", "slack")]
    told = data(person.get("/org/adminalerts"))["admin_alerts"]
    assert [alert["alerts"][-1]["ref"] for alert in told[:2]] == ["#ops (Cgeneral)", "#ops"]


def test_channels_that_changed_names_with_each_other(as_, admin, app, slack):
    slack.answers = [said(ok=True, channels=[{"id": "Cgeneral", "name": "ops"}, {"id": "Cops", "name": "general"}])]
    names_of(as_(admin), refresh=True)
    assert dict(Channel.objects.values_list("external_id", "name")) == {"Cgeneral": "#ops", "Cops": "#general"}


def test_a_webhook_of_the_same_name_stays_what_it_is(as_, admin, app, slack, org):
    data(as_(admin).post("/org/update", {"slack_webhook": SLACK, "slack_channel": "#new"}))
    slack.answers = [listed("new")]
    assert names_of(as_(admin), refresh=True) == [("#new", "slack"), ("#new (Cnew)", "slack")]


@pytest.mark.parametrize(
    ("answer", "code"),
    [(said(ok=False, error="invalid_auth"), 409), (said(429), 503), (Answer(500, b"<html>"), 503), (Answer(200, b"not json"), 503)],
)
def test_what_slack_refuses_is_said_and_changes_nothing(as_, admin, app, slack, answer, code):
    slack.usual = answer
    told = data(as_(admin).get("/org/channels", {"refresh": True}), code)
    assert "Slack" in told["message"]
    data(as_(admin).post("/org/update", {"slack_token": "xoxb-another-token", "name": "New"}), code)
    assert (Org.objects.get().name, Channel.objects.count()) == ("Acme", 2)
    assert ServiceApp.objects.get().workspace == "Acme HQ"


def test_slack_that_does_not_answer_is_503(as_, admin, settings):
    settings.SLACK_API_URL = "http://127.0.0.1:9/api"
    assert "Slack does not answer" in data(as_(admin).post("/org/update", {"slack_token": "xoxb-secret-token"}), 503)["message"]


@pytest.mark.parametrize("token", ["short", "with space in it", "line\r\nX: y and more", "ünïcode-token"])
def test_what_is_no_token_is_named(as_, admin, token, slack):
    assert wrong(as_(admin).post("/org/update", {"slack_token": token})) == {"slack_token"}
    assert slack.sent == []


def test_letting_go_of_slack_lets_go_of_the_app(as_, admin, app):
    told = data(as_(admin).post("/org/update", {"slack_webhook": ""}))["org"]
    assert told["connected_services"]["slack"] is False
    assert not ServiceApp.objects.exists()
