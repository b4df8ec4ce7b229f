"""The outbox: what reaches a channel or a telephone, what is tried again, what is given up, and how that is told."""

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection
from django.test import TestCase
from django.utils import timezone

from orgs import channels
from orgs.delivery import outbox
from orgs.models import Channel, Delivery, Event, Org, ServiceApp
from orgs.sealing import seal
from orgs.tasks import deliver_due
from tests import broker
from tests.peer import Answer, said
from tests.product import wait_until

Status = Delivery.Status
pytestmark = pytest.mark.django_db


@pytest.fixture
def slack(org, peer, settings) -> Channel:
    """A channel whose webhook is at the peer."""
    settings.WEBHOOK_HOSTS = [peer.netloc]
    return channels.connect(org, Channel.Service.SLACK, name="#ops", url=f"{peer.url}/services/T0/B0/secret")


@pytest.fixture
def told(org):
    """The feed's lines about deliveries, the newest first."""
    return lambda: list(Event.objects.for_org(org).filter(type="delivery").values_list("name", "description"))


def ordered(channel: Channel, title: str = "Acme: All metrics stopped.") -> Delivery:
    """After the first try."""
    with TestCase.captureOnCommitCallbacks(execute=True):
        delivery = outbox.to_channel(channel, title=title, text="Look whether <they> run & reach.", url="https://x.example/app")
    delivery.refresh_from_db()
    return delivery


def put_off(act: Callable[[], Delivery]) -> tuple[Delivery, float, float]:
    """The delivery, and for how many seconds its next try was put off: seen from the end of the try, and from its beginning."""
    before = timezone.now()
    delivery = act()
    return delivery, (delivery.next_try - timezone.now()).total_seconds(), (delivery.next_try - before).total_seconds()


def later(delivery: Delivery) -> Delivery:
    """After the next try, once its time has come."""
    Delivery.objects.filter(pk=delivery.pk).update(next_try=timezone.now())
    deliver_due()
    delivery.refresh_from_db()
    return delivery


def test_a_slack_webhook_gets_the_message(slack, peer, told):
    delivery = ordered(slack)
    (sent,) = peer.sent
    assert (sent.method, sent.path, sent.headers["content-type"]) == ("POST", "/services/T0/B0/secret", "application/json")
    assert sent.json["text"] == "Acme: All metrics stopped. Look whether &lt;they&gt; run &amp; reach."
    assert "<https://x.example/app|Open in Plumbline>" in sent.json["blocks"][0]["text"]["text"]
    assert (delivery.status, delivery.tries, delivery.answer) == (Status.DELIVERED, 1, "200 ok")
    assert delivery.ended is not None
    assert delivery.took_ms >= 0
    assert told() == [("“Acme: All metrics stopped.” reached Slack #ops", "")]


def test_a_teams_webhook_gets_a_card(org, peer, settings):
    settings.WEBHOOK_HOSTS = [peer.netloc]
    ordered(channels.connect(org, Channel.Service.MS_TEAMS, name="Ops", url=f"{peer.url}/hook"))
    (attachment,) = peer.sent[0].json["attachments"]
    assert attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
    assert [block["text"] for block in attachment["content"]["body"]] == ["Acme: All metrics stopped.", "Look whether <they> run & reach."]
    assert attachment["content"]["actions"][0]["url"] == "https://x.example/app"


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_what_passes_by_itself_is_tried_again_until_it_is_taken(slack, peer, told, status):
    peer.answers = [Answer(status, b"later"), Answer(status, b"later")]
    delivery, least, most = put_off(lambda: ordered(slack))
    assert (delivery.status, delivery.tries, told()) == (Status.WAITING, 1, [])
    assert (most >= 5, least <= 6) == (True, True)
    delivery, least, most = put_off(lambda: later(delivery))
    assert (delivery.status, most >= 60, least <= 72) == (Status.WAITING, True, True)
    assert (later(delivery).status, delivery.tries) == (Status.DELIVERED, 3)
    assert len(told()) == 1


def test_the_service_says_how_long_to_wait(slack, peer):
    peer.answers = [Answer(429, b"", {"Retry-After": "120"})]
    _, least, most = put_off(lambda: ordered(slack))
    assert least <= 120 <= most


def test_what_is_not_due_is_left_alone(slack, peer):
    peer.answers = [Answer(500)]
    delivery = ordered(slack)
    assert outbox.send(delivery.pk) is None
    assert (deliver_due(), len(peer.sent)) == (0, 1)


def test_after_the_last_try_it_is_given_up_and_the_feed_says_why(slack, peer, told):
    peer.usual = Answer(500, b"broken")
    delivery = ordered(slack)
    for _ in range(outbox.MOST_TRIES - 1):
        later(delivery)
    assert (delivery.status, delivery.tries, len(peer.sent)) == (Status.FAILED, 6, 6)
    assert told() == [("“Acme: All metrics stopped.” did not reach Slack #ops", "500 (6 tries)")]
    assert delivery.answer == "500 broken"
    later(delivery)
    assert len(peer.sent) == 6


@pytest.mark.parametrize("status", [301, 400, 403, 404, 410])
def test_what_will_not_pass_is_given_up_at_once(slack, peer, told, status):
    peer.usual = Answer(status, b"no_service")
    delivery = ordered(slack)
    assert (delivery.status, delivery.answer) == (Status.FAILED, f"{status} no_service")
    assert told() == [("“Acme: All metrics stopped.” did not reach Slack #ops", f"{status} (1 try)")]


def test_a_dead_server_is_tried_again(slack, peer, settings, org):
    settings.WEBHOOK_HOSTS = ["127.0.0.1:9"]
    delivery = ordered(channels.connect(org, Channel.Service.SLACK, name="#dead", url="http://127.0.0.1:9/x"))
    assert (delivery.status, delivery.answer) == (Status.WAITING, "The connection was refused.")


def test_a_host_that_is_no_longer_named_by_the_operator_gets_nothing_from_within(slack, peer, settings):
    settings.WEBHOOK_HOSTS = []
    delivery = ordered(slack)
    assert (delivery.status, delivery.answer, peer.sent) == (Status.FAILED, "The address leads into a private network.", [])


def test_a_channel_that_was_let_go_of_is_not_written_to(slack, peer, org):
    delivery = outbox.to_channel(slack, title="x", text="")
    channels.disconnect(org, Channel.Service.SLACK)
    outbox.send(delivery.pk)
    delivery.refresh_from_db()
    assert (delivery.status, delivery.answer, peer.sent) == (Status.FAILED, "The channel was let go of.", [])


def test_an_address_sealed_with_another_key_says_what_to_do(slack):
    Channel.objects.filter(pk=slack.pk).update(sealed_url=seal(b"x", purpose="another"))
    slack.refresh_from_db()
    assert ordered(slack).answer == "The address was sealed with another key: connect the channel again."


@pytest.fixture
def app(org, peer, settings) -> Channel:
    """A channel of the org's Slack app."""
    settings.SLACK_API_URL = f"{peer.url}/api"
    ServiceApp.objects.create(org=org, service="slack", workspace="Acme", sealed_token=seal(b"xoxb-secret", purpose="service app"))
    return Channel.objects.create(org=org, service="slack", name="#general", external_id="C01")


def test_a_channel_of_the_app_is_written_to_with_its_token(app, peer):
    peer.usual = said(ok=True)
    assert ordered(app).status == Status.DELIVERED
    (sent,) = peer.sent
    assert (sent.path, sent.headers["authorization"], sent.json["channel"]) == ("/api/chat.postMessage", "Bearer xoxb-secret", "C01")


@pytest.mark.parametrize(
    ("error", "status"), [("channel_not_found", Status.FAILED), ("token_revoked", Status.FAILED), ("ratelimited", Status.WAITING)]
)
def test_what_slack_refuses_with_200_is_no_success(app, peer, error, status):
    peer.usual = said(ok=False, error=error)
    delivery = ordered(app)
    assert (delivery.status, delivery.answer) == (status, f"Slack refused: {error}")


def test_without_the_app_its_channels_are_not_set_up(app, peer, told):
    ServiceApp.objects.all().delete()
    assert ordered(app).status == Status.NOT_SET_UP
    assert (peer.sent, told()[0][0]) == ([], "“Acme: All metrics stopped.” could not be sent to Slack #general")


def texted(org: Org, title: str = "Acme: All metrics stopped.") -> Delivery:
    with TestCase.captureOnCommitCallbacks(execute=True):
        delivery = outbox.to_phone(org, "+4930123456", title=title, url="https://x.example/a")
    delivery.refresh_from_db()
    return delivery


def test_an_sms_goes_to_the_gateway_as_a_form(org, peer, settings):
    settings.SMS_URL, settings.SMS_USER, settings.SMS_PASSWORD, settings.SMS_FROM = f"{peer.url}/Messages.json", "AC1", "secret", "+49111"
    peer.usual = said(201, sid="SM1")
    assert texted(org).status == Status.DELIVERED
    (sent,) = peer.sent
    assert sent.form == {"To": "+4930123456", "From": "+49111", "Body": "Acme: All metrics stopped. https://x.example/a"}
    assert (sent.path, sent.headers["authorization"]) == ("/Messages.json", "Basic QUMxOnNlY3JldA==")


def test_an_sms_goes_to_the_gateway_as_json(org, peer, settings):
    settings.SMS_URL, settings.SMS_FORMAT, settings.SMS_PASSWORD = peer.url, "json", "secret"
    assert texted(org, "x" * 400).status == Status.DELIVERED
    (sent,) = peer.sent
    assert sent.json == {"to": "+4930123456", "from": "Plumbline", "text": "x" * 300 + " https://x.example/a"}
    assert sent.headers["authorization"] == "Bearer secret"


def test_without_a_gateway_an_sms_is_cleanly_not_set_up(org, settings, told):
    settings.SMS_URL = ""
    delivery = texted(org)
    assert (delivery.status, delivery.tries) == (Status.NOT_SET_UP, 1)
    assert told() == [
        (
            "“Acme: All metrics stopped.” could not be sent to SMS +4930123456",
            "No SMS gateway is set up on this installation. (1 try)",
        )
    ]


@pytest.mark.django_db(transaction=True)
def test_a_try_holds_no_lock_and_is_one_workers_alone(slack, peer, in_thread):
    """While the peer takes its time, another worker finds nothing to do, and everybody can read and write."""
    delivery = Delivery.objects.create(org_id=slack.org_id, method="slack", to="#ops", channel=slack, title="x")
    let_go = threading.Event()
    peer.usual = Answer(once=let_go)
    slow = in_thread(lambda: outbox.send(delivery.pk))
    wait_until(lambda: peer.sent, what="the first worker's request")
    with connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = '10s'")
        assert outbox.send(delivery.pk) is None
        Delivery.objects.filter(pk=delivery.pk).update(text="written meanwhile")
        cursor.execute("RESET lock_timeout")
    let_go.set()
    slow.join(240)
    delivery.refresh_from_db()
    assert (delivery.status, delivery.text, len(peer.sent)) == (Status.DELIVERED, "written meanwhile", 1)


def test_what_a_worker_died_over_is_found_again(slack, peer):
    delivery = outbox.to_channel(slack, title="x", text="")
    assert outbox._claim(delivery.pk) is not None
    now = timezone.now()
    assert outbox.due(now=now) == []
    assert outbox.due(now=now + timedelta(seconds=outbox.LEASE_S + 1)) == [(delivery.org_id, delivery.pk)]
    Delivery.objects.update(next_try=now)
    deliver_due()
    delivery.refresh_from_db()
    assert (delivery.status, delivery.tries, len(peer.sent)) == (Status.DELIVERED, 2, 1)


def test_what_cuts_off_every_try_is_given_up_and_told(slack, peer, told):
    delivery = outbox.to_channel(slack, title="x", text="")
    for _ in range(outbox.MOST_TRIES):
        assert outbox._claim(delivery.pk) is not None
        Delivery.objects.update(next_try=timezone.now())
    deliver_due()
    delivery.refresh_from_db()
    assert (delivery.status, delivery.tries, len(peer.sent)) == (Status.FAILED, outbox.MOST_TRIES, 0)
    assert told() == [("“x” did not reach Slack #ops", "The last try was cut off: nobody knows whether it arrived. (6 tries)")]
    assert outbox.due(now=timezone.now() + timedelta(days=1)) == []


def test_of_two_workers_the_one_with_the_newest_try_has_the_say(slack, told):
    delivery = outbox.to_channel(slack, title="x", text="")
    slow, _ = outbox._claim(delivery.pk)
    Delivery.objects.update(next_try=timezone.now())
    quick, _ = outbox._claim(delivery.pk)
    now = timezone.now()
    assert outbox._note(quick, outbox.Verdict(ok=True, answer="200"), now=now) == Status.DELIVERED
    outbox._note(slow, outbox.Verdict(ok=False, answer="500"), now=now)
    delivery.refresh_from_db()
    assert (delivery.status, delivery.tries, len(told())) == (Status.DELIVERED, 2, 1)


def test_without_a_broker_it_waits_for_the_next_round(slack, peer):
    with broker.away():
        delivery = ordered(slack)
    assert (delivery.status, delivery.tries) == (Status.WAITING, 0)
    assert deliver_due() == 1
    assert Delivery.objects.get().status == Status.DELIVERED


def test_what_ended_is_sent_again_as_a_new_one(slack, peer, admin):
    peer.answers = [Answer(404)]
    failed = ordered(slack)
    with TestCase.captureOnCommitCallbacks(execute=True):
        outbox.again(failed, actor_id=admin.pk)
    assert list(Delivery.objects.order_by("pk").values_list("status", flat=True)) == [Status.FAILED, Status.DELIVERED]
    assert [one.json["text"] for one in peer.sent] == [peer.sent[0].json["text"]] * 2


def test_nothing_that_is_kept_holds_the_address_or_the_token(slack, app, peer):
    ordered(slack)
    kept = ""
    with connection.cursor() as cursor:
        for model in (Channel, ServiceApp, Delivery, Event):
            cursor.execute(f"SELECT coalesce(string_agg(t::text, ' '), '') FROM {model._meta.db_table} t")
            kept += cursor.fetchone()[0]
    assert "#ops" in kept
    for secret in ("xoxb-secret", "/services/T0/B0/secret"):
        assert secret not in kept
        assert secret.encode().hex() not in kept  # as PostgreSQL writes bytes
