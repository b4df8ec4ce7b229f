"""Channels and admin alerts as pages: connecting, trying out, and what became of what was sent."""

import pytest
from django.core import mail
from django.test import TestCase

from accounts import adminalerts
from orgs import channels
from orgs.models import AdminAlert, Channel, Delivery, ServiceApp
from tests import factories
from tests.peer import Answer, listening, said

CHANNELS, ALERTS = "/app/settings/channels", "/app/settings/alerts"
HTMX = {"HX-Request": "true"}
SLACK = "https://hooks.slack.com/services/T0/B0/secretsecret"


@pytest.fixture
def peer(settings):
    with listening() as found:
        settings.WEBHOOK_HOSTS, settings.SLACK_API_URL = [found.netloc], f"{found.url}/api"
        yield found


def do(client, page, what, **fields):
    with TestCase.captureOnCommitCallbacks(execute=True):
        return client.post(page, {"do": what, **fields}, headers=HTMX)


def test_a_webhook_is_connected_tried_out_and_let_go(as_, admin, peer):
    client = as_(admin)
    answer = do(client, CHANNELS, "connect", service="slack", name="#ops", url=f"{peer.url}/hook/secret")
    assert (b"Slack #ops was connected" in answer.content, b"/hook/secret" in answer.content) == (True, False)
    channel = Channel.objects.get()
    assert b"A test is on its way" in do(client, CHANNELS, "try_out", id=channel.pk).content
    assert "Ada Admin tries whether Acme reaches this channel" in peer.sent[0].json["text"]
    page = client.get(CHANNELS).content.decode()
    assert ('<span class="status ok">delivered</span>' in page, "200 ok" in page) == (True, True)
    do(client, CHANNELS, "disconnect", id=channel.pk)
    assert not Channel.objects.exists()


@pytest.mark.parametrize("url", ["https://evil.example/x", "nonsense", "http://127.0.0.1/", "https://hooks.slack.com.evil.example/"])
def test_what_is_no_webhook_is_said_beside_the_field(as_, admin, url):
    answer = do(as_(admin), CHANNELS, "connect", service="slack", name="#ops", url=url)
    assert 'id="connect_url_error"' in answer.content.decode()
    assert not Channel.objects.exists()


def test_a_failed_delivery_is_shown_and_sent_again(as_, admin, org, peer):
    channel = channels.connect(org, Channel.Service.SLACK, name="#ops", url=f"{peer.url}/hook")
    peer.answers = [Answer(404, b"no_service")]
    client = as_(admin)
    do(client, CHANNELS, "try_out", id=channel.pk)
    page = client.get(CHANNELS).content.decode()
    assert ('<span class="status wrong">failed</span>' in page, "404 no_service" in page) == (True, True)
    do(client, CHANNELS, "again", id=Delivery.objects.get().pk)
    assert [one.status for one in Delivery.objects.order_by("pk")] == ["failed", "delivered"]


def test_a_slack_app_is_connected_and_listed_anew(as_, admin, peer):
    channel = {"id": "C1", "name": "ops"}
    peer.answers = [said(ok=True, team="Acme HQ"), said(ok=True, channels=[channel])]
    client = as_(admin)
    answer = do(client, CHANNELS, "connect_app", slack_token="xoxb-secret-token").content.decode()
    assert ("it lists 1 channels" in answer, "Acme HQ" in answer, "xoxb" in answer.replace("xoxb-…", "")) == (True, True, False)
    ServiceApp.objects.update(listed=None)
    peer.answers = [said(ok=True, channels=[channel, {"id": "C2", "name": "new"}])]
    assert b"#new" in do(client, CHANNELS, "refresh").content
    peer.answers = [said(ok=False, error="token_revoked")]
    ServiceApp.objects.update(listed=None)
    assert b"Slack refused the app&#x27;s token: token_revoked." in do(client, CHANNELS, "refresh").content
    do(client, CHANNELS, "disconnect_app")
    assert (Channel.objects.count(), ServiceApp.objects.count()) == (0, 0)


def test_a_token_that_slack_refuses_is_said(as_, admin, peer):
    peer.usual = said(ok=False, error="invalid_auth")
    assert b"invalid_auth" in do(as_(admin), CHANNELS, "connect_app", slack_token="xoxb-secret-token").content
    assert not ServiceApp.objects.exists()


def test_members_see_channels_but_neither_change_nor_read_what_was_sent(as_, org, viewer, admin):
    channel = channels.connect(org, Channel.Service.SLACK, name="#ops", url=SLACK)
    page = as_(viewer).get(CHANNELS).content.decode()
    assert ("#ops" in page, "What was sent" in page, "Connect a webhook" in page) == (True, False, False)
    for what in ("connect", "disconnect", "try_out", "connect_app", "refresh", "again"):
        assert as_(viewer).post(CHANNELS, {"do": what, "id": channel.pk}).status_code == 403
    assert Channel.objects.count() == 1


def test_channels_of_other_orgs_are_not_there(as_, outsider, org, peer):
    channel = channels.connect(org, Channel.Service.SLACK, name="#ops", url=f"{peer.url}/hook")
    for what in ("disconnect", "try_out"):
        assert b"was let go of meanwhile" in do(as_(outsider), CHANNELS, what, id=channel.pk).content
    assert (Channel.objects.count(), peer.sent) == (1, [])


def alert_of(org, kind=1) -> AdminAlert:
    return adminalerts.alerts_of(org).get(kind=kind)


def test_an_alert_is_set(as_, admin, viewer, org):
    channel = channels.connect(org, Channel.Service.SLACK, name="#ops", url=SLACK)
    viewer.phone = "+4930123456"
    viewer.save()
    fields = {"id": 1, "wait_minutes": 10, "again_minutes": 0, "email_users": [viewer.pk], "sms_users": [viewer.pk], "channel": channel.pk}
    answer = do(as_(admin), ALERTS, "save", **fields).content.decode()
    alert = alert_of(org)
    assert (alert.is_enabled, alert.wait_s, alert.expiration_s, alert.channel) == (False, 600, 0, channel)
    assert (list(alert.email_users.all()), list(alert.sms_users.all())) == ([viewer], [viewer])
    assert "Told to Vic Viewer by mail, to Vic Viewer by SMS, and in Slack #ops." in answer
    for told in (
        "lasted 10 min, and when it is over.",
        "lasted 15 min, again every 1 d while it lasts, and",
        "Told at once, again every 1 d",
    ):
        assert told in answer


@pytest.mark.parametrize(
    ("fields", "named"),
    [({"wait_minutes": 4}, "wait_minutes"), ({"again_minutes": -1}, "again_minutes"), ({"channel": 99}, "channel"),
     ({"email_users": [99]}, "email_users"),
     ({"sms_users": "viewer"}, "sms_users")],
)  # fmt: skip
def test_what_does_not_do_stands_beside_its_field_and_changes_nothing(as_, admin, viewer, org, fields, named):
    fields = {name: [viewer.pk] if value == "viewer" else value for name, value in fields.items()}
    answer = do(as_(admin), ALERTS, "save", **{"id": 2, "enabled": "on", "wait_minutes": 30, "again_minutes": 60, **fields})
    assert f'id="save_{named}_error"' in answer.content.decode()
    assert (alert_of(org, 2).wait_s, alert_of(org, 2).email_users.count()) == (900, 0)


@pytest.mark.parametrize("kind", [3, 5])
def test_what_is_always_told_has_no_form_and_is_not_set(as_, admin, org, kind):
    answer = do(as_(admin), ALERTS, "save", id=kind, wait_minutes=30, again_minutes=60)
    assert b"Select a valid choice" in answer.content
    assert alert_of(org, kind).wait_s == 0


def test_a_test_goes_every_way_of_the_alert(as_, admin, org, peer):
    channel = channels.connect(org, Channel.Service.SLACK, name="#ops", url=f"{peer.url}/hook")
    alert = alert_of(org, 2)
    alert.channel = channel
    alert.save()
    assert b"A test is on 2 ways" in do(as_(admin), ALERTS, "try_out", id=2).content
    assert [message.subject for message in mail.outbox] == ["Acme: A test of “Some metrics stopped”."]
    assert "A test of" in peer.sent[0].json["text"]


def test_alerts_are_for_admins_and_a_demo_user_only_looks(as_, org, viewer, manager):
    demo = factories.make_user(org, "Dan", is_demo=True)
    assert [as_(person).get(ALERTS).status_code for person in (viewer, manager, demo)] == [403, 403, 200]
    assert as_(demo).post(ALERTS, {"do": "save", "id": 1}).status_code == 403


def test_queries_do_not_grow(as_, admin, org, queries_of):
    client = as_(admin)
    client.get(ALERTS)  # makes the org's alerts
    counts = queries_of(lambda: client.get(CHANNELS)), queries_of(lambda: client.get(ALERTS))
    for number in range(15):
        factories.make_user(org, f"Person {number}", phone="+4930123456")
        channel = channels.connect(org, Channel.Service.SLACK, name=f"#c{number}", url=SLACK)
        Delivery.objects.create(org=org, method="slack", to="#ops", channel=channel, title="x", status="delivered")
    assert (queries_of(lambda: client.get(CHANNELS)), queries_of(lambda: client.get(ALERTS))) == counts
