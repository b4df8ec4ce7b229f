"""Idempotency-Key, on a route of this test: what a POST did is done once and answered twice alike."""

import json
import threading
from datetime import timedelta
from types import SimpleNamespace
from typing import ClassVar

import psycopg
import pytest
from django.db import connection
from django.urls import path
from django.utils import timezone
from rest_framework.response import Response

from config.api import idempotency
from config.api.views import OrgViewSet
from datastores.models import Datastore
from orgs.errors import Conflict
from orgs.models import IdempotentAnswer

pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]
calls: list[dict] = []
gate = SimpleNamespace(entered=threading.Event(), leave=threading.Event(), wait=False)


def terminate_own_backend() -> None:
    pid = connection.connection.info.backend_pid
    with psycopg.connect(connection.connection.info.dsn, password=connection.connection.info.password, autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])


class EchoViewSet(OrgViewSet):
    operations: ClassVar = {"create": "datastore.read"}
    queryset = Datastore.objects.all()

    def create(self, request):
        calls.append(request.data)
        if gate.wait:
            gate.entered.set()
            assert gate.leave.wait(240)
        if request.data.get("fail"):
            raise RuntimeError("broken")
        if request.data.get("lose"):
            terminate_own_backend()
        if request.data.get("read"):
            Datastore.objects.count()
        if request.data.get("refuse"):
            raise Conflict("No.")
        return Response({"call": len(calls), "said": request.data}, status=201, headers={"Location": f"/api/echo/{len(calls)}"})


urlpatterns = [path("api/echo", EchoViewSet.as_view({"post": "create"}))]


@pytest.fixture(autouse=True)
def _nothing_called():
    calls.clear()
    gate.wait = False
    gate.entered.clear()
    gate.leave.clear()


def post(client, body, key=None):
    headers = {} if key is None else {"Idempotency-Key": key}
    return client.post("/api/echo", json.dumps(body), content_type="application/json", headers=headers)


def test_the_same_request_is_done_once_and_answered_alike(as_, viewer):
    client = as_(viewer)
    first, second = post(client, {"a": 1}, "k1"), post(client, {"a": 1}, "k1")
    assert calls == [{"a": 1}]
    assert (first.status_code, first.content, first["Location"]) == (second.status_code, second.content, second["Location"])
    assert (first.status_code, first.json()) == (201, {"call": 1, "said": {"a": 1}})
    assert ("Idempotent-Replayed" in first, second["Idempotent-Replayed"]) == (False, "true")


def test_without_a_key_everything_is_done_again(as_, viewer):
    client = as_(viewer)
    assert [post(client, {}).json()["call"] for _ in range(2)] == [1, 2]
    assert not IdempotentAnswer.objects.exists()


def test_a_key_with_another_body_is_422(as_, viewer):
    client = as_(viewer)
    post(client, {"a": 1}, "k1")
    other = post(client, {"a": 2}, "k1")
    assert (other.status_code, other.json()["errors"][0]["loc"], calls) == (422, ["header", "Idempotency-Key"], [{"a": 1}])


def test_two_callers_may_choose_the_same_key(as_, viewer, author, outsider):
    answers = [post(as_(user), {"a": 1}, "k1").json()["call"] for user in (viewer, author, outsider)]
    assert answers == [1, 2, 3]


def test_a_refusal_is_kept_and_a_failure_is_not(as_, viewer):
    client = as_(viewer)
    refused = [post(client, {"refuse": 1}, "k1") for _ in range(2)]
    assert ([one.status_code for one in refused], len(calls)) == ([409, 409], 1)
    assert refused[1]["Content-Type"] == "application/problem+json"
    failed = [post(client, {"fail": 1}, "k2") for _ in range(2)]
    assert ([one.status_code for one in failed], len(calls)) == ([500, 500], 3)


def test_an_answer_is_kept_a_day(as_, viewer):
    client = as_(viewer)
    post(client, {"a": 1}, "k1")
    IdempotentAnswer.objects.update(created=timezone.now() - timedelta(hours=23, minutes=59))
    assert post(client, {"a": 1}, "k1").json()["call"] == 1
    IdempotentAnswer.objects.update(created=timezone.now() - timedelta(hours=24, seconds=1))
    assert post(client, {"a": 2}, "k1").json()["call"] == 2
    assert IdempotentAnswer.objects.count() == 1


@pytest.mark.parametrize("key", ["", "x" * 256, "a\tb"])
def test_a_key_that_is_none_is_400(as_, viewer, key):
    answer = post(as_(viewer), {}, key)
    assert (answer.status_code, calls) == (400, [])


@pytest.mark.django_db(transaction=True)
def test_while_the_first_call_runs_the_second_is_409(as_, viewer):
    client, gate.wait, done = as_(viewer), True, []

    def first() -> None:
        try:
            done.append(post(client, {"a": 1}, "k1").status_code)
        finally:
            connection.close()

    runner = threading.Thread(target=first)
    runner.start()
    assert gate.entered.wait(240)
    gate.wait = False
    second = post(client, {"a": 1}, "k1")
    gate.leave.set()
    runner.join()
    assert (done, second.status_code, second.json()["type"], len(calls)) == ([201], 409, "/problems/conflict", 1)
    assert post(client, {"a": 1}, "k1").json()["call"] == 1


def test_a_call_that_died_with_its_process_frees_its_key(as_, viewer):
    client = as_(viewer)
    post(client, {"a": 1}, "k1")
    IdempotentAnswer.objects.update(status=None, created=timezone.now() - timedelta(minutes=4))
    assert post(client, {"a": 1}, "k1").status_code == 409
    IdempotentAnswer.objects.update(created=timezone.now() - timedelta(minutes=6))
    assert post(client, {"a": 1}, "k1").json()["call"] == 2


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("body", "status"), [({"lose": 1}, 201), ({"lose": 1, "read": 1}, 503)])
def test_a_database_that_goes_away_costs_the_key_and_not_the_answer(as_, viewer, body, status):
    client = as_(viewer)
    try:
        answer = post(client, body, "k1")
    finally:
        connection.close()
    assert (answer.status_code, calls) == (status, [body])
    assert IdempotentAnswer.objects.get().status is None


def test_a_body_beyond_the_limit_is_refused_before_its_key_is_claimed(as_, viewer, monkeypatch):
    monkeypatch.setattr(EchoViewSet, "body_limit", 20)
    answer = post(as_(viewer), {"a": "x" * 20}, "k1")
    assert (answer.status_code, answer.json()["type"], calls) == (413, "/problems/too-large", [])
    assert not IdempotentAnswer.objects.exists()
    assert post(as_(viewer), {"a": "x" * 10}, "k1").status_code == 201


def test_a_key_that_is_freed_between_two_looks_is_409(viewer):
    request = SimpleNamespace(user=viewer, auth=None)
    with pytest.raises(Conflict, match="has just failed"):
        idempotency._answer_again(request, key="freed", digest=b"")
