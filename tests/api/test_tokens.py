"""Personal tokens: scopes, expiry, revocation, last use, and that no secret is stored."""

from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from accounts.models import PersonalToken
from accounts.tokens import create_personal_token, personal_token_of
from orgs.errors import Invalid
from orgs.services import revoke
from tests import factories
from tests.api.conftest import client_with

pytestmark = pytest.mark.django_db


def test_a_token_acts_as_its_user(viewer):
    token, secret = create_personal_token(viewer, name="laptop")
    assert (token.org, token.scopes) == (viewer.org, ["read", "write"])
    assert secret.startswith("plb_")
    assert len(secret) > 50
    assert abs(token.expires - timezone.now() - timedelta(days=365)) < timedelta(hours=1)
    assert client_with(secret).get("/api/anomalies").status_code == 200


def test_only_a_keyed_hash_and_a_prefix_are_stored(viewer):
    _, secret = create_personal_token(viewer, name="laptop")
    with connection.cursor() as cursor:
        cursor.execute("SELECT t::text FROM accounts_personaltoken t")
        [(row,)] = cursor.fetchall()
    assert secret not in row
    assert secret[12:] not in row
    assert secret[:12] in row


@pytest.mark.parametrize(
    ("fields", "locs"),
    [
        ({"scopes": ["read", "root"]}, [("body", "scopes", 1)]),
        ({"expires_in_days": 0}, [("body", "expires_in_days")]),
        ({"expires_in_days": 366, "scopes": ["all"]}, [("body", "scopes", 0), ("body", "expires_in_days")]),
    ],
)
def test_a_token_that_cannot_be_made_is_refused(viewer, fields, locs):
    with pytest.raises(Invalid) as refused:
        create_personal_token(viewer, name="x", **fields)
    assert [error.loc for error in refused.value.errors] == locs
    assert not PersonalToken.objects.exists()


@pytest.mark.parametrize(("scopes", "read", "write"), [(["read"], 200, 403), (["write"], 200, 200), (["admin"], 200, 200)])
def test_scopes_limit_what_the_user_may(author, datastore, scopes, read, write):
    anomaly = factories.make_anomaly(factories.make_metric(datastore))
    client = client_with(factories.make_personal_token(author, *scopes))
    assert client.get("/api/anomalies").status_code == read
    assert client.put(f"/api/anomalies/{anomaly.pk}", {"status": "Acknowledged"}).status_code == write


def test_a_token_never_allows_more_than_its_user_may(viewer, datastore):
    anomaly = factories.make_anomaly(factories.make_metric(datastore))
    client = client_with(factories.make_personal_token(viewer, "admin"))
    assert client.put(f"/api/anomalies/{anomaly.pk}", {"status": "Acknowledged"}).status_code == 403


def test_a_revoked_token_ends_at_once(viewer):
    token, secret = create_personal_token(viewer, name="laptop")
    client = client_with(secret)
    assert client.get("/api/anomalies").status_code == 200
    revoke(token)
    assert client.get("/api/anomalies").status_code == 401


def test_a_token_ends_when_it_expires(viewer):
    token, secret = create_personal_token(viewer, name="laptop", expires_in_days=1)
    assert personal_token_of(secret, now=token.expires - timedelta(microseconds=1)) == token
    assert personal_token_of(secret, now=token.expires) is None
    PersonalToken.objects.update(expires=timezone.now())
    assert client_with(secret).get("/api/anomalies").status_code == 401


def test_last_use_is_written_at_most_once_a_minute(viewer):
    token, secret = create_personal_token(viewer, name="laptop")
    client = client_with(secret)
    client.get("/api/anomalies")
    token.refresh_from_db()
    first = token.last_used
    assert timezone.now() - first < timedelta(minutes=10)
    client.get("/api/anomalies")
    token.refresh_from_db()
    assert token.last_used == first
    PersonalToken.objects.update(last_used=first - timedelta(seconds=61))
    client.get("/api/anomalies")
    token.refresh_from_db()
    assert token.last_used > first
