"""What one scan of a partition found, changed at once."""

import pytest

from accounts.models import Level
from anomalies.models import Anomaly, Change
from datastores.models import Datastore
from tests import factories

pytestmark = pytest.mark.django_db
SCAN = 31


def statuses() -> list[str]:
    return list(Anomaly.objects.order_by("pk").values_list("status", flat=True))


@pytest.fixture
def found(datastore) -> list[Anomaly]:
    """Two open ones and an archived one of the scan, and one of another scan."""
    metric = factories.make_metric(datastore)
    kinds = ({"status": "Active"}, {"status": "Acknowledged"}, {"status": "Invalid"}, {"status": "Active", "partition_scan_id": SCAN + 1})
    return [factories.make_anomaly(metric, kind=f"k{n}", **{"partition_scan_id": SCAN, **kind}) for n, kind in enumerate(kinds)]


def test_all_that_are_open_are_archived_in_one_transaction(as_, author, found):
    answer = as_(author).put(f"/api/partitions/{SCAN}/anomalies/Resolved")
    entry = Change.objects.filter(anomaly=found[0]).get()
    assert (answer.status_code, answer.json()) == (200, {"changed": 2, "transaction_id": entry.transaction_id})
    assert statuses() == ["Resolved", "Resolved", "Invalid", "Active"]
    assert list(Change.objects.order_by("anomaly").values_list("anomaly", "transaction_id")) == [
        (one.pk, entry.transaction_id) for one in found[:2]
    ]


def test_what_is_so_already_is_not_counted(as_, author, found):
    assert as_(author).put(f"/api/partitions/{SCAN}/anomalies/Acknowledged").json()["changed"] == 1
    again = as_(author).put(f"/api/partitions/{SCAN}/anomalies/Acknowledged")
    assert again.json() == {"changed": 0, "transaction_id": None}


def test_a_word_that_is_no_status_is_named_and_nothing_changes(as_, author, found):
    answer = as_(author).put(f"/api/partitions/{SCAN}/anomalies/Closed")
    assert (answer.status_code, answer.json()["errors"][0]["loc"]) == (422, ["path", "status"])
    assert statuses() == ["Active", "Acknowledged", "Invalid", "Active"]


@pytest.mark.parametrize("scan", ["99", "0", "3b0f5c64-5717-4562-b3fc-2c963f66afa6"])
def test_a_scan_that_found_nothing_is_not_there(as_, author, found, scan):
    assert as_(author).put(f"/api/partitions/{scan}/anomalies/Resolved").status_code == 404


def test_whose_it_is_not_changes_nothing(as_, viewer, outsider, stranger, found):
    answers = {
        name: as_(person).put(f"/api/partitions/{SCAN}/anomalies/Resolved").status_code
        for name, person in (("viewer", viewer), ("outsider", outsider), ("stranger", stranger))
    }
    assert answers == {"viewer": 403, "outsider": 404, "stranger": 404}
    assert statuses() == ["Active", "Acknowledged", "Invalid", "Active"]


def test_where_one_only_reads_nothing_is_changed(as_, org, author, found):
    """Numbers of scans come from whoever scans: two datastores may hold the same one."""
    other = Datastore.objects.create(org=org, name="Warehouse")
    factories.grant(author, other, Level.REPORTER)
    theirs = factories.make_anomaly(factories.make_metric(other, "orders"), partition_scan_id=SCAN)
    assert as_(author).put(f"/api/partitions/{SCAN}/anomalies/Resolved").json()["changed"] == 2
    theirs.refresh_from_db()
    assert (theirs.status, Change.objects.filter(anomaly=theirs).exists()) == ("Active", False)
