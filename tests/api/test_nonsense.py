"""Values that nobody should send, in every parameter: refused or harmless, never a 500."""

from urllib.parse import quote

import pytest

from tests import factories
from tests.api.test_schema_truth import DOCUMENT

pytestmark = pytest.mark.django_db

NASTY = [
    "", "a\0b", "-1", "9" * 18, "9" * 400, "1e999999", "NaN", "\u00b2", "[]", "true,false", ",,,", "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-14:00", "9999-12-31", "2026-02-30", "'; DROP TABLE x; --", "_" * 1000, "\\", "\U0001f600",
]  # fmt: skip
PARAMETERS = [
    (path, parameter["name"])
    for path, methods in DOCUMENT["paths"].items()
    for parameter in methods.get("get", {}).get("parameters", [])
    if parameter["in"] == "query"
]


def test_no_value_of_any_parameter_breaks_an_answer(as_, admin, datastore, settings):
    settings.API_BURST = 100_000
    metric = factories.make_metric(datastore)
    ids = {"metrics": metric.pk, "anomalies": factories.make_anomaly(metric).pk}
    client, broken = as_(admin), {}
    for path, name in PARAMETERS:
        for value in NASTY:
            answer = client.get(f"{path.replace('{id}', str(ids.get(path.split('/')[2], 1)))}?{name}={quote(value)}")
            if answer.status_code not in (200, 404, 422):
                broken[path, name, value] = answer.status_code
    assert broken == {}
    assert len(PARAMETERS) >= 60


def test_no_id_breaks_an_answer(as_, admin, settings):
    settings.API_BURST = 100_000
    client = as_(admin)
    resources = {path.removeprefix("/api/").removesuffix("/{id}") for path in DOCUMENT["paths"] if path.endswith("/{id}")}
    resources = {name for name in resources if "get" in DOCUMENT["paths"][f"/api/{name}/{{id}}"]}
    assert {"anomalies", "metrics", "users", "teams", "user-tokens", "org/tokens"} <= resources
    answers = {(name, value): client.get(f"/api/{name}/{quote(value, safe='')}").status_code for name in resources for value in NASTY[1:]}
    assert {call: status for call, status in answers.items() if status != 404} == {}


@pytest.mark.parametrize(
    "body", [None, True, 1, 1.5, "x", [], [{}], {"status": {}}, {"status": []}, {"description": []}, {"description": {"a": 1}}, {"": 1}]
)
def test_no_body_breaks_a_change(as_, editor, datastore, body):
    anomaly = factories.make_anomaly(factories.make_metric(datastore))
    answer = as_(editor).put(f"/api/anomalies/{anomaly.pk}", body)
    assert (answer.status_code, answer.json()["type"]) == (422, "/problems/invalid")
    anomaly.refresh_from_db()
    assert (anomaly.status, anomaly.description) == ("Active", "")
