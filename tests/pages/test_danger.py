"""The danger zone: everything taken along, the org closed, opened again by an operator, erased a week later."""

import io
import json
import zipfile
from datetime import timedelta

import numpy as np
import pytest
from django.conf import settings
from django.core import mail
from django.db import connection
from django.db.utils import Error
from django.test import Client, TestCase
from django.utils import timezone

from accounts.models import PersonalToken, User
from anomalies.models import Anomaly
from anomalies.services import comment_on, erasing
from anomalies.services.tickets import Ticket, create_integration, link_ticket
from billing.models import Account
from config.api.session import signed_url
from datastores.closing import close_org, open_again
from metrics import points
from metrics.ingest import senders, series
from metrics.models import Metric
from orgs.events import record_event
from orgs.models import Event, IngestKey, Org, OrgToken, PublicKey
from orgs.services import create_public_key
from orgs.tenancy import within
from tests import factories
from tests.orgs.rows import fill, walled_tables

PAGE = "/app/settings/danger"
HTMX = {"HX-Request": "true"}
pytestmark = pytest.mark.django_db


def close(client, name="Acme"):
    with TestCase.captureOnCommitCallbacks(execute=True):
        return client.post(PAGE, {"do": "close", "name": name}, headers=HTMX)


def test_the_name_has_to_be_typed(as_, admin, org):
    for name in ("", "acme", "Acme Ltd"):
        assert 'id="close_name_error"' in close(as_(admin), name).content.decode()
    assert Org.objects.get(pk=org.pk).closed is None


def test_nobody_and_nothing_gets_in_any_more(as_, admin, viewer, datastore, other_org, outsider, client):
    secret = factories.make_ingest_key(datastore)[1]
    token, personal = factories.make_org_token(admin.org), factories.make_personal_token(admin)
    create_public_key(datastore, name="shop", origins=["*"])
    desk = as_(admin)
    assert close(desk)["HX-Redirect"] == "/app/login"
    assert desk.get("/app/")["Location"].startswith("/app/login")
    assert not client.login(username=viewer.email, password=factories.PASSWORD)
    senders.forget(), series.forget()
    assert (
        client.post("/flux/metric_data_post", {"key": secret, "metric": "a", "value": 1}, content_type="application/json").status_code
        == 401
    )
    assert client.get("/org/info", headers={"X-Auth-Token": token}).status_code == 401
    assert client.get("/api/org", headers={"Authorization": f"Bearer {personal}"}).status_code == 401
    assert not any(model.objects.filter(org=admin.org, revoked=None).exists() for model in (IngestKey, OrgToken, PublicKey, PersonalToken))
    assert client.login(username=outsider.email, password=factories.PASSWORD)
    assert Org.objects.get(pk=other_org.pk).closed is None


def test_the_admins_are_told_by_mail(as_, admin, viewer):
    second = factories.make_user(admin.org, "Sue Second", role="admin")
    close(as_(admin))
    assert {tuple(message.to) for message in mail.outbox} == {(admin.email,), (second.email,)}
    assert "Ada Admin has closed Acme" in mail.outbox[0].body
    assert "In 7 days everything" in mail.outbox[0].body


def test_a_subscription_that_is_paid_keeps_it_open(as_, admin, org):
    Account.objects.update_or_create(org=org, defaults={"status": "active", "subscription_id": "sub_1"})
    assert b"A subscription is being paid" in close(as_(admin)).content
    assert Org.objects.get(pk=org.pk).closed is None


@pytest.mark.parametrize("who", ["viewer", "manager", "demo"])
def test_others_neither_close_nor_take_along(as_, cast, org, who):
    person = factories.make_user(org, "Dan", is_demo=True) if who == "demo" else cast[who]
    assert as_(person).get(PAGE).status_code == (200 if who == "demo" else 403)
    assert as_(person).post(PAGE, {"do": "close", "name": "Acme"}).status_code == 403
    assert as_(person).get(f"{PAGE}/export").status_code == 403
    assert Org.objects.get(pk=org.pk).closed is None


def test_an_operator_opens_it_again(as_, admin, viewer, other_org):
    close(as_(admin))
    operator = factories.make_user(other_org, "Olga", is_staff=True, is_superuser=True)
    page = "/admin/datastores/closedorg/"
    desk = as_(operator)
    assert b"Acme" in desk.get(page).content
    said = {"action": "open_orgs", "_selected_action": [admin.org_id]}
    assert b"Acme is open again: 1 admins can log in." in desk.post(page, said, follow=True).content
    assert list(User.objects.filter(org=admin.org, is_active=True)) == [admin]
    assert Org.objects.get(pk=admin.org_id).closed is None


def test_who_had_been_let_go_before_it_closed_stays_out(as_, admin, other_org):
    dismissed = factories.make_user(admin.org, "Don Dismissed", role="admin", is_active=False)
    close(as_(admin))
    with within(admin.org_id):
        assert open_again(Org.objects.get(pk=admin.org_id)) == 1
    assert [User.objects.get(pk=one.pk).is_active for one in (admin, dismissed)] == [True, False]


def test_no_signed_address_opens_a_picture_of_a_closed_org(as_, admin, org, client):
    address = signed_url("/org/graph", org, {"format": "svg"}, now_s=int(timezone.now().timestamp())).removeprefix(settings.BASE_URL)
    assert client.get(address).status_code == 200
    close(as_(admin))
    assert client.get(address).status_code == 401


@pytest.fixture
def measured(datastore, admin):
    """An org with a series, points of today and of last month, and an anomaly."""
    metric = factories.make_metric(datastore, 'cpu{host="a"}', labels={"host": "a"}, last_at=timezone.now())
    now_ms = int(timezone.now().timestamp() * 1000) // 1000 * 1000
    times = np.array([now_ms - 30 * 86_400_000, now_ms - 60_000, now_ms - 1000], np.int64)
    points.append(metric.org_id, np.full(3, metric.pk), times, np.array([1.5, 2.5, 3.5]))
    anomaly = factories.make_anomaly(metric, message="9.5 where 0.5 to 1.5 were expected.")
    comment_on(anomaly, user=admin, message="The nightly backup.")
    jira = create_integration(metric.org_id, name="Jira", type="jira", url="https://jira.example.com")
    link_ticket(anomaly, Ticket("7", "OPS-7", "New"), integration_id=jira.pk, user=admin)
    record_event(metric.org_id, type="deploy", name="checkout 2")
    return metric, times


def test_everything_can_be_taken_along(as_, admin, viewer, measured, other_datastore):
    metric, times = measured
    factories.make_metric(other_datastore, "theirs")
    answer = as_(admin).get(f"{PAGE}/export")
    assert (answer["Content-Type"], answer["Content-Disposition"].startswith('attachment; filename="acme-')) == ("application/zip", True)
    archive = zipfile.ZipFile(io.BytesIO(b"".join(answer.streaming_content)))
    assert archive.testzip() is None
    files = {name: archive.read(name).decode() for name in archive.namelist()}
    assert list(files) == [
        "README.txt", "org.json", "metrics.csv", "points.ndjson", "anomalies.ndjson", "history.ndjson", "comments.ndjson", "tickets.ndjson",
        "events.ndjson",
    ]  # fmt: skip
    assert all(name in files["README.txt"] for name in list(files)[1:])
    history = [json.loads(line) for line in files["history.ndjson"].splitlines()]
    assert [(one["user_email"], list(one["changeset"])) for one in history] == [(admin.email, ["comment"]), (admin.email, ["ticket_links"])]
    comment, ticket = json.loads(files["comments.ndjson"]), json.loads(files["tickets.ndjson"])
    assert (comment["message"], ticket["ticket_number"], ticket["integration_name"]) == ("The nightly backup.", "OPS-7", "Jira")
    assert comment["anomaly_id"] == ticket["anomaly_id"] == history[0]["anomaly_id"] == json.loads(files["anomalies.ndjson"])["id"]
    assert [(one["metric"], one["timestamp"], one["value"]) for one in map(json.loads, files["points.ndjson"].splitlines())] == [
        (metric.name, at / 1000, value) for at, value in zip(times.tolist(), (1.5, 2.5, 3.5), strict=True)
    ]
    assert [json.loads(line)["message"] for line in files["anomalies.ndjson"].splitlines()] == ["9.5 where 0.5 to 1.5 were expected."]
    assert {person["email"] for person in json.loads(files["org.json"])["people"]} == {admin.email, viewer.email}
    assert json.loads(files["events.ndjson"])["name"] == "checkout 2"
    assert "theirs" not in str(files)
    assert admin.password not in str(files)


def test_what_is_taken_along_runs_nothing_in_a_spreadsheet(as_, admin, datastore):
    factories.make_metric(datastore, "=HYPERLINK(1)")
    archive = zipfile.ZipFile(io.BytesIO(b"".join(as_(admin).get(f"{PAGE}/export").streaming_content)))
    assert ",'=HYPERLINK(1)," in archive.read("metrics.csv").decode()


def test_what_was_taken_along_can_be_imported(as_, admin, measured, other_datastore):
    answer = as_(admin).get(f"{PAGE}/export")
    lines = zipfile.ZipFile(io.BytesIO(b"".join(answer.streaming_content))).read("points.ndjson")
    key = factories.make_ingest_key(other_datastore)[1]
    headers = {"Authorization": f"Bearer {key}"}
    with TestCase.captureOnCommitCallbacks(execute=True):
        taken = Client().post("/api/metrics/import", lines, content_type="application/x-ndjson", headers=headers)
    assert taken.status_code == 202
    found = Metric.objects.get(datastore=other_datastore)
    read = points.read(other_datastore.org_id, [found.pk], 0, 2**42)[found.pk]
    assert (found.name, read.values.tolist()) == (measured[0].name, [1.5, 2.5, 3.5])


def test_it_is_erased_a_week_later_with_everything_and_nothing_else(admin, measured, other_datastore, org):
    theirs = factories.make_metric(other_datastore, "theirs")
    factories.make_anomaly(theirs)
    now = timezone.now()
    close_org(org, name="Acme", actor=admin, now=now - timedelta(days=6))
    assert erasing.due(now=now) == []
    Org.objects.filter(pk=org.pk).update(closed=now - timedelta(days=8))
    assert erasing.due(now=now) == [org.pk]
    erasing.erase(org.pk)
    assert not Org.objects.filter(pk=org.pk).exists()
    assert list(Metric.objects.all()) == [theirs]
    assert Anomaly.objects.get().metric == theirs
    assert points.read(org.pk, [measured[0].pk], 0, 2**42)[measured[0].pk].values.size == 0
    assert erasing.due(now=now) == []


def test_no_table_keeps_a_row_of_an_erased_org(org, other_org):
    """A row of two orgs in every table that there is."""
    fill((org.pk, other_org.pk))
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = origin")
        cursor.execute("UPDATE orgs_org SET closed = now() - interval '8 days' WHERE id = %s", [org.pk])
        cursor.execute("SELECT plumbline_erase_org(%s)", [org.pk])
        kept = {}
        for table in walled_tables():
            if "org_id" in table.columns:
                counts = "count(*) FILTER (WHERE org_id = %s), count(*) FILTER (WHERE org_id = %s)"
                cursor.execute(f"SELECT {counts} FROM {table.name}", [org.pk, other_org.pk])
                mine, theirs = cursor.fetchone()
                if mine or not theirs:
                    kept[table.name] = (mine, theirs)
    assert kept == {}


@pytest.mark.parametrize("closed", [None, timedelta(days=6)])
def test_the_database_erases_no_org_that_is_not_due(org, closed):
    Org.objects.filter(pk=org.pk).update(closed=closed and timezone.now() - closed)
    with pytest.raises(Error, match="Only an org that was closed"), connection.cursor() as cursor:
        cursor.execute("SELECT plumbline_erase_org(%s)", [org.pk])


def test_the_feed_says_who_closed_it(as_, admin, org):
    close(as_(admin))
    assert Event.objects.get(org=org, name="The organisation was closed").user_id == admin.pk
