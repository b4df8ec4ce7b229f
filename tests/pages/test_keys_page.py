"""Keys and tokens as a page: made and shown once, changed, rotated, revoked; public keys with their snippet."""

import re
from datetime import timedelta

import pytest
from django.utils import timezone

from metrics.ingest import senders
from orgs.models import IngestKey, OrgToken, PublicKey
from orgs.services import create_public_key, public_key_of
from tests import factories

PAGE = "/app/settings/keys"
HTMX = {"HX-Request": "true"}


def do(client, what, **said):
    return client.post(PAGE, {"do": what, **said}, headers=HTMX)


def revealed(answer) -> str:
    found = re.search(r'<code id="secret">([^<]+)</code>', answer.content.decode())
    return found[1] if found else ""


def test_an_ingest_key_is_made_shown_once_and_works(as_, manager, datastore):
    client = as_(manager)
    said = {"name": "prometheus", "datastore": datastore.pk, "rule": "sum", "lives": "90", "sources": "10.0.0.0/8\n192.0.2.7"}
    secret = revealed(do(client, "make_key", **said))
    key = IngestKey.objects.get()
    assert (key.name, key.rule, key.sources) == ("prometheus", "sum", ["10.0.0.0/8", "192.0.2.7/32"])
    assert key.expires - timezone.now() > timedelta(days=89)
    senders.forget()
    assert senders.sender_of(secret).org_id == manager.org_id
    page = client.get(PAGE).content.decode()
    assert (secret in page, secret[:6] in page) == (False, True)


def test_without_javascript_the_answer_itself_shows_the_secret(as_, admin, datastore):
    answer = as_(admin).post(PAGE, {"do": "make_token", "name": "grafana"})
    assert (answer.status_code, answer["Cache-Control"]) == (200, "private, no-store")
    assert OrgToken.objects.get().prefix == revealed(answer)[:6]


@pytest.mark.parametrize(
    ("said", "field"),
    [({"name": ""}, "name"), ({"datastore": "0"}, "datastore"), ({"rule": "x"}, "rule"), ({"lives": "1"}, "lives"),
     ({"sources": "here"}, "sources")],
)  # fmt: skip
def test_a_key_that_does_not_do_is_said_beside_its_field(as_, admin, datastore, said, field):
    answer = do(as_(admin), "make_key", **{"name": "x", "datastore": datastore.pk, "rule": "last", **said})
    assert f'id="make_key_{field}_error"' in answer.content.decode()
    assert (IngestKey.objects.count(), revealed(answer)) == (0, "")


def test_a_key_is_changed_rotated_and_revoked(as_, admin, datastore):
    key, secret = factories.make_ingest_key(datastore)
    client = as_(admin)
    do(client, "change_key", id=key.pk, name="renamed", sources="10.0.0.0/8")
    key.refresh_from_db()
    assert (key.name, key.sources) == ("renamed", ["10.0.0.0/8"])
    assert b"is no network" in do(client, "change_key", id=key.pk, name="x", sources="nonsense").content
    new = revealed(do(client, "rotate_key", id=key.pk))
    key.refresh_from_db()
    assert (new != secret, timedelta(hours=23) < key.expires - timezone.now() <= timedelta(hours=24)) == (True, True)
    do(client, "revoke_key", id=key.pk)
    key.refresh_from_db()
    assert key.revoked is not None
    assert b"has expired or was revoked" in do(client, "rotate_key", id=key.pk).content


def test_org_tokens_are_for_admins_alone(as_, admin, manager):
    factories.make_org_token(admin.org)
    assert b"Org tokens" in as_(admin).get(PAGE).content
    assert b"Org tokens" not in as_(manager).get(PAGE).content
    for what in ("make_token", "revoke_token", "rotate_token", "change_token"):
        assert as_(manager).post(PAGE, {"do": what, "id": OrgToken.objects.get().pk, "name": "x"}).status_code == 403
    assert OrgToken.objects.get().revoked is None


def test_keys_of_datastores_on_which_one_is_no_editor_are_not_there(as_, org, datastore, other_datastore, admin):
    reader = factories.make_user(org, "Mo", role="manager")
    mine, theirs = factories.make_ingest_key(datastore)[0], factories.make_ingest_key(other_datastore)[0]
    assert mine.prefix.encode() not in as_(reader).get(PAGE).content
    assert b"It is gone meanwhile, or not yours" in do(as_(reader), "revoke_key", id=mine.pk).content
    assert b"It is gone meanwhile, or not yours" in do(as_(admin), "revoke_key", id=theirs.pk).content
    assert not IngestKey.objects.exclude(revoked=None).exists()


def test_members_do_not_look(as_, viewer):
    assert as_(viewer).get(PAGE).status_code == 403


def test_a_public_key_is_made_and_its_snippet_can_be_seen_again(as_, admin, datastore, settings):
    client = as_(admin)
    said = {"name": "shop", "datastore": datastore.pk, "origins": "https://shop.example https://*.shop.example", "namespace": "shop",
            "series_limit": 20, "per_minute": 60}  # fmt: skip
    assert b"The public key shop was made" in do(client, "make_public", **said).content
    key = PublicKey.objects.get()
    assert (key.namespace, key.series_limit, key.per_minute) == ("shop", 20, 60)
    assert key.origins == ["https://shop.example", "https://*.shop.example"]
    page = client.get(PAGE).content.decode()
    assert f"{settings.BASE_URL}/js/eventsender?key={public_key_of(key)}" in page
    do(client, "change_public", id=key.pk, name="shop 2", origins="*", series_limit=30, per_minute=90)
    key.refresh_from_db()
    assert (key.name, key.origins, key.series_limit, key.per_minute, key.namespace) == ("shop 2", ["*"], 30, 90, "shop")
    do(client, "revoke_public", id=key.pk)
    key.refresh_from_db()
    assert key.revoked is not None


WRONG = [({"origins": "shop.example"}, "origins"), ({"namespace": "a b"}, "namespace"), ({"series_limit": 0}, "series_limit")]


@pytest.mark.parametrize(("said", "field"), WRONG)
def test_a_public_key_that_does_not_do_is_said_beside_its_field(as_, admin, datastore, said, field):
    told = {"name": "shop", "datastore": datastore.pk, "origins": "https://a.example", "namespace": "web"}
    told |= {"series_limit": 9, "per_minute": 9, **said}
    assert f'id="make_public_{field}_error"' in do(as_(admin), "make_public", **told).content.decode()
    assert not PublicKey.objects.exists()


def test_a_demo_user_sees_no_key_and_makes_none(as_, org, datastore):
    demo = factories.make_user(org, "Dan", is_demo=True)
    create_public_key(datastore, name="shop", origins=["*"])
    page = as_(demo).get(PAGE).content.decode()
    assert ("You are visiting a demo" in page, "eventsender" in page) == (True, False)
    assert as_(demo).post(PAGE, {"do": "make_key", "name": "x", "datastore": datastore.pk, "rule": "last"}).status_code == 403
    assert not IngestKey.objects.exists()


def test_queries_do_not_grow(as_, admin, datastore, queries_of):
    client = as_(admin)
    few = queries_of(lambda: client.get(PAGE))
    for number in range(12):
        factories.make_ingest_key(datastore, name=f"agent {number}")
        create_public_key(datastore, name=f"site {number}", origins=["*"])
        factories.make_org_token(admin.org)
    assert queries_of(lambda: client.get(PAGE)) == few
