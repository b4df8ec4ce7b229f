"""/api/anomalies/{id}/related and /api/container-scans/{id}/anomalies: the same problem again, and what one scan found."""

import pytest

from anomalies.models import Anomaly
from tests import factories

pytestmark = pytest.mark.django_db
SCAN = 31


@pytest.fixture
def found(datastore) -> list[Anomaly]:
    """An open and an archived one of a scan with one fingerprint, and one of no scan with none."""
    metric = factories.make_metric(datastore)
    kinds = ({"container_scan_id": SCAN, "fingerprint": 7}, {"container_scan_id": SCAN, "fingerprint": 7, "status": "Resolved"}, {})
    return [factories.make_anomaly(metric, kind=f"k{n}", **{"fingerprint": None, **kind}) for n, kind in enumerate(kinds)]


def ids(answer) -> list[int]:
    assert answer.status_code == 200
    return [one["id"] for one in answer.json()["items"]]


def test_a_scan_lists_what_it_found_archived_or_not(as_, reporter, found):
    client, here = as_(reporter), f"/api/container-scans/{SCAN}/anomalies"
    assert ids(client.get(here)) == [found[1].pk, found[0].pk]
    assert ids(client.get(f"{here}?status=Active")) == [found[0].pk]


@pytest.mark.parametrize("scan", ["99", "0", "x", "3b0f5c64-5717-4562-b3fc-2c963f66afa6"])
def test_a_scan_that_found_nothing_is_not_there(as_, reporter, found, scan):
    assert as_(reporter).get(f"/api/container-scans/{scan}/anomalies").status_code == 404


def test_the_same_problem_again_is_related_without_the_anomaly_itself(as_, reporter, found):
    client = as_(reporter)
    assert ids(client.get(f"/api/anomalies/{found[0].uuid}/related")) == [found[1].pk]
    assert ids(client.get(f"/api/anomalies/{found[1].pk}/related?status=Active")) == [found[0].pk]
    assert ids(client.get(f"/api/anomalies/{found[2].pk}/related")) == []


def test_nobody_sees_what_another_org_found(as_, outsider, stranger, found):
    for person in (outsider, stranger):
        assert as_(person).get(f"/api/container-scans/{SCAN}/anomalies").status_code == 404
        assert as_(person).get(f"/api/anomalies/{found[0].pk}/related").status_code == 404
