"""Signed addresses: they open a picture without a session, until they expire, as they were made, and nothing else."""

import re
import time

import pytest
from django.test import Client

from config.api.session import signed_url
from tests import factories
from tests.session_api.conftest import Api, data


def path_of(url: str, settings) -> str:
    assert url.startswith(f"{settings.BASE_URL}/org/graph?")
    return url.removeprefix(settings.BASE_URL)


@pytest.fixture
def address(org, settings):
    """A signed address of the org's graph."""
    return path_of(signed_url("/org/graph", org, {"series": "anomalies", "format": "svg"}, now_s=int(time.time())), settings)


def test_it_opens_without_a_session(address, org):
    answer = Client().get(address)
    assert (answer.status_code, answer["Content-Type"]) == (200, "image/svg+xml")
    assert b"Anomalies of Acme" in answer.content


CHANGES = [
    ("series=anomalies", "series=metrics"), ("format=svg", "format=json"), ("expires=1", "expires=2"),
    ("/org/graph?", "/org/graph?width=900&"),
]  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_nothing_of_it_can_be_changed(address, change):
    assert change[0] in address
    data(Client().get(address.replace(*change)), 401)


def test_it_is_of_one_org(address, other_org, org):
    data(Client().get(re.sub(r"org=\d+", f"org={other_org.pk}", address)), 401)


def test_the_signature_itself_has_to_be_right(address):
    for wrong in ("", "0" * 40, "x"):
        data(Client().get(re.sub(r"signature=\w+", f"signature={wrong}", address)), 401)


def test_it_expires(org, settings):
    old = path_of(signed_url("/org/graph", org, {}, now_s=int(time.time()) - 100, life_s=99), settings)
    assert "has expired" in data(Client().get(old), 401)["message"]
    assert Client().get(path_of(signed_url("/org/graph", org, {}, now_s=int(time.time()), life_s=99), settings)).status_code == 200


def test_it_opens_nothing_else(address):
    query = address.partition("?")[2]
    for path in ("/org/summary", "/org/info", "/org/events", "/org/users"):
        data(Client().get(f"{path}?{query}"), 401)
    data(Client().post("/org/update", dict(part.split("=") for part in query.split("&"))), 401)


def test_its_org_is_shown_whoever_is_logged_in(address, outsider, as_):
    assert b"Anomalies of Acme" in as_(outsider).get(address).content
    outsider.org.name = "Theirs"
    outsider.org.save()
    assert b"Anomalies of Theirs" not in as_(outsider).get(address).content


def test_an_org_that_is_gone_opens_nothing(address, org):
    org.delete()
    assert "is gone" in data(Client().get(address), 401)["message"]


def test_the_summary_and_the_counts_tell_such_an_address(as_, admin, settings):
    person = as_(admin)
    counts = data(person.get("/org/graph", {"format": "json", "theme": "dark"}))
    for url in (data(person.get("/org/summary"))["graph_url"], counts["image_url"]):
        answer = Client().get(path_of(url, settings))
        assert (answer.status_code, answer["Content-Type"]) == (200, "image/png")


def test_without_a_signature_a_session_or_token_is_needed(db, org):
    data(Client().get("/org/graph", {"org": org.pk, "expires": 4_000_000_000}), 401)
    assert Api(x_auth_token=factories.make_org_token(org)).get("/org/graph").status_code == 200
