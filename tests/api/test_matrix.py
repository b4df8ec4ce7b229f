"""Every route x every caller equals the permission table."""

import pytest

from accounts.models import Level, PersonalToken
from accounts.permissions import PERMISSIONS
from datastores.models import Operation
from tests import factories
from tests.api.test_every_route import api_routes

pytestmark = pytest.mark.django_db
LEVELS = {"stranger": 0, "reporter": 1, "viewer": 2, "drafter": 3, "author": 4, "editor": 5, "manager": 5, "admin": 5}
CALLERS = ["anonymous", "demo", *LEVELS, "outsider", "org token", "read-only token"]
CALLS = [(address, method, view) for address, view in api_routes() for method in view.actions if method != "head"]
DONE = {200, 202, 415, 422}  # allowed; what was sent is another matter


@pytest.fixture
def ids(org, datastore, editor):
    metric = factories.make_metric(datastore)
    operation = Operation.objects.create(org=org, datastore=datastore, kind="import", status="running")
    return {"metrics": metric.pk, "anomalies": factories.make_anomaly(metric).pk, "datastores": datastore.pk, "operations": operation.pk}


@pytest.fixture
def clients(as_, as_org, anonymous, cast, org):
    demo = factories.make_user(org, "Demo", is_demo=True)
    others = {
        "anonymous": anonymous,
        "demo": as_(demo),
        "org token": as_org,
        "read-only token": as_(cast["admin"], PersonalToken.Scope.READ),
    }
    return others | {name: as_(user) for name, user in cast.items()}


def expected(who: str, need, *, is_one: bool, creates: bool) -> set[int]:
    if who == "anonymous":
        return {401}
    if who in ("demo", "read-only token"):
        return {403} if need.writes else DONE
    if who == "org token":
        return DONE if need.org_token else {403}
    if who == "outsider":
        return {404} if is_one else DONE
    if is_one or creates:
        return {404} if LEVELS[who] == 0 else DONE if LEVELS[who] >= (need.level or Level.REPORTER) else {403}
    return DONE


def answered(client, method: str, path: str) -> int:
    call = getattr(client, method)
    if method == "post":
        return call(path, b"metric,timestamp,value\n", content_type="text/csv").status_code
    return (call(path, {}) if method == "put" else call(path)).status_code


def test_every_call_is_answered_as_the_table_says(clients, ids):
    wrong = {}
    for address, method, view in CALLS:
        path = "/" + address.replace("<str:id>", str(ids.get(address.split("/")[1])))
        need = PERMISSIONS[view.cls.operations[view.actions[method]]]
        for who in CALLERS:
            status = answered(clients[who], method, path)
            allowed = expected(who, need, is_one="<str:id>" in address, creates=method == "post")
            if status not in allowed:
                wrong[method, address, who] = (status, allowed)
    assert wrong == {}
    assert len(CALLS) * len(CALLERS) >= 180
