"""What is answered is what the OpenAPI document says: real answers, errors among them, are validated against it."""

import json
import time
from pathlib import Path

import numpy as np
import pytest
import yaml
from django.db import transaction
from jsonschema import Draft202012Validator

from anomalies import services
from anomalies.api.documents import document
from anomalies.api.serializers import AnomalySerializer
from anomalies.models import Anomaly, FailedCheck, Integration
from anomalies.services.tickets import Ticket, link_ticket
from datastores.models import Container, Operation
from metrics import points
from tests import factories

pytestmark = pytest.mark.django_db
DOCUMENT = yaml.safe_load((Path(__file__).parents[2] / "docs" / "openapi.yaml").read_text())


@pytest.fixture
def world(org, datastore, author, viewer):
    """One of everything, with every part that may be there and every part that may be missing."""
    metric = factories.make_metric(datastore, "cpu", resolution_s=60.0, labels={"host": "a"})
    now = int(time.time()) // 60 * 60_000
    times = now - 60_000 * np.arange(5, 0, -1)
    points.append(org.pk, np.full(5, metric.pk), times, np.array([1.0, np.nan, np.inf, 4.0, 5.0]))
    with transaction.atomic():
        band = np.array([1.0, np.nan, 3.0, 4.0, 5.0])
        points.append_verdicts(org.pk, np.full(5, metric.pk), times, yhat=band, lower=band, upper=band, score=band)
    anomaly = factories.make_anomaly(metric, fingerprint=7, partition_scan_id=3, peak_value=float("inf"), expected=float("nan"))
    record = Anomaly.objects.create(
        org=org, datastore=datastore, container=Container.objects.create(org=org, datastore=datastore, name="orders"), type="record",
        message="Customer ID is missing", created=factories.STARTED, anomalous_records_count=3,
    )  # fmt: skip
    FailedCheck.objects.create(org=org, anomaly=record, rule_type="notNull", message="3 are null", suggested_score=0.5)
    factories.put_tag(record, "High")
    factories.assign(record, viewer)
    comment = services.comment_on(anomaly, user=author, message="Seen before.", mentioned_user_ids=[viewer.pk])
    integration = Integration.objects.create(org=org, name="Jira", type="jira", url="https://jira.example.com")
    link_ticket(anomaly, Ticket("1", "OPS-1", "New"), integration_id=integration.pk, user=author)
    services.change_anomaly(anomaly, user=author, status="Acknowledged")
    operation = Operation.objects.create(org=org, datastore=datastore, kind="import", status="running", user=author)
    stores = {"metrics": metric.pk, "datastores": datastore.pk, "operations": operation.pk}
    return stores | {"anomalies": anomaly.pk, "record": record, "comments": comment.pk, "integrations": integration.pk}


def check(answer, path: str, method: str = "get") -> None:
    described = DOCUMENT["paths"][path][method]["responses"][str(answer.status_code)]["content"]
    schema = described[answer["Content-Type"].partition(";")[0]]["schema"]
    Draft202012Validator({**schema, "components": DOCUMENT["components"]}).validate(json.loads(answer.content))


def answers_json(operation: dict | None) -> bool:
    return operation is not None and "application/json" in operation["responses"]["200"]["content"]


def no_method_of(path: str) -> str:
    return next(method for method in ("patch", "put", "post", "delete") if method not in DOCUMENT["paths"][path])


FOUND = ("anomalies", "comments", "integrations", "metrics", "datastores", "operations")
GETS = [path for path, methods in DOCUMENT["paths"].items() if path.split("/")[2] in FOUND and answers_json(methods.get("get"))]


@pytest.mark.parametrize("path", GETS)
def test_answers_are_as_described(as_, as_org, anonymous, viewer, stranger, world, path):
    here = path.replace("{id}", str(world[path.split("/")[2]]))
    good = as_(viewer).get(here)
    assert good.status_code == 200, good.content
    check(good, path)
    missing = next(method for method in ("delete", "put", "patch") if method not in DOCUMENT["paths"][path])
    for answer, status in (
        (anonymous.get(here), 401),
        (as_(viewer).get(f"{here}?nonsense=1"), 422),
        (getattr(as_(viewer), missing)(here), 405),
        (as_(stranger).get(here), 404 if "{id}" in path and "integrations" not in path else 200),
    ):
        assert answer.status_code == status, answer.content
        check(answer, path)
    by_org = as_org.get(here)
    assert by_org.status_code == (200 if path.split("/")[2] in ("anomalies", "comments", "metrics") else 403)
    check(by_org, path)


def test_the_items_of_a_list_are_the_things_themselves(as_, viewer, world):
    client = as_(viewer)
    for name in FOUND:
        for item in client.get(f"/api/{name}").json()["items"]:
            alone = client.get(f"/api/{name}/{item['id']}").json()
            assert alone == item, name


def test_a_change_is_answered_as_described(as_, editor, world):
    path = f"/api/anomalies/{world['anomalies']}"
    check(as_(editor).put(path, {"description": "x"}), "/api/anomalies/{id}", "put")
    check(as_(editor).put(path, {"description": 1, "x": 2}), "/api/anomalies/{id}", "put")
    check(as_(editor).put(path, {"status": "Active"}, headers={"If-Match": '"old"'}), "/api/anomalies/{id}", "put")
    check(as_(editor).put(f"/api/operations/abort/{world['operations']}"), "/api/operations/abort/{id}", "put")


@pytest.mark.parametrize("which", ["anomalies", "record"])
def test_the_json_of_the_database_is_that_of_the_serializer(world, viewer, which):
    anomaly = world["record"] if which == "record" else Anomaly.objects.get(pk=world["anomalies"])
    made = document(anomaly.pk, caller=viewer)
    described = json.loads(json.dumps(AnomalySerializer(anomaly).data, default=str))
    assert list(made) == list(described)
    for lost in ("peak_value", "expected"):  # no JSON number
        described[lost] = made[lost] = None
    assert made == described
    assert made["anomalous_records_count"] == (3 if which == "record" else None)


def test_no_number_that_json_lacks_comes_out(as_, viewer, world):
    shown = as_(viewer).get(f"/api/anomalies/{world['anomalies']}").json()
    assert (shown["peak_value"], shown["expected"], shown["expected_upper"]) == (None, None, 1.5)
    values = as_(viewer).get(f"/api/metrics/{world['metrics']}/timeseries").json()["values"]
    assert values == [1.0, None, None, 4.0, 5.0]


def test_every_example_is_as_described():
    for path, methods in DOCUMENT["paths"].items():
        for method, operation in methods.items():
            contents = [operation.get("requestBody", {}), *operation["responses"].values()]
            for media in (media for one in contents for media in one.get("content", {}).values()):
                for name, example in media.get("examples", {}).items():
                    errors = list(
                        Draft202012Validator({**media["schema"], "components": DOCUMENT["components"]}).iter_errors(example["value"])
                    )
                    assert not errors, (path, method, name, errors)


def test_every_answer_that_says_something_has_an_example():
    answers = {
        (path, kind)
        for path, methods in DOCUMENT["paths"].items()
        for operation in methods.values()
        for status, answer in operation["responses"].items()
        for kind, media in answer.get("content", {}).items()
        if status.startswith("2") and not media.get("examples")
    }
    assert answers == {("/api/anomalies/{id}/image", "image/png")}


@pytest.mark.parametrize(
    ("name", "items"),
    [
        ("status", {"type": "string", "enum": ["Active", "Acknowledged", "Resolved", "Duplicate", "Invalid", "Discarded"]}),
        ("anomaly_type", {"type": "string", "enum": ["metric", "record", "shape"]}),
        ("archived", {"type": "string", "enum": ["include", "only"]}),
        ("datastore", {"type": "integer", "minimum": 0, "maximum": 10**18 - 1}),
        ("tag", {"type": "string"}),
    ],
)
def test_the_document_tells_which_values_a_filter_takes(name, items):
    parameters = {one["name"]: one for one in DOCUMENT["paths"]["/api/anomalies"]["get"]["parameters"]}
    assert parameters[name]["schema"] == {"type": "array", "items": items}


@pytest.mark.parametrize("word", ["restore", "snooze", "duplicate-of"])
def test_the_document_tells_where_a_post_looks_at_the_version(as_, author, world, word):
    operation = DOCUMENT["paths"][f"/api/anomalies/{{id}}/{word}"]["post"]
    assert [one["name"] for one in operation["parameters"] if one["in"] == "header"] == ["Idempotency-Key", "If-Match"]
    sent = {"count": 1} if word == "snooze" else {"anomaly": world["anomalies"]}
    answer = as_(author).post(f"/api/anomalies/{world['anomalies']}/{word}", sent, headers={"If-Match": '"old"'})
    assert answer.status_code == 412
