"""The operators' admin: who gets in, what it shows and hides, and what its actions do."""

import re
from datetime import timedelta

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.core import mail
from django.db import IntegrityError, connection, transaction
from django.test import Client, TestCase
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts import second_factors
from accounts.models import Authenticator, Letter, Passkey, PersonalToken, Session, TeamMember, User
from accounts.tokens import create_personal_token
from anomalies.models import Anomaly, Change, Integration
from anomalies.services import change_anomaly
from datastores.models import Operation, TeamAccess
from metrics.models import DetectionOrder
from orgs import keys
from orgs.admin import EndlessAdmin
from orgs.errors import Conflict
from orgs.models import Event, IngestKey, Org, OrgToken
from orgs.services import create_org_token, rotate
from tests import factories
from tests.pages.conftest import spike

OURS = ("orgs", "accounts", "billing", "datastores", "metrics", "anomalies")
MODELS = [model for app in OURS for model in apps.get_app_config(app).get_models()]
SECRETS = (OrgToken, IngestKey, PersonalToken)


@pytest.fixture
def operator(org) -> User:
    return factories.make_user(org, "Olga Operator", is_staff=True, is_superuser=True, role="admin")


@pytest.fixture
def desk(as_, operator) -> Client:
    return as_(operator)


def list_of(model) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")


def run(desk, model, action: str, *rows):
    return desk.post(list_of(model), {"action": action, "_selected_action": [row.pk for row in rows]}, follow=True)


def test_moments_are_written_without_am_and_pm(desk, org):
    at = timezone.now().replace(month=11, day=3, hour=14, minute=5)
    Event.objects.create(org=org, type=Event.Type.ALERT, name="All stopped", timestamp=at)
    page = desk.get(list_of(Event)).content.decode()
    assert f"3 Nov {at.year}, 14:05" in page
    assert "p.m." not in page


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_model_has_a_list_that_opens(desk, model):
    assert model in admin.site._registry
    assert desk.get(list_of(model), {"q": "1"}).status_code == 200


def test_a_visitor_goes_through_the_one_login(db):
    client = Client()
    assert client.get("/admin/")["Location"] == "/admin/login/?next=/admin/"
    assert client.get("/admin/login/?next=/admin/")["Location"] == "/app/login?next=/admin/"


def test_who_is_no_operator_is_refused(as_, admin):
    answer = as_(admin).get("/admin/", follow=True)
    assert (answer.status_code, b"That is not yours to do" in answer.content) == (403, True)


@pytest.mark.parametrize("model", [Anomaly, Change, Operation, TeamMember, TeamAccess], ids=lambda model: model.__name__)
def test_what_the_product_writes_is_only_read(desk, viewer, model, anomaly, operator):
    change_anomaly(anomaly, user=operator, status="Acknowledged")
    Operation.objects.create(org=anomaly.org, datastore=anomaly.datastore, kind="import")
    row = model.objects.order_by("pk").first()
    change = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_change", args=(row.pk,))
    assert desk.get(change).status_code == 200
    assert desk.post(change, {}).status_code == 403
    assert desk.get(list_of(model) + "add/").status_code == 403
    assert desk.post(change.removesuffix("change/") + "delete/", {"post": "yes"}).status_code == 403


@pytest.mark.parametrize("model", SECRETS, ids=lambda model: model.__name__)
def test_a_secret_is_shown_by_its_prefix_alone(desk, org, datastore, operator, model):
    secret = {
        OrgToken: lambda: factories.make_org_token(org),
        IngestKey: lambda: factories.make_ingest_key(datastore)[1],
        PersonalToken: lambda: create_personal_token(operator, name="laptop")[1],
    }[model]()
    row = model.objects.get()
    change = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_change", args=(row.pk,))
    for page in (desk.get(list_of(model)), desk.get(change)):
        text = page.content.decode()
        assert (keys.prefix_of(secret) in text, secret in text, row.digest.hex() in text, "digest" in text) == (True, False, False, False)


def shown(answer) -> str:
    return re.search(r'<code id="secret-\d+">([^<]+)</code>', answer.content.decode())[1]


@pytest.mark.parametrize("rule", ["last", "sum"])
def test_rotating_shows_the_successor_once_and_leaves_time_to_change_over(desk, datastore, rule):
    old, _ = factories.make_ingest_key(datastore, rule=rule)
    answer = run(desk, IngestKey, "rotate_secrets", old)
    new = IngestKey.objects.exclude(pk=old.pk).get()
    old.refresh_from_db()
    assert answer.status_code == 200
    assert "no-store" in answer["Cache-Control"]
    assert bytes(new.digest) == keys.digest_of(shown(answer))
    assert (new.name, new.org, new.datastore, new.rule, new.expires, new.revoked) == (old.name, old.org, datastore, rule, None, None)
    assert timedelta(hours=23) < old.expires - timezone.now() <= timedelta(hours=24)
    assert old.is_live(timezone.now())
    assert shown(answer).encode() not in desk.get(list_of(IngestKey)).content


def test_rotating_never_lengthens_a_life(desk, org):
    factories.make_org_token(org)
    soon = timezone.now() + timedelta(hours=1)
    old = OrgToken.objects.get()
    old.expires = soon
    old.save()
    run(desk, OrgToken, "rotate_secrets", old)
    old.refresh_from_db()
    assert old.expires == soon


@pytest.mark.parametrize("ended", [{"revoked": timedelta()}, {"expires": -timedelta(seconds=1)}])
def test_what_has_ended_is_not_revived(desk, org, ended):
    factories.make_org_token(org)
    known = OrgToken.objects.get()
    OrgToken.objects.update(**{field: timezone.now() + ago for field, ago in ended.items()})
    with pytest.raises(Conflict):
        rotate(known)
    answer = run(desk, OrgToken, "rotate_secrets", known)
    assert (b"Nothing was rotated" in answer.content, OrgToken.objects.count()) == (True, 1)


def test_a_successor_ends_when_the_old_one_would_have(org):
    then = timezone.now() + timedelta(days=30)
    new, _ = rotate(create_org_token(org, name="robot", expires=then)[0])
    assert new.expires == then
    assert rotate(create_org_token(org, name="robot")[0])[0].expires is None


def test_a_personal_token_without_an_end_is_followed_by_one_that_lives_a_year(operator):
    new, _ = rotate(create_personal_token(operator, name="laptop", expires_in_days=None)[0])
    assert abs(new.expires - timezone.now() - timedelta(days=365)) < timedelta(hours=1)


def test_nobody_is_acted_for_by_a_token_made_here(desk, viewer):
    old, _ = create_personal_token(viewer, name="laptop", scopes=["read"])
    assert desk.get(list_of(PersonalToken) + "add/").status_code == 403
    assert desk.post(list_of(PersonalToken) + "add/", {"user": viewer.pk, "name": "new", "scopes": "read"}).status_code == 403
    answer = run(desk, PersonalToken, "rotate_secrets", old)
    assert (b'<code id="secret-' in answer.content, PersonalToken.objects.count()) == (False, 1)
    run(desk, PersonalToken, "revoke_secrets", old)
    old.refresh_from_db()
    assert not old.is_live(timezone.now())


def feed() -> list[tuple[str, int | None]]:
    return list(Event.objects.filter(type=Event.Type.TOKEN).order_by("pk").values_list("name", "user_id"))


def test_the_feed_hears_what_is_done_to_a_secret(desk, operator, org):
    desk.post(list_of(OrgToken) + "add/", {"org": org.pk, "name": "robot"})
    token = OrgToken.objects.get()
    page = reverse("admin:orgs_orgtoken_change", args=(token.pk,))
    for _ in range(2):
        assert desk.post(page, {"name": "robot", "sources": "10.1.0.0/16"}).status_code == 302
    run(desk, OrgToken, "rotate_secrets", token)
    run(desk, OrgToken, "revoke_secrets", token)
    said = ["Org token robot made", "Org token robot changed: networks", "Successor of robot made", "Org token robot revoked"]
    assert feed() == [(name, operator.pk) for name in said]


def test_a_secret_is_bound_to_networks_only(desk, org):
    answer = desk.post(list_of(OrgToken) + "add/", {"org": org.pk, "name": "robot", "sources": "10.1.0.0/16,the office"})
    assert (b"is no network, such as 10.0.0.0/8" in answer.content, OrgToken.objects.count()) == (True, 0)


def test_a_personal_token_is_followed_by_one_of_its_kind(operator):
    old, _ = create_personal_token(operator, name="laptop", scopes=["read"])
    new, secret = rotate(old)
    assert secret.startswith("plb_")
    assert (new.user, new.scopes, bytes(new.digest)) == (operator, ["read"], keys.digest_of(secret))


def test_what_is_revoked_has_no_successor(desk, datastore):
    key, _ = factories.make_ingest_key(datastore)
    run(desk, IngestKey, "revoke_secrets", key)
    key.refresh_from_db()
    assert not key.is_live(timezone.now())
    answer = run(desk, IngestKey, "rotate_secrets", key)
    assert (b"Nothing was rotated" in answer.content, IngestKey.objects.count()) == (True, 1)


def test_a_new_key_is_shown_once(desk, datastore):
    answer = desk.post(list_of(IngestKey) + "add/", {"datastore": datastore.pk, "name": "agents", "rule": "sum"})
    key = IngestKey.objects.get()
    assert (key.org_id, key.rule, bytes(key.digest)) == (datastore.org_id, "sum", keys.digest_of(shown(answer)))


def test_no_page_of_a_person_shows_the_hash_of_the_password(desk, viewer):
    text = desk.get(reverse("admin:accounts_user_change", args=(viewer.pk,))).content.decode()
    assert ("argon2" in text, viewer.password in text) == (False, False)


def test_a_person_is_made_and_can_log_in(desk, org):
    password = "a plumb line hangs true"
    person = {"org": org.pk, "email": "New@Example.com", "name": "Nora New", "role": "member"}
    Org.objects.update(validates_clients=False)
    desk.post(list_of(User) + "add/", person | {"password1": password, "password2": password, "usable_password": "true"})
    assert Client().post("/app/login", {"username": "new@example.com", "password": password})["Location"] == "/app/"


def test_no_address_with_capitals_is_stored(viewer):
    with pytest.raises(IntegrityError, match="email_is_lower"), transaction.atomic():
        User.objects.filter(pk=viewer.pk).update(email="Vic@Example.com")


def test_a_team_takes_nobody_of_another_org(desk, org, outsider, viewer):
    team = org.teams.get(is_public=True)
    change = reverse("admin:accounts_team_change", args=(team.pk,))
    rows = {"teammember_set-TOTAL_FORMS": 1, "teammember_set-INITIAL_FORMS": 0, "teammember_set-0-id": "", "teammember_set-0-team": team.pk}
    answer = desk.post(change, {"org": org.pk, "name": "Public", **rows, "teammember_set-0-user": outsider.pk})
    assert b"That belongs to another org." in answer.content
    desk.post(change, {"org": org.pk, "name": "Public", **rows, "teammember_set-0-user": viewer.pk})
    assert list(TeamMember.objects.filter(team=team).values_list("user", "org")) == [(viewer.pk, org.pk)]
    assert f"{viewer.pk} in {team.pk}" not in desk.get(change).content.decode()  # people have names


def test_closing_goes_through_the_service(desk, operator, metric):
    first, second = spike(metric), spike(metric, ago=timedelta(hours=2))
    answer = run(desk, Anomaly, "close", first, second)
    assert b"2 changed." in answer.content
    assert set(Anomaly.objects.values_list("status", flat=True)) == {"Resolved"}
    assert list(Change.objects.values_list("user", "changeset")) == [(operator.pk, {"status": ["Active", "Resolved"]})] * 2


def test_acknowledging_goes_through_the_service(desk, anomaly):
    run(desk, Anomaly, "acknowledge", anomaly)
    anomaly.refresh_from_db()
    assert (anomaly.status, Change.objects.count()) == ("Acknowledged", 1)


@pytest.mark.parametrize(("action", "op"), [("replay", "rebuild"), ("relearn", "relearn")])
def test_a_series_is_replayed_by_its_detector(desk, metric, action, op):
    DetectionOrder.objects.all().delete()
    run(desk, type(metric), action, metric)
    assert list(DetectionOrder.objects.values_list("metric_id", "op")) == [(metric.pk, op)]


def test_only_the_sensitivity_of_a_series_can_be_set(desk, metric):
    desk.post(reverse("admin:metrics_metric_change", args=(metric.pk,)), {"sensitivity": "high", "name": "renamed", "state": "learning"})
    metric.refresh_from_db()
    assert (metric.sensitivity, metric.name, metric.state) == ("high", "checkout.latency", "active")


@pytest.mark.parametrize("name", ["anomalies_anomaly", "metrics_metric", "accounts_user", "orgs_ingestkey", "anomalies_change"])
def test_queries_do_not_grow_with_the_rows(desk, operator, metric, queries_of, name):
    def add(number: int) -> None:
        one = spike(factories.make_metric(metric.datastore, f"series {number}"), ago=timedelta(hours=number))
        change_anomaly(one, user=operator, status="Acknowledged")
        factories.make_user(metric.org, f"User {number}")
        factories.make_ingest_key(metric.datastore)

    add(0)
    address = reverse(f"admin:{name}_changelist")
    few = queries_of(lambda: desk.get(address))
    for number in range(1, 40):
        add(number)
    assert queries_of(lambda: desk.get(address)) == few


def test_whose_a_thing_is_cannot_change(desk, org, other_org, viewer, datastore):
    jira = Integration.objects.create(org=org, name="Jira", type="jira", url="https://jira.example.com")
    team = org.teams.get(is_public=True)
    for thing, said in (
        (jira, {"name": "Jira", "type": "jira", "url": jira.url}),
        (datastore, {"name": datastore.name, "type": datastore.type}),
        (team, {"name": team.name}),
        (viewer, {"email": viewer.email, "name": "Vic", "role": "member", "theme": "system", "is_active": "on"}),
    ):
        change = reverse(f"admin:{thing._meta.app_label}_{thing._meta.model_name}_change", args=(thing.pk,))
        rows = {f"{prefix}-{name}_FORMS": 0 for prefix in ("access", "teammember_set") for name in ("TOTAL", "INITIAL")}
        assert desk.post(change, {"org": other_org.pk, **said, **rows}).status_code == 302, thing
        assert type(thing).objects.get(pk=thing.pk).org_id == org.pk
    assert User.objects.get(pk=viewer.pk).name == "Vic"


def test_a_tag_that_counts_anew_or_goes_weighs_its_anomalies_anew(desk, anomaly):
    tag = factories.put_tag(anomaly, "High", weight_modifier=2)
    Anomaly.objects.update(weight=5, weight_breakdown={"score": 3, "tags": 2})
    change = reverse("admin:anomalies_tag_change", args=(tag.pk,))
    desk.post(change, {"name": "High", "color": "#d9480f", "weight_modifier": 7})
    assert Anomaly.objects.get().weight == 10
    desk.post(list_of(type(tag)), {"action": "delete_selected", "_selected_action": [tag.pk], "post": "yes"})
    assert (Anomaly.objects.get().weight, type(tag).objects.count(), Change.objects.count()) == (3, 0, 2)


def test_what_a_flow_is_about_stays(desk, anomaly):
    tag = factories.put_tag(anomaly, "Noise")
    factories.make_flow(anomaly.datastore, name="Sweep").tags.add(tag)
    answers = [
        desk.post(list_of(type(tag)), {"action": "delete_selected", "_selected_action": [tag.pk], "post": "yes"}),
        desk.post(reverse("admin:anomalies_tag_delete", args=(tag.pk,)), {"post": "yes"}),
    ]
    assert ["Flow: Sweep" in answer.content.decode() for answer in answers] == [True, True]
    assert type(tag).objects.count() == 1
    assert desk.post(reverse("admin:datastores_datastore_delete", args=(anomaly.datastore.pk,)), {"post": "yes"}).status_code == 403


@pytest.mark.parametrize("change", [{"role": "member"}, {"is_active": ""}, {"is_demo": "on"}])
def test_the_last_admin_of_an_org_stays_one(desk, other_org, outsider, change):
    page = reverse("admin:accounts_user_change", args=(outsider.pk,))
    rows = {"teammember_set-TOTAL_FORMS": 0, "teammember_set-INITIAL_FORMS": 0}
    said = {"org": other_org.pk, "email": outsider.email, "name": "Ada", "role": "admin", "theme": "system", "is_active": "on"}
    answer = desk.post(page, said | rows | change)
    assert b"This is the last admin of the org." in answer.content
    outsider.refresh_from_db()
    assert (outsider.role, outsider.is_active, outsider.is_demo) == ("admin", True, False)
    second = factories.make_user(other_org, role="admin")
    assert desk.post(page, said | rows | change).status_code == 302
    assert list(User.objects.for_org(other_org).deciding_admins()) == [second]


def test_the_last_admin_is_not_erased_and_others_are(desk, other_org, outsider):
    page = reverse("admin:accounts_user_delete", args=(outsider.pk,))
    answer = desk.post(page, {"post": "yes"}, follow=True)
    assert b"This is the last admin of the org." in answer.content
    factories.make_user(other_org, role="admin")
    desk.post(page, {"post": "yes"})
    assert not User.objects.filter(pk=outsider.pk).exists()


def test_people_are_not_erased_in_bulk(desk, viewer):
    run(desk, User, "delete_selected", viewer)
    assert User.objects.filter(pk=viewer.pk).exists()


def test_a_password_set_by_an_operator_ends_sessions_and_is_told(desk, viewer, as_):
    new, browser = "plumb lines hang straight", as_(viewer)
    page = reverse("admin:auth_user_password_change", args=(viewer.pk,))
    with TestCase.captureOnCommitCallbacks(execute=True):
        assert desk.post(page, {"password1": new, "password2": new, "usable_password": "true"}).status_code == 302
    assert browser.get("/app/").status_code == 302
    assert (mail.outbox[-1].to, mail.outbox[-1].subject) == ([viewer.email], "Your Plumbline password was changed")
    viewer.refresh_from_db()
    assert viewer.check_password(new)


def test_somebody_is_logged_out_everywhere(desk, viewer, as_):
    browser = as_(viewer)
    run(desk, User, "log_out", viewer)
    assert browser.get("/app/").status_code == 302
    assert LogEntry.objects.get().change_message == "Logged out everywhere."


def test_who_has_lost_a_second_factor_gets_codes_by_mail_again(desk, viewer):
    second_factors.begin(viewer)
    Authenticator.objects.update(confirmed=timezone.now())
    Passkey.objects.create(org=viewer.org, user=viewer, name="lost", credential_id=b"1", credential=b"1")
    run(desk, User, "turn_off_second_factors", viewer)
    assert not second_factors.asks_always(viewer)
    assert Letter.objects.filter(kind="security", user=viewer).count() == 2


def test_no_page_of_the_admin_shows_what_is_sealed_or_hashed(desk, viewer):
    second_factors.begin(viewer)
    app = Authenticator.objects.get()
    Client().force_login(viewer)
    session = Session.objects.get(user=viewer)
    for row, secrets in ((app, [bytes(app.sealed_secret).hex()]), (session, [session.session_data])):
        name = f"admin:accounts_{row._meta.model_name}"
        pages = [desk.get(reverse(f"{name}_changelist")), desk.get(reverse(f"{name}_change", args=(row.pk,)))]
        assert [page.status_code for page in pages] == [200, 200]
        assert not any(secret in page.content.decode() for page in pages for secret in secrets)


ENDLESS = [model for model, shown in admin.site._registry.items() if isinstance(shown, EndlessAdmin)]


@pytest.mark.parametrize("model", ENDLESS, ids=lambda model: model._meta.model_name)
def test_a_list_without_an_end_looks_at_a_page_of_it_alone(desk, model):
    """Whatever goes through all rows takes half a minute with a million: a join, a sort by what no index has, a look for what there is."""
    table = f'FROM "{model._meta.db_table}"'
    desk.get(list_of(model))
    with CaptureQueriesContext(connection) as asked:
        assert desk.get(list_of(model)).status_code == 200
    count, rows = (one["sql"] for one in asked.captured_queries if table in one["sql"])
    assert ("COUNT(*)" in count, "LIMIT 10001" in count, " ORDER BY " in count) == (True, True, False)
    assert rows.endswith(f'ORDER BY "{model._meta.db_table}"."{model._meta.pk.column}" DESC')
    assert (" JOIN " in count + rows, "DISTINCT" in count + rows) == (False, False)


def test_anomalies_are_counted_so_far_and_the_page_says_so(desk, metric, monkeypatch):
    for hours in range(4):
        spike(factories.make_metric(metric.datastore, f"series {hours}"), ago=timedelta(hours=hours + 1))
    words = "more than"
    assert words not in desk.get(list_of(Anomaly)).content.decode()
    monkeypatch.setattr("orgs.admin.COUNTED", 3)
    page = " ".join(desk.get(list_of(Anomaly)).content.decode().split())
    assert "more than 3 anomalies" in page
    assert "Search or filter to see those further back." in page
    assert ("Show all" in page, "3 results" in page) == (False, False)
    assert "Show all" in desk.get(list_of(Anomaly), {"q": "nothing like it"}).content.decode()


def found_by(desk, model, text: str, **filters: str) -> list[int]:
    return [row.pk for row in desk.get(list_of(model), {"q": text, **filters}).context["cl"].result_list]


def test_anomalies_are_found_by_id_message_and_series(desk, metric, anomaly):
    other = spike(factories.make_metric(metric.datastore, "queue.depth"), ago=timedelta(hours=9), message=f"Odd, as #{anomaly.pk} was.")
    assert found_by(desk, Anomaly, str(anomaly.pk)) == found_by(desk, Anomaly, str(anomaly.uuid).upper()) == [anomaly.pk]
    assert found_by(desk, Anomaly, "odd, AS") == found_by(desk, Anomaly, "Queue.D") == [other.pk]
    assert found_by(desk, Anomaly, "") == [other.pk, anomaly.pk]
    for text in ("nothing like it", "9" * 30, "%"):
        assert found_by(desk, Anomaly, text) == []


def test_history_is_found_by_anomaly_and_person_and_filtered_by_actor(desk, operator, viewer, metric, anomaly):
    other = spike(factories.make_metric(metric.datastore, "queue.depth"), ago=timedelta(hours=9))
    for one, user in ((anomaly, operator), (other, viewer)):
        change_anomaly(one, user=user, status="Acknowledged")
    first, second = (Change.objects.get(anomaly=one, actor="user").pk for one in (anomaly, other))
    assert found_by(desk, Change, str(other.pk), actor="user") == [second]
    assert found_by(desk, Change, operator.email.upper(), actor="user") == [first]
    assert found_by(desk, Change, "", actor="user") == [second, first]
    assert found_by(desk, Change, "", actor="flow") == []
    assert found_by(desk, Change, "", actor="bogus") == found_by(desk, Change, "")
