"""What a query says: one value where there is one, and errors that name the query as their place."""

import pytest

from anomalies.models import Anomaly
from tests import factories
from tests.api.test_anomalies_many import problems

pytestmark = pytest.mark.django_db


@pytest.fixture
def anomaly(datastore) -> Anomaly:
    return factories.make_anomaly(factories.make_metric(datastore))


@pytest.mark.parametrize(
    ("address", "names"),
    [
        ("anomalies?timeframe=week&timeframe=day", ["timeframe"]),
        ("anomalies?created_date=2026-05-15&created_date=2026-05-16&unassigned=true&unassigned=false", ["created_date", "unassigned"]),
        ("anomalies?search=a&search=b", ["search"]),
        ("anomalies?page=1&page=2", ["page"]),
        ("anomalies?sort_weight=asc&sort_weight=desc", ["sort_weight"]),
        ("anomalies/facets?start_date=2026-05-15&start_date=2026-05-16", ["start_date"]),
        ("anomalies/export?format=csv&format=jsonl", ["format"]),
        ("insights?timeframe=week&timeframe=day", ["timeframe"]),
        ("anomalies/{id}?include_deleted=true&include_deleted=false", ["include_deleted"]),
        ("anomalies/{id}/history?size=1&size=2", ["size"]),
        ("anomalies/{id}/source-record?limit=1&limit=2", ["limit"]),
        ("anomalies/{id}/related?page=1&page=2", ["page"]),
        ("teams?search=a&search=b", ["search"]),
    ],
)
def test_a_parameter_of_one_value_takes_no_second(as_, admin, anomaly, address, names):
    client, path = as_(admin), f"/api/{address.format(id=anomaly.pk)}"
    client.get("/api/anomalies?page=1")  # a list that is kept is asked in the same way
    answer = client.get(path)
    assert answer.status_code == 422
    assert [error["loc"] for error in answer.json()["errors"]] == [["query", name] for name in names]
    assert {error["code"] for error in answer.json()["errors"]} == {"repeated"}


@pytest.mark.parametrize(
    "address",
    [
        "anomalies?status=Active&status=Resolved&page=1&page=1",
        "anomalies/facets?tag=a&tag=b&status=Active&status=Resolved",
        "anomalies/export?status=Active&status=Resolved&format=csv&format=csv",
        "insights?anomaly_type=metric&anomaly_type=shape",
        "anomalies/{id}/related?status=Active&status=Resolved",
    ],
)
def test_lists_of_values_and_the_same_value_twice_are_taken(as_, admin, anomaly, address):
    assert as_(admin).get(f"/api/{address.format(id=anomaly.pk)}").status_code == 200


def test_two_ends_at_once_are_none(as_, author, anomaly):
    client, path = as_(author), f"/api/anomalies/{anomaly.pk}"
    answer = client.delete(f"{path}?archive=true&archive=false&status=Resolved&status=Invalid")
    assert problems(answer) == [(("query", "archive"), "repeated"), (("query", "status"), "repeated")]
    assert Anomaly.objects.get().status == "Active"


def test_a_filter_of_a_plan_takes_one_value_too(as_, author, anomaly):
    sent = {"filter": {"timeframe": ["week", "day"]}, "change": {"status": "Acknowledged"}}
    answer = as_(author).post("/api/anomalies/bulk-by-filter", sent)
    assert problems(answer) == [(("body", "filter", "timeframe"), "repeated")]


@pytest.mark.parametrize(
    ("query", "sent", "expected"),
    [
        ("", None, [(("query", "status"), "required")]),
        ("status=Active", None, [(("query", "status"), "invalid_choice")]),
        ("archive=false&status=Gone", None, [(("query", "status"), "invalid_choice")]),
        ("status=Duplicate&duplicate_of=999999999", None, [(("query", "duplicate_of"), "not_found")]),
        ("status=Duplicate&duplicate_of={id}", None, [(("query", "duplicate_of"), "invalid")]),
        ("status=Resolved&duplicate_of={other}", None, [(("query", "duplicate_of"), "invalid")]),
        ("archive=false&duplicate_of={other}", None, [(("query", "duplicate_of"), "invalid")]),
        ("status=Duplicate", {"duplicate_of": 999999999}, [(("body", "duplicate_of"), "not_found")]),
        ("status=Resolved", {"mentioned_user_ids": [1]}, [(("body", "mentioned_user_ids"), "invalid")]),
    ],
)
def test_the_end_of_an_anomaly_names_the_place_of_what_is_wrong(as_, author, anomaly, query, sent, expected):
    other = factories.make_anomaly(anomaly.metric, kind="other")
    answer = as_(author).delete(f"/api/anomalies/{anomaly.pk}?{query.format(id=anomaly.pk, other=other.pk)}", sent)
    assert problems(answer) == expected
    assert set(Anomaly.objects.values_list("status", flat=True)) == {"Active"}


def test_an_export_says_which_forms_there_are(as_, author, anomaly):
    answer = as_(author).get("/api/anomalies/export?format=xml")
    assert problems(answer) == [(("query", "format"), "invalid_choice")]
    assert answer.json()["errors"][0]["msg"] == "'xml' is none of csv, jsonl."
