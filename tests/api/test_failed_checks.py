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
    checks = tuple(Check(number, f"rule{number}", ("id", "city")[: number - 10]) for number in (11, 12, 13))
    rows = [
        RowFailures(one.id, 1, (BadRow((7, "Rome"), f"{one.rule_type} fails.", Suggestion("city", "Roma", 0.5)),), "x")
        for one in checks[:2]
    ]
    rows.append(RowFailures(13, 1, (BadRow((7, "Rome"), "rule13 fails."),), "x"))
    scan = Scan(org.pk, container.pk, (Column("id"), Column("city")), checks)
    record_findings(scan, rows=rows, now=datetime(2026, 3, 1, tzinfo=UTC))
    return Anomaly.objects.get()


def test_a_reporter_reads_the_checks_in_full(as_, reporter, anomaly):
    answer = as_(reporter).get(f"/api/anomalies/{anomaly.uuid}/failed-checks")
    ids = list(FailedCheck.objects.order_by("pk").values_list("pk", flat=True))
    mended = {"suggested_field": "city", "suggested_value": "Roma", "suggested_score": 0.5}
    unknown = {"suggested_field": "", "suggested_value": "", "suggested_score": None}
    assert answer.json() == [
        {"id": ids[0], "quality_check": {"id": 11}, "rule_type": "rule11", "message": "rule11 fails.", **mended, "fields": ["id"]},
        {"id": ids[1], "quality_check": {"id": 12}, "rule_type": "rule12", "message": "rule12 fails.", **mended, "fields": ["id", "city"]},
        {"id": ids[2], "quality_check": {"id": 13}, "rule_type": "rule13", "message": "rule13 fails.", **unknown, "fields": ["id", "city"]},
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
