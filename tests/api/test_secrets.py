"""Personal tokens, org tokens and ingest keys: shown once, bound, ended at once."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from accounts import tokens
from accounts.models import PersonalToken
from metrics.ingest import senders
from orgs.models import Event, IdempotentAnswer, IngestKey, OrgToken
from tests import factories
from tests.api.conftest import client_with

pytestmark = pytest.mark.django_db
FIELDS = {"id", "name", "prefix", "status", "sources", "created", "expires", "revoked", "last_used", "scopes", "user"}


def made(client, **sent) -> dict:
    answer = client.post("/api/user-tokens", {"name": "mine", **sent})
    assert answer.status_code == 201, answer.content
    return answer.json()


def dump() -> bytes:
    """Everything that the tables of this test hold, as text."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        tables = [name for (name,) in cursor.fetchall()]
        rows = []
        for table in tables:
            cursor.execute(f"SELECT convert_to(string_agg(t::text, E'\\n'), 'UTF8') FROM \"{table}\" t")
            rows.append(bytes(cursor.fetchone()[0] or b""))
    return b"\n".join(rows)


def test_a_token_is_made_with_its_secret_once(as_, viewer):
    answer = as_(viewer).post("/api/user-tokens", {"name": "laptop", "scopes": ["read"], "expires_in_days": 90, "sources": ["127.0.0.0/8"]})
    token = answer.json()
    assert (answer.status_code, answer["Location"], set(token)) == (201, f"/api/user-tokens/{token['id']}", FIELDS | {"token"})
    assert token["token"].startswith(f"{token['prefix']}_")
    assert token["token"].count("_") == 2
    assert (token["scopes"], token["sources"], token["status"], token["last_used"]) == (["read"], ["127.0.0.0/8"], "active", None)
    assert token["user"] == {"id": viewer.pk, "name": "Vic Viewer", "is_service": False}
    stored = PersonalToken.objects.get(pk=token["id"])
    assert abs(stored.expires - timezone.now() - timedelta(days=90)) < timedelta(hours=1)
    assert set(as_(viewer).get(answer["Location"]).json()) == FIELDS
    assert client_with(token["token"]).get("/api/users/me").json()["id"] == viewer.pk


def test_without_words_it_reads_and_writes_for_a_year_and_null_lives_on(as_, viewer):
    client = as_(viewer)
    plain, forever = made(client), made(client, expires_in_days=None)
    assert (plain["scopes"], forever["expires"]) == (["read", "write"], None)
    assert abs(PersonalToken.objects.get(pk=plain["id"]).expires - timezone.now() - timedelta(days=365)) < timedelta(hours=1)


@pytest.mark.parametrize(
    ("body", "loc", "code"),
    [
        ({}, ["body", "name"], "required"),
        ({"name": "x", "scopes": ["root"]}, ["body", "scopes", 0], "invalid_choice"),
        ({"name": "x", "scopes": []}, ["body", "scopes"], "min_length"),
        ({"name": "x", "expires_in_days": 366}, ["body", "expires_in_days"], "max_value"),
        ({"name": "x", "expires_in_days": 0}, ["body", "expires_in_days"], "min_value"),
        ({"name": "x", "sources": ["10.0.0.1/8"]}, ["body", "sources", 0], "invalid_network"),
        ({"name": "x", "sources": ["home"]}, ["body", "sources", 0], "invalid_network"),
        ({"name": "x", "user": 1}, ["body", "user"], "unknown_field"),
    ],
)
def test_what_does_not_do_is_named_and_nothing_is_made(as_, viewer, body, loc, code):
    client = as_(viewer)
    before = PersonalToken.objects.count()
    answer = client.post("/api/user-tokens", body)
    assert (answer.status_code, answer.json()["errors"][0]["loc"], answer.json()["errors"][0]["code"]) == (422, loc, code)
    assert PersonalToken.objects.count() == before


def test_people_see_their_own_tokens_and_an_admin_sees_all(as_, admin, viewer, outsider):
    theirs, mine = made(as_(admin)), made(as_(viewer))
    made(as_(outsider))
    assert {item["user"]["id"] for item in as_(viewer).get("/api/user-tokens").json()["items"]} == {viewer.pk}
    assert as_(viewer).get(f"/api/user-tokens/{theirs['id']}").status_code == 404
    seen = as_(admin).get("/api/user-tokens").json()["items"]
    assert {item["user"]["id"] for item in seen} == {admin.pk, viewer.pk}
    assert as_(admin).get(f"/api/user-tokens?user={viewer.pk}&search=mine&sort_created=asc").json()["items"][-1]["id"] == mine["id"]


def test_the_list_knows_what_is_active_revoked_and_expired(as_, viewer):
    client = as_(viewer)
    revoked, expired = made(client, name="revoked"), made(client, name="expired")
    PersonalToken.objects.filter(pk=expired["id"]).update(expires=timezone.now() - timedelta(seconds=1))
    client.put(f"/api/user-tokens/{revoked['id']}", {"revoked": True})
    for state in ("revoked", "expired"):
        assert [item["name"] for item in client.get(f"/api/user-tokens?status={state}").json()["items"]] == [state]
    assert {item["status"] for item in client.get("/api/user-tokens?status=active").json()["items"]} == {"active"}


def test_a_revoked_token_ends_at_once_and_a_restored_one_lives(as_, viewer):
    client, token = as_(viewer), made(as_(viewer))
    bearer, path = client_with(token["token"]), f"/api/user-tokens/{token['id']}"
    assert bearer.get("/api/users/me").status_code == 200
    for _ in range(2):
        assert client.put(path, {"revoked": True}).json()["status"] == "revoked"
        assert bearer.get("/api/users/me").status_code == 401
    assert client.put(path, {"revoked": False}).json()["status"] == "active"
    assert bearer.get("/api/users/me").status_code == 200
    assert client.delete(path).status_code == 204
    assert (bearer.get("/api/users/me").status_code, client.get(path).status_code) == (401, 404)
    told = list(Event.objects.filter(type="token").order_by("pk").values_list("name", flat=True))
    assert told == [
        "Personal token mine made",
        "Personal token mine revoked",
        "Personal token mine restored",
        "Personal token mine deleted",
    ]


def test_others_do_not_touch_a_token_but_an_admin_revokes_it(as_, admin, viewer, editor, outsider):
    token = made(as_(viewer))
    path = f"/api/user-tokens/{token['id']}"
    for stranger in (editor, outsider):
        for answer in (as_(stranger).put(path, {"revoked": True}), as_(stranger).delete(path)):
            assert answer.status_code == 404
    assert client_with(token["token"]).get("/api/users/me").status_code == 200
    assert as_(admin).put(path, {"revoked": True}).status_code == 200
    assert client_with(token["token"]).get("/api/users/me").status_code == 401


def test_a_token_works_only_from_its_networks(as_, viewer):
    token = made(as_(viewer), sources=["192.0.2.0/24", "2001:db8::/32"])["token"]
    for address, status in [
        ("192.0.2.7", 200),
        ("::ffff:192.0.2.7", 200),
        ("2001:db8::1", 200),
        ("192.0.3.1", 401),
        ("2001:db9::1", 401),
        ("", 401),
    ]:
        answer = client_with(token).get("/api/users/me", REMOTE_ADDR=address)
        assert answer.status_code == status, address
        forged = client_with(token).get("/api/users/me", REMOTE_ADDR="198.51.100.1", headers={"X-Forwarded-For": address})
        assert forged.status_code == 401, address


def test_behind_a_proxy_the_address_is_what_the_proxy_saw(as_, viewer, settings):
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    client = client_with(made(as_(viewer), sources=["192.0.2.0/24"])["token"])
    assert client.get("/api/users/me", headers={"X-Forwarded-For": "203.0.113.9, 192.0.2.7"}).status_code == 200
    assert client.get("/api/users/me", headers={"X-Forwarded-For": "192.0.2.7, 203.0.113.9"}).status_code == 401


def test_a_token_makes_no_token_that_may_do_more(as_, admin):
    client = as_(admin, "write")
    refused = client.post("/api/user-tokens", {"name": "more", "scopes": ["admin"]})
    assert (refused.status_code, refused.json()["type"]) == (403, "/problems/forbidden")
    bound = client_with(made(as_(admin), sources=["127.0.0.0/8"])["token"])
    path = f"/api/user-tokens/{PersonalToken.objects.get(name='mine').pk}"
    assert bound.post("/api/user-tokens", {"name": "anywhere"}).status_code == 403
    assert bound.post("/api/user-tokens", {"name": "wider", "sources": ["0.0.0.0/0"]}).status_code == 403
    assert bound.put(path, {"sources": []}).status_code == 403
    assert bound.post("/api/user-tokens", {"name": "narrower", "sources": ["127.0.0.1/32"]}).status_code == 201
    assert set(PersonalToken.objects.values_list("name", flat=True)) == {"laptop", "mine", "narrower"}
    assert PersonalToken.objects.get(name="narrower").sources == ["127.0.0.1/32"]


def test_a_bound_token_makes_neither_org_tokens_nor_keys_that_work_elsewhere(as_, admin, datastore):
    bound = client_with(made(as_(admin), scopes=["admin"], sources=["127.0.0.0/8"])["token"])
    for path, said in (("/api/org/tokens", {"name": "robot"}), ("/api/org/ingest-keys", {"name": "agent", "datastore": datastore.pk})):
        assert bound.post(path, said).status_code == 403
        assert bound.post(path, said | {"sources": ["0.0.0.0/0"]}).status_code == 403
        answer = bound.post(path, said | {"sources": ["127.0.0.1/32"]})
        assert answer.status_code == 201
        assert bound.put(f"{path}/{answer.json()['id']}", {"sources": []}).status_code == 403
        assert bound.put(f"{path}/{answer.json()['id']}", {"name": "other"}).status_code == 200
    assert [list(model.objects.values_list("sources", flat=True)) for model in (OrgToken, IngestKey)] == [[["127.0.0.1/32"]]] * 2


def test_the_feed_hears_that_a_secret_has_other_networks_or_another_name(as_, admin):
    token = as_(admin).post("/api/org/tokens", {"name": "robot"}).json()
    for _ in range(2):
        as_(admin).put(f"/api/org/tokens/{token['id']}", {"name": "Robot", "sources": ["192.0.2.0/24"]})
    told = Event.objects.filter(type=Event.Type.TOKEN, name__contains="changed").values_list("name", "user_id")
    assert list(told) == [("Org token Robot changed: name, networks", admin.pk)]


def test_a_reading_token_makes_and_ends_nothing(as_, viewer):
    token = made(as_(viewer))
    client = as_(viewer, "read")
    for answer in (client.post("/api/user-tokens", {"name": "x"}), client.delete(f"/api/user-tokens/{token['id']}")):
        assert (answer.status_code, answer.json()["detail"]) == (403, "This token lacks the scope `write`.")
    assert PersonalToken.objects.filter(pk=token["id"]).exists()


def test_last_used_is_written_at_most_once_a_minute(as_, viewer, django_assert_num_queries):
    client = client_with(made(as_(viewer))["token"])
    token = PersonalToken.objects.get(name="mine")
    client.get("/api/users/me")
    first = PersonalToken.objects.get(pk=token.pk).last_used
    client.get("/api/users/me")
    assert PersonalToken.objects.get(pk=token.pk).last_used == first
    later = first + timedelta(seconds=61)
    tokens.mark_used(PersonalToken.objects.get(pk=token.pk), now=later)
    tokens.mark_used(token, now=later + timedelta(seconds=59))
    assert PersonalToken.objects.get(pk=token.pk).last_used == later
    with django_assert_num_queries(0):
        tokens.mark_used(PersonalToken(pk=token.pk, last_used=later), now=later + timedelta(seconds=59))


def test_no_table_holds_a_secret_not_even_the_answer_that_is_kept_for_a_repeat(as_, admin, datastore):
    client, headers = as_(admin), {"Idempotency-Key": "make it once"}
    bodies = {
        "/api/user-tokens": {"name": "canary"},
        "/api/org/tokens": {"name": "canary"},
        "/api/org/ingest-keys": {"name": "canary", "datastore": datastore.pk},
    }
    for path, body in bodies.items():
        key = headers | {"Idempotency-Key": f"once {path}"}
        first, again = client.post(path, body, headers=key), client.post(path, body, headers=key)
        assert (first.status_code, again.status_code, again.json()) == (201, 201, first.json())
        secret = first.json()["token"]
        held = dump()
        assert b"canary" in held
        assert secret.encode() not in held
        assert secret.encode().hex().encode() not in held
    assert (IdempotentAnswer.objects.count(), OrgToken.objects.count(), IngestKey.objects.count()) == (3, 1, 1)


def test_an_org_token_is_made_bound_and_ended_by_an_admin(as_, admin):
    client = as_(admin)
    answer = client.post("/api/org/tokens", {"name": "grafana", "scopes": ["read"], "expires_in_days": 30, "sources": ["127.0.0.0/8"]})
    token = answer.json()
    assert (answer.status_code, len(token["token"]), token["prefix"]) == (201, 32, token["token"][:6])
    robot = Client(headers={"X-Auth-Token": token["token"]})
    assert (robot.get("/api/metrics").status_code, robot.get("/api/org").status_code) == (200, 403)
    assert robot.get("/api/metrics", REMOTE_ADDR="192.0.2.1").status_code == 401
    shown = client.get(answer["Location"]).json()
    assert set(shown) == FIELDS - {"scopes", "user"}
    assert client.put(answer["Location"], {"revoked": True, "name": "old"}).json()["name"] == "old"
    assert robot.get("/api/metrics").status_code == 401
    assert client.post("/api/org/tokens", {"name": "x", "scopes": ["write"]}).status_code == 422
    assert client.delete(answer["Location"]).status_code == 204
    assert OrgToken.objects.count() == 0


@pytest.mark.parametrize("who", ["stranger", "editor", "manager"])
def test_only_an_admin_sees_and_makes_org_tokens(as_, cast, who):
    factories.make_org_token(cast["admin"].org)
    client = as_(cast[who])
    assert client.get("/api/org/tokens").status_code == 403
    assert client.post("/api/org/tokens", {"name": "x"}).status_code == 403
    assert OrgToken.objects.count() == 1


def test_an_ingest_key_is_made_by_a_manager_who_is_an_editor_and_ends_within_a_second(as_, manager, datastore):
    client = as_(manager)
    answer = client.post("/api/org/ingest-keys", {"name": "agent", "datastore": datastore.pk, "rule": "sum"})
    key = answer.json()
    assert (answer.status_code, len(key["token"]), key["datastore"], key["rule"]) == (
        201,
        32,
        {"id": datastore.pk, "name": "Metrics"},
        "sum",
    )
    assert senders.sender_of(key["token"]).datastore_id == datastore.pk
    assert client.put(answer["Location"], {"revoked": True}).json()["status"] == "revoked"
    senders.forget()
    assert senders.sender_of(key["token"]) is None
    assert senders.FRESH_S < 1


def test_an_ingest_key_works_only_from_its_networks(as_, admin, datastore):
    sent = {"name": "agent", "datastore": datastore.pk, "sources": ["192.0.2.0/24"]}
    key = as_(admin).post("/api/org/ingest-keys", sent).json()["token"]
    body = '{"metric": "cpu", "timestamp": 1772366400, "value": 1}'
    for address, status in [("192.0.2.7", 204), ("198.51.100.1", 401)]:
        here = {"REMOTE_ADDR": address, "headers": {"key": key}}
        assert Client().post("/flux/metric_data_post", body, content_type="application/json", **here).status_code == status
        history = Client().post("/api/metrics/import", "no header\n", content_type="text/csv", **here)
        assert history.status_code == (422 if status == 204 else 401)


def test_ingest_keys_need_the_level_editor_on_their_datastore(as_, org, manager, datastore):
    other = org.datastores.create(name="Other", org=org)
    key = factories.make_ingest_key(other)[0]
    client, path = as_(manager), f"/api/org/ingest-keys/{key.pk}"
    assert client.get("/api/org/ingest-keys").json()["total"] == 0
    assert client.get(path).status_code == 404
    refused = client.post("/api/org/ingest-keys", {"name": "x", "datastore": other.pk})
    assert (refused.status_code, refused.json()["errors"][0]["loc"]) == (422, ["body", "datastore"])
    factories.grant(manager, other, 2)
    assert client.post("/api/org/ingest-keys", {"name": "x", "datastore": other.pk}).status_code == 403
    assert client.put(path, {"revoked": True}).status_code == 403
    assert list(IngestKey.objects.values_list("revoked", flat=True)) == [None]


def test_a_datastore_of_another_org_takes_no_key_of_ours(as_, admin, other_datastore):
    answer = as_(admin).post("/api/org/ingest-keys", {"name": "x", "datastore": other_datastore.pk})
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, "not_found")
    assert IngestKey.objects.count() == 0
