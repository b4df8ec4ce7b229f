"""GET /api/anomalies/{id}/failed-checks: what an anomaly violates, in full."""

from datetime import UTC, datetime

import pytest

from anomalies.models import Anomaly, FailedCheck
from anomalies.services.scans import BadRow, Check, Column, RowFailures, Scan, Suggestion, record_findings
from datastores.models import Container
from tests import factories
from tests.api.test_schema_truth import check

pytestmark = pytest.mark.django_db


@pytest.fixture
def anomaly(org, datastore) -> Anomaly:
    """A row that fails three checks."""
    container = Container.objects.create(org=org, datastore=datastore, name="orders")
    checks = tuple(Check(number, f"rule{number}", ("id", "city")[: number - 10], f"Rule {number} holds.") for number in (11, 12, 13))
    rows = [
        RowFailures(one.id, 1, (BadRow((7, "Rome"), f"{one.rule_type} fails.", Suggestion("city", "Roma", 0.5)),), "x")
        for one in checks[:2]
    ]
    rows.append(RowFailures(13, 1, (BadRow((7, "Rome"), "rule13 fails."),), "x"))
    scan = Scan(org.pk, container.pk, (Column("id"), Column("city")), checks)
    record_findings(scan, rows=rows, now=datetime(2026, 3, 1, tzinfo=UTC))
    return Anomaly.objects.get()


def named(check_id: int) -> dict[str, object]:
    about = {"id": check_id, "description": f"Rule {check_id} holds."}
    return {"id": check_id, "quality_check": about, "rule_type": f"rule{check_id}"}


def test_the_id_of_a_failed_check_is_what_the_list_filters_by(as_, reporter, anomaly):
    client = as_(reporter)
    shown = client.get(f"/api/anomalies/{anomaly.pk}").json()["failed_checks"]
    assert [one["id"] for one in shown] == [11, 12, 13]
    assert [client.get(f"/api/anomalies?quality_check={pk}").json()["total"] for pk in (11, 13, 14)] == [1, 1, 0]


def test_a_reporter_reads_the_checks_in_full(as_, reporter, anomaly):
    answer = as_(reporter).get(f"/api/anomalies/{anomaly.uuid}/failed-checks")
    mended = {"suggested_field": "city", "suggested_value": "Roma", "suggested_score": 0.5}
    unknown = {"suggested_field": "", "suggested_value": "", "suggested_score": None}
    assert answer.json() == [
        {**named(11), "message": "rule11 fails.", **mended, "fields": ["id"]},
        {**named(12), "message": "rule12 fails.", **mended, "fields": ["id", "city"]},
        {**named(13), "message": "rule13 fails.", **unknown, "fields": ["id", "city"]},
    ]
    assert answer["X-Total-Count"] == "3"
    check(answer, "/api/anomalies/{id}/failed-checks")


def test_they_come_a_page_at_a_time(as_, viewer, anomaly):
    here = f"/api/anomalies/{anomaly.pk}/failed-checks"
    page = as_(viewer).get(f"{here}?page=2&size=2")
    assert ([one["rule_type"] for one in page.json()], page["X-Total-Count"]) == (["rule13"], "3")
    assert page["Link"] == f'<{here}?page=1&size=2>; rel="first", <{here}?page=1&size=2>; rel="prev"'
    assert as_(viewer).get(f"{here}?size=0").status_code == 422
    assert as_(viewer).get(f"{here}?rule=x").status_code == 422


def test_whoever_sees_the_anomaly_sees_them_and_nobody_else(as_, as_org, cast, anomaly):
    here = f"/api/anomalies/{anomaly.pk}/failed-checks"
    assert [as_(cast[who]).get(here).status_code for who in ("viewer", "stranger", "outsider")] == [200, 404, 404]
    assert as_org.get(here).status_code == 200


def test_an_anomaly_of_a_series_has_none(as_, viewer, datastore):
    anomaly = factories.make_anomaly(factories.make_metric(datastore))
    answer = as_(viewer).get(f"/api/anomalies/{anomaly.pk}/failed-checks")
    assert (answer.json(), answer["X-Total-Count"]) == ([], "0")


def test_a_check_that_nobody_keeps_is_null(as_, viewer, anomaly):
    FailedCheck.objects.update(quality_check_id=None)
    answer = as_(viewer).get(f"/api/anomalies/{anomaly.pk}/failed-checks")
    assert {str(one["quality_check"]) for one in answer.json()} == {"None"}
    check(answer, "/api/anomalies/{id}/failed-checks")


def test_queries_do_not_grow_with_the_checks(as_, viewer, anomaly, same_queries):
    client = as_(viewer)
    same_queries("failed checks", lambda: client.get(f"/api/anomalies/{anomaly.pk}/failed-checks"))
