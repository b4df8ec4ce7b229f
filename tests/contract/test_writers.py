"""Fifty writers at once, over HTTP on connections of their own: no update is lost, with versions and without."""

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

import pytest

from accounts.models import Level
from anomalies.models import Anomaly, Change, Tag
from tests import factories

pytestmark = pytest.mark.django_db(transaction=True)
WRITERS = 50
PATIENCE_S = 120.0


@pytest.fixture
def anomaly(datastore) -> Anomaly:
    return factories.make_anomaly(factories.make_metric(datastore), weight=5)


@pytest.fixture
def call(live_server, author, settings) -> Callable[..., tuple[int, dict[str, str], Any]]:
    """Sends one request on a new connection: status, headers, JSON. Waits where the server says that it is busy."""
    settings.API_BURST, settings.API_RATE_PER_MINUTE = 100_000, 6_000_000
    live_server.thread.httpd.socket.listen(2 * WRITERS)  # a test's server lets ten wait, and refuses the others
    address, token = urlsplit(live_server.url).netloc, factories.make_personal_token(author)

    def send(method: str, path: str, body: Any = None, **headers: str) -> tuple[int, dict[str, str], Any]:
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            connection = HTTPConnection(address, timeout=PATIENCE_S)
            sent = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"} | headers
            connection.request(method, path, None if body is None else json.dumps(body), sent)
            answer = connection.getresponse()
            text = answer.read()
            connection.close()
            if answer.status != 503:
                return answer.status, dict(answer.headers), json.loads(text) if text else None
            time.sleep(float(answer.headers["Retry-After"]) / 10)
        raise TimeoutError(path)

    return send


@pytest.fixture
def tags(org) -> list[str]:
    names = [f"writer {number:02}" for number in range(WRITERS)]
    Tag.objects.bulk_create(Tag(org=org, name=name, weight_modifier=1) for name in names)
    return names


def at_once(work: Callable[[Any], int], things: list[Any]) -> list[int]:
    with ThreadPoolExecutor(WRITERS) as threads:
        return list(threads.map(work, things))


def chain(anomaly: Anomaly, field: str) -> list[tuple[Any, Any]]:
    """Before and after of each change, oldest first."""
    changesets = Change.objects.filter(anomaly=anomaly).order_by("transaction_id").values_list("changeset", flat=True)
    return [tuple(one[field]) for one in changesets if field in one]


def test_each_adds_a_tag(anomaly, call, tags):
    path = f"/api/anomalies/{anomaly.pk}"
    assert set(at_once(lambda name: call("PUT", path, {"tags_add": [name]})[0], tags)) == {200}
    shown = call("GET", path)[2]
    assert [tag["name"] for tag in shown["global_tags"]] == tags
    assert shown["weight"] == 5 + WRITERS
    assert sorted(chain(anomaly, "weight")) == [(5 + number, 6 + number) for number in range(WRITERS)]


def test_each_is_assigned_in_bulk_calls_that_name_the_anomalies_in_any_order(anomaly, call, org, datastore):
    second = factories.make_anomaly(anomaly.metric, kind="dip")
    people = [factories.make_user(org, f"Person {number:02}", level=Level.VIEWER, datastore=datastore) for number in range(WRITERS)]

    def assign(number: int) -> int:
        entries = [{"id": one.pk, "assignee_ids_add": [people[number].pk]} for one in (anomaly, second)]
        return call("PATCH", "/api/anomalies", entries if number % 2 else entries[::-1])[0]

    assert set(at_once(assign, list(range(WRITERS)))) == {200}
    for one in (anomaly, second):
        assert set(one.assignees.values_list("pk", flat=True)) == {person.pk for person in people}
        assert sorted(len(after) - len(before) for before, after in chain(one, "assignees")) == [1] * WRITERS


# Each round lets one through: fifty read 1,275 times.
@pytest.mark.parametrize("writers", [15, pytest.param(WRITERS, marks=pytest.mark.long)])
def test_each_replaces_the_set_that_it_read_in_the_version_that_it_read(anomaly, call, tags, writers):
    """The way to add that lists of all leave: read, and send the union. If-Match keeps two from overwriting each other."""
    path, refused = f"/api/anomalies/{anomaly.pk}", []

    def add(name: str) -> int:
        while True:
            _, headers, shown = call("GET", path)
            union = [*(tag["name"] for tag in shown["global_tags"]), name]
            status = call("PUT", path, {"tags": union}, **{"If-Match": headers["ETag"]})[0]
            if status != 412:
                return status
            refused.append(name)

    some = tags[:writers]
    assert set(at_once(add, some)) == {200}
    assert [tag["name"] for tag in call("GET", path)[2]["global_tags"]] == some
    assert len(chain(anomaly, "global_tags")) == len(some)


def test_of_fifty_that_archive_each_leaves_what_the_history_says(anomaly, call):
    reasons = ["Resolved", "Duplicate", "Invalid", "Discarded"]
    found = at_once(lambda number: call("DELETE", f"/api/anomalies/{anomaly.pk}?status={reasons[number % 4]}")[0], list(range(WRITERS)))
    assert set(found) <= {204, 409}
    steps = chain(anomaly, "status")
    assert steps[0][0] == "Active"
    assert all(before == after for (_, before), (after, _) in zip(steps, steps[1:], strict=False))
    assert Anomaly.objects.get(pk=anomaly.pk).status == steps[-1][1]
