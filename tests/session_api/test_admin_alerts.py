"""Admin alerts: who gets them, and when they fire, wait, come again and end."""

from datetime import timedelta

import numpy as np
import pytest
from django.core import mail
from django.test import Client, TestCase
from django.utils import timezone

from accounts import adminalerts
from accounts.models import Letter, Role, User
from metrics import health, points
from metrics.models import Metric
from metrics.tasks import check_health, check_health_of
from orgs.models import AdminAlert, Event, Org, RefusedSeries
from orgs.services import org_ids
from orgs.tenancy import within
from tests import factories
from tests.peer import listening
from tests.session_api.conftest import Api, data, wrong

Kind = AdminAlert.Kind
NOW = timezone.now()


def shown(answer):
    return {one["id"]: one for one in data(answer)["admin_alerts"]}


def test_every_kind_is_listed_and_told_to_the_admins(as_, admin, viewer):
    told = shown(as_(admin).get("/org/adminalerts"))
    assert [(number, one["name"], one["enabled"], one["wait_seconds"]) for number, one in told.items()] == [
        (1, "no_data", True, 300), (2, "stale_metrics", True, 900), (3, "metric_quota_exceeded", True, 0), (5, "invalid_metrics", True, 0),
    ]  # fmt: skip
    route = {"method": "email", "ref": admin.email, "user": {"id": admin.pk, "name": "Ada Admin"}}
    assert all(one["alerts"] == [route] for one in told.values())
    assert {(one["since_timestamp"], one["since_string"]) for one in told.values()} == {(None, None)}


def test_settings_change_what_is_sent_and_nothing_else(as_, admin, viewer):
    viewer.phone = "+4930123456"
    viewer.save()
    person = as_(admin)
    person.post("/org/update", {"slack_webhook": "https://hooks.slack.com/services/x", "slack_channel": "#ops"})
    said = {
        "type_1_enabled": False,
        "type_1_wait_seconds": 600,
        "type_2_email_users": [viewer.pk],
        "type_2_sms_users": f"{viewer.pk}",
        "type_2_slack_channel": "#ops",
    }
    told = shown(person.post("/org/adminalerts", said))
    assert (told[1]["enabled"], told[1]["wait_seconds"], told[2]["wait_seconds"]) == (False, 600, 900)
    assert [(one["method"], one["ref"]) for one in told[2]["alerts"]] == [
        ("email", viewer.email),
        ("sms", "+4930123456"),
        ("slack", "#ops"),
    ]
    told = shown(person.post("/org/adminalerts", {"type_2_email_users": "", "type_2_sms_users": [], "type_2_slack_channel": ""}))
    assert (told[1]["enabled"], [(one["method"], one["ref"]) for one in told[2]["alerts"]]) == (False, [("email", admin.email)])


@pytest.mark.parametrize(("name", "value"), [
    ("type_1_wait_seconds", 299), ("type_1_enabled", "perhaps"), ("type_2_email_users", "x"), ("type_2_slack_channel", "#none"),
])  # fmt: skip
def test_settings_that_do_not_do_are_named_and_change_nothing(as_, admin, name, value):
    assert wrong(as_(admin).post("/org/adminalerts", {"type_1_expiration_seconds": 60, name: value})) == {name}
    assert shown(as_(admin).get("/org/adminalerts"))[1]["expiration_seconds"] == 86_400


@pytest.mark.parametrize("name", ["type_3_enabled", "type_5_wait_seconds", "type_4_enabled", "type_1_colour"])
def test_what_cannot_be_set_is_refused_and_nothing_else_of_it_is_done(as_, admin, name):
    person = as_(admin)
    assert wrong(person.post("/org/adminalerts", {"type_1_enabled": False, name: False})) == {name}
    assert [one["enabled"] for one in shown(person.get("/org/adminalerts")).values()] == [True] * 4


def test_only_people_of_the_org_are_told_and_by_phone_only_with_a_number(as_, admin, viewer, outsider):
    for name, person in (("type_1_email_users", outsider), ("type_1_sms_users", outsider), ("type_1_sms_users", viewer)):
        assert wrong(as_(admin).post("/org/adminalerts", {name: [person.pk]})) == {name}


def arrive(metric, seconds, *, backfill=False):
    """A point of the series comes in `seconds` after NOW."""
    at_ms = np.array([1_772_366_400_000], np.int64)
    received_at = NOW + timedelta(seconds=seconds)
    points.append(metric.org_id, np.array([metric.pk], np.int64), at_ms, np.array([1.0]), received_at=received_at, backfill=backfill)


def look(seconds=0):
    with TestCase.captureOnCommitCallbacks(execute=True):
        for org_id in org_ids():
            with within(org_id):
                health.check(org_id, now=NOW + timedelta(seconds=seconds))


@pytest.fixture
def silent(datastore, admin):
    """An org whose agents sent something once, and nothing for long."""
    return factories.make_metric(datastore, "cpu", last_at=NOW - timedelta(hours=1))


def test_all_stopped_waits_is_told_once_comes_again_and_ends(silent, admin):
    look(0)
    look(299)
    assert mail.outbox == []
    look(300)
    look(360)
    assert [(message.to, message.subject) for message in mail.outbox] == [([admin.email], "Acme: All metrics stopped.")]
    look(300 + 86_400)
    assert len(mail.outbox) == 2
    arrive(silent, 86_800)
    look(86_860)
    assert mail.outbox[-1].subject == "Acme: Recovered after 24 h: all metrics stopped."
    look(86_920)
    assert len(mail.outbox) == 3
    assert [event.name for event in Event.objects.filter(type="admin_alert")].count("All metrics stopped.") == 2


def test_what_ends_before_it_was_told_is_never_told(silent):
    look(0)
    arrive(silent, 100)
    look(120)
    look(1000)
    assert AdminAlert.objects.get(kind=Kind.NO_DATA).since == NOW + timedelta(seconds=1000)
    assert mail.outbox == []


def test_imported_history_is_no_sign_of_life(silent):
    arrive(silent, 0, backfill=True)
    look(0)
    assert AdminAlert.objects.get(kind=Kind.NO_DATA).since == NOW


def test_some_stopped_names_them(silent, datastore):
    factories.make_metric(datastore, "disk", last_at=NOW, is_stale=True)
    for seconds in (0, 200, 400, 600, 800, 900):
        arrive(silent, seconds)
        look(seconds)
    assert [message.subject for message in mail.outbox] == ["Acme: Some metrics stopped: disk."]


def test_a_full_quota_is_told_at_once_and_ends_when_there_is_room(silent, org):
    arrive(silent, 0)
    Org.objects.filter(pk=org.pk).update(metric_limit=1)
    look(0)
    assert mail.outbox == []
    RefusedSeries.objects.create(org=org, day=(NOW + timedelta(seconds=60)).date(), refused=3, example="new")
    look(60)
    assert [message.subject for message in mail.outbox] == ["Acme: The quota of metrics is exceeded."]
    Org.objects.filter(pk=org.pk).update(metric_limit=2)
    look(120)
    assert mail.outbox[-1].subject == "Acme: Recovered after 1 min: the quota of metrics is exceeded."


def test_a_disabled_alert_is_silent_and_a_muted_org_gets_no_mail(silent, org, as_, admin):
    as_(admin).post("/org/adminalerts", {"type_1_enabled": "no"})
    look(0)
    look(1000)
    assert mail.outbox == []
    as_(admin).post("/org/adminalerts", {"type_1_enabled": "yes"})
    as_(admin).post("/org/update", {"mute_minutes": 1000})
    look(1060)
    assert mail.outbox == []
    assert Event.objects.filter(type="admin_alert").count() == 1


def test_an_org_that_never_sent_anything_has_not_stopped(admin, datastore):
    factories.make_metric(datastore, "cpu")
    with within(datastore.org_id):
        assert health.check(datastore.org_id, now=NOW) is False
    assert not AdminAlert.objects.exists()


def test_each_org_is_looked_at_in_a_task_of_its_own(org, other_org, unattended):
    assert check_health() == 2
    waiting = unattended.waiting()
    assert sorted(waiting) == [("metrics.tasks.check_health_of", [one]) for one in sorted([org.pk, other_org.pk])]
    assert [check_health_of(*args) for _, args in waiting] == [False, False]


def report(api, code, **said):
    return api.post(f"/org/adminalert/{code}", {"status": {}, "data": said})


@pytest.mark.parametrize("code", ["stale_metrics", "2"])
def test_an_engine_outside_reports_and_recovers(api, org, admin, code):
    token = factories.make_org_token(org)
    said = {
        "token": token,
        "level": "alert",
        "alert": "stale",
        "alert_id": 2,
        "namespace": "acme",
        "status": "stale",
        "metrics": ["cpu", "disk"],
    }
    assert data(report(api, code, **said)) == {"message": "OK"}
    assert [message.subject for message in mail.outbox] == ["Acme: Some metrics stopped: cpu, disk."]
    data(report(api, code, **said))
    assert len(mail.outbox) == 1
    data(report(api, code, **(said | {"level": "notice", "status": "recovered"})))
    assert mail.outbox[-1].subject.startswith("Acme: Recovered after")
    assert AdminAlert.objects.get(kind=Kind.STALE_METRICS).since is None


def test_a_report_of_an_unknown_kind_is_404_and_without_a_token_401(api, org):
    data(report(api, "unheard_of", token=factories.make_org_token(org)), 404)
    data(report(api, "no_data"), 401)
    data(report(api, "no_data", token="0" * 32), 401)
    data(Api(x_auth_token=factories.make_org_token(org)).get("/org/adminalert/no_data"), 405)


def test_a_member_reports_nothing(as_, viewer):
    data(as_(viewer).post("/org/adminalert/no_data", {}), 403)


def test_onboarding_goes_on_and_never_back(org, datastore):
    def status():
        health.onboard(org.pk, now=NOW)
        return Org.objects.get(pk=org.pk).onboarding_status

    assert status() == 1
    metric = factories.make_metric(datastore, "cpu")
    assert status() == 100
    Metric.objects.filter(pk=metric.pk).update(state="active", created=NOW)
    assert status() == 200
    Metric.objects.filter(pk=metric.pk).update(created=NOW - timedelta(days=8))
    assert status() == 300
    metric.delete()
    assert status() == 300


def test_every_admin_is_told_but_no_service_demo_or_closed_one(silent, org):
    factories.make_user(org, "Second", email="second@example.com", role=Role.ADMIN)
    factories.make_user(org, "Robot", role=Role.ADMIN, is_service=True)
    factories.make_user(org, "Show", role=Role.ADMIN, is_demo=True)
    factories.make_user(org, "Gone", role=Role.ADMIN, is_active=False)
    look(0)
    look(300)
    assert len(mail.outbox) == 2


def test_who_wants_no_alerts_by_mail_gets_none(silent, org, admin):
    chooses = factories.make_user(org, role="admin")
    User.objects.filter(pk=admin.pk).update(email_alerts=False)
    alert = adminalerts.alerts_of(org).get(kind=AdminAlert.Kind.NO_DATA)
    assert adminalerts.readers_of(alert) == [chooses]
    alert.email_users.set([admin])
    assert adminalerts.readers_of(alert) == []
    adminalerts.send(alert, org, "x", "y")
    assert not Letter.objects.exists()


@pytest.mark.parametrize(
    ("kind", "place", "label"),
    [(Kind.METRIC_QUOTA_EXCEEDED, "/app/settings/quota", "To the quota"), (Kind.NO_DATA, "/app/settings/alerts", "To the admin alerts")],
)
def test_the_mail_of_an_alert_leads_to_what_it_is_about(org, admin, settings, kind, place, label):
    with TestCase.captureOnCommitCallbacks(execute=True):
        adminalerts.send(adminalerts.alerts_of(org).get(kind=kind), org, "It is so.", "Look.")
    html = mail.outbox[0].alternatives[0][0]
    assert f"{settings.BASE_URL}{place}" in mail.outbox[0].body.split()
    assert (f'href="{settings.BASE_URL}{place}"' in html, f">{label}</a>" in html) == (True, True)


@pytest.fixture
def peer():
    with listening() as found:
        yield found


def test_an_alert_goes_to_the_channel_and_to_telephones_too(silent, as_, admin, viewer, peer, settings):
    settings.WEBHOOK_HOSTS, settings.SMS_URL, settings.SMS_PASSWORD = [peer.netloc], f"{peer.url}/sms", "secret"
    viewer.phone = "+4930123456"
    viewer.save()
    data(as_(admin).post("/org/update", {"slack_webhook": f"{peer.url}/hook", "slack_channel": "#ops"}))
    routes = {"type_1_slack_channel": "#ops", "type_1_sms_users": [viewer.pk]}
    told = shown(as_(admin).post("/org/adminalerts", routes))[1]
    assert [(one["method"], one["ref"]) for one in told["alerts"]] == [
        ("email", admin.email), ("sms", "+4930123456"), ("slack", "#ops"),
    ]  # fmt: skip
    look(0)
    assert peer.sent == []
    look(300)
    assert {one.path for one in peer.sent} == {"/hook", "/sms"}
    by_path = {one.path: one for one in peer.sent}
    assert "Acme: All metrics stopped." in by_path["/hook"].json["text"]
    assert by_path["/sms"].form["Body"] == f"Acme: All metrics stopped. {settings.BASE_URL}/app/settings/alerts"
    assert len(mail.outbox) == 1
    became = set(Event.objects.filter(type="delivery").values_list("name", flat=True))
    assert became == {
        "“Acme: All metrics stopped.” reached Slack #ops", "“Acme: All metrics stopped.” reached SMS +4930123456",
        f"“Acme: All metrics stopped.” was mailed to {admin.email}",
    }  # fmt: skip
    arrive(silent, 600)
    look(660)
    assert [one.path for one in peer.sent[2:]] == ["/sms", "/hook"]
    assert "Recovered after 11 min" in peer.sent[-1].json["text"]


def test_a_muted_org_gets_nothing_anywhere_and_the_feed_says_so(silent, as_, admin, peer, settings):
    settings.WEBHOOK_HOSTS = [peer.netloc]
    as_(admin).post("/org/update", {"slack_webhook": f"{peer.url}/hook", "slack_channel": "#ops", "mute_minutes": 1000})
    as_(admin).post("/org/adminalerts", {"type_1_slack_channel": "#ops"})
    look(0)
    look(300)
    assert (peer.sent, mail.outbox) == ([], [])
    assert Event.objects.get(type="admin_alert").description.endswith("Nobody was told: alerts are muted.")


def send_invalid(datastore):
    secret = factories.make_ingest_key(datastore)[1]
    body = {
        "key": secret,
        "metrics": [{"metric": "web.a", "timestamp": 1, "value": 1}, {"metric": "web.b", "value": "x", "timestamp": 1e9}],
    }
    assert Client().post("/flux/metric_data_post", body, content_type="application/json").status_code == 400


def test_the_mail_of_an_alert_leads_to_the_alerts_and_shows_what_cannot_be_seen(datastore, admin):
    body = {"key": factories.make_ingest_key(datastore)[1], "metrics": [{"metric": "cpu\x01load", "timestamp": 1_790_000_000, "value": 1}]}
    assert Client().post("/flux/metric_data_post", body, content_type="application/json").status_code == 400
    look(int((timezone.now() - NOW).total_seconds()))
    (message,) = mail.outbox
    assert message.subject.startswith("Acme: Points were refused as invalid: cpu\ufffdload: ")
    assert message.body.rstrip().endswith("/app/settings/alerts")


def test_invalid_points_are_told_at_once_and_over_when_none_came_for_an_hour(datastore, admin):
    send_invalid(datastore)
    send_invalid(datastore)
    refused = RefusedSeries.objects.get()
    assert (refused.refused, refused.invalid) == (0, 4)
    seconds = int((timezone.now() - NOW).total_seconds())
    look(seconds)
    look(seconds + 60)
    (message,) = mail.outbox
    assert message.subject.startswith("Acme: Points were refused as invalid: web.a: ")
    look(seconds + 3500)
    assert len(mail.outbox) == 1
    look(seconds + 3700)
    assert mail.outbox[-1].subject.startswith("Acme: Recovered after ")
    assert AdminAlert.objects.get(kind=Kind.NO_DATA).since is None


def test_what_an_engine_outside_reported_is_not_ended_by_our_own_look(silent, org, api, admin):
    arrive(silent, 0)
    data(report(api, "stale_metrics", token=factories.make_org_token(org), level="alert", status="stale", metrics=["theirs"]))
    look(60)
    assert AdminAlert.objects.get(kind=Kind.STALE_METRICS).is_reported is True
    assert [message.subject for message in mail.outbox] == ["Acme: Some metrics stopped: theirs."]
