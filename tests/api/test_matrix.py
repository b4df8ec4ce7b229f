"""Every REST route x method x kind of caller does what the permission table says. No route is left out."""

import os
from pathlib import Path

import pytest
from django.db import transaction

from accounts.models import PersonalToken, Team, User
from anomalies.models import Anomaly, Comment, Integration, Tag, TicketLink
from datastores.models import Operation
from orgs.models import IngestKey, OrgToken
from tests import factories
from tests.api import matrix
from tests.api.conftest import ApiClient, client_with
from tests.api.matrix import DONE, KINDS, METHODS, NOTHING, SAMPLES, Route, Sample

pytestmark = pytest.mark.django_db
PAGE = Path(__file__).parents[2] / "docs" / "permissions.md"
ROUTES = matrix.routes()
REFUSALS = (401, 403, 404, 405)


@pytest.fixture
def clients(cast, org) -> dict[str, ApiClient]:
    """A client per kind of caller."""
    demo = factories.make_user(org, "Demo", is_demo=True)
    people = {**cast, "member": cast["stranger"], "other org's admin": cast["outsider"], "demo": demo}
    found = {
        "anonymous": ApiClient(raise_request_exception=False),
        "org token": client_with(factories.make_org_token(org)),
        "read-only token": client_with(factories.make_personal_token(cast["admin"], "read")),
    }
    for kind in KINDS:
        if kind.word not in found:
            found[kind.word] = client_with(factories.make_personal_token(people[kind.word]))
    return found


def said(client: ApiClient, method: str, path: str, sample: Sample = NOTHING) -> str:
    """The status of a refusal, or DONE; whatever was done is undone."""
    with transaction.atomic():
        answer = client.generic(method.upper(), path, "" if method == "get" else sample.sent, content_type=sample.content_type)
        transaction.set_rollback(True)
    assert answer.status_code < 500 or answer.status_code == 501, answer.content  # 501: nothing can be bought here
    return str(answer.status_code) if answer.status_code in REFUSALS else DONE


def test_no_route_is_missing_from_the_matrix():
    assert {route.address for route in ROUTES} == set(SAMPLES)


@pytest.mark.parametrize("route", ROUTES, ids=[route.address for route in ROUTES])
def test_a_route_does_what_the_table_says(route: Route, clients, datastore, admin):
    sample = SAMPLES[route.address]
    path = route.path(sample.make(datastore, admin))
    found = {method: [said(clients[kind.word], method, path, sample) for kind in KINDS] for method in METHODS}
    assert found == {method: route.row(method) for method in METHODS}


def test_what_is_refused_changes_nothing(clients, datastore, admin):
    sent = '{"name": "taken", "description": "taken", "status": "Acknowledged", "revoked": true, "message": "taken"}'
    for route in [route for route in ROUTES if "{id}" in route.address]:
        made = SAMPLES[route.address].make(datastore, admin)
        before = rows()
        for method in set(route.operations) - {"get"}:
            refused = [kind.word for kind, verdict in zip(KINDS, route.row(method), strict=True) if verdict != DONE]
            for word in refused:
                clients[word].generic(method.upper(), route.path(made), sent, content_type="application/json")
        assert rows() == before, route.address


def rows() -> list[list[str]]:
    """What the refused might have changed, but for when tokens were used."""
    texts = [
        [f"{user.name} {user.role} {user.is_active}" for user in User.objects.order_by("pk")],
        [f"{team.name} {team.members.count()} {team.access.count()}" for team in Team.objects.order_by("pk")],
        [f"{anomaly.status} {anomaly.description}" for anomaly in Anomaly.objects.order_by("pk")],
        [f"{comment.message} {comment.deleted}" for comment in Comment.objects.order_by("pk")],
        [f"{link.pk} {link.ticket_id}" for link in TicketLink.objects.order_by("pk")],
        [f"{tag.name} {tag.weight_modifier}" for tag in Tag.objects.order_by("pk")],
        [f"{integration.name} {integration.url}" for integration in Integration.objects.order_by("pk")],
        [operation.status for operation in Operation.objects.order_by("pk")],
    ]
    secrets = [[f"{row.name} {row.revoked}" for row in model.objects.order_by("pk")] for model in (PersonalToken, OrgToken, IngestKey)]
    return [*texts, *secrets]


def test_an_id_that_there_is_not_is_404_for_those_who_may(clients):
    for route in ROUTES:
        if "{id}" in route.address:
            for method in route.operations:
                assert said(clients["admin"], method, route.path(999_999_999)) == "404", (method, route.address)


def test_the_documented_matrix_is_the_tested_one():
    if os.environ.get("UPDATE_MATRIX"):
        PAGE.write_text(matrix.page())
    assert PAGE.read_text() == matrix.page(), "UPDATE_MATRIX=1 writes docs/permissions.md anew"
