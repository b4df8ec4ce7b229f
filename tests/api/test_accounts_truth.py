"""People, teams, secrets, the org and events answer what the OpenAPI document says, errors among them."""

import pytest

from orgs.events import record_event
from tests import factories
from tests.api.matrix import SAMPLES
from tests.api.test_schema_truth import DOCUMENT, FOUND, check

pytestmark = pytest.mark.django_db
GETS = [
    path
    for path, methods in DOCUMENT["paths"].items()
    if "get" in methods and path.split("/")[2] not in (*FOUND, "health", "status") and "{name}" not in path
]


def test_there_is_something_to_look_at():
    assert len(GETS) >= 16


@pytest.mark.parametrize("path", GETS)
def test_answers_are_as_described(as_, anonymous, admin, outsider, viewer, datastore, path):
    here = path.replace("{id}", str(SAMPLES[path.removeprefix("/api/")].make(datastore, admin)))
    factories.make_personal_token(factories.make_user(admin.org, "CI", is_service=True), sources=["10.0.0.0/8"])
    record_event(admin.org_id, type="deploy", name="x", datastore_id=datastore.pk, user_id=admin.pk)
    for answer, status in (
        (as_(admin).get(here), 200),
        (anonymous.get(here), 401),
        (as_(admin).get(f"{here}?nonsense=1"), 422),
        (as_(admin).patch(here), 405),
        (as_(outsider).get(here), 404 if "{id}" in path else 200),
    ):
        assert answer.status_code == status, answer.content
        check(answer, path)


def test_what_is_made_is_as_described_and_holds_a_secret_only_where_one_is_made(as_, admin, datastore):
    robot = factories.make_user(admin.org, "CI", is_service=True)
    made = {
        "/api/user-tokens": {"name": "x", "sources": ["10.0.0.0/8"]},
        "/api/org/tokens": {"name": "x"},
        "/api/org/ingest-keys": {"name": "x", "datastore": datastore.pk},
        "/api/service-accounts": {"name": "x"},
        "/api/service-accounts/{id}/tokens": {"name": "x"},
        "/api/teams": {"name": "x", "members": [robot.pk], "access": [{"datastore": datastore.pk, "level": "viewer"}]},
        "/api/events": {"name": "x"},
    }
    for path, body in made.items():
        client, here = as_(admin), path.replace("{id}", str(robot.pk))
        answer = client.post(here, body)
        assert answer.status_code == 201, answer.content
        check(answer, path, "post")
        check(client.post(here, {"nonsense": 1}), path, "post")
        assert ("token" in answer.json()) is path.endswith(("tokens", "keys"))
