"""How anomalies come and go."""

from datetime import UTC, datetime, timedelta

import pytest

from anomalies.models import Anomaly, FailedCheck
from anomalies.services.history import DETECTOR, USER, Line, write_history
from datastores.models import Datastore
from orgs.moments import unix_ms
from tests import factories

pytestmark = pytest.mark.django_db
ADDRESS = "/api/insights"
TODAY = datetime(2026, 6, 15, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _at_noon(set_clock):
    set_clock(unix_ms(TODAY + timedelta(hours=12)))


def found(metric, days_ago: int = 0, **fields) -> Anomaly:
    at = TODAY - timedelta(days=days_ago)
    return factories.make_anomaly(metric, kind=f"k{Anomaly.objects.count()}", created=at, **fields)


def step(anomaly: Anomaly, before: str, after: str, *, minutes: int, user=None, actor: str = USER) -> None:
    """So long after its detection."""
    line = Line(anomaly.org_id, anomaly.pk, {"status": (before, after)})
    write_history([line], actor=actor, user=user, at=anomaly.created + timedelta(minutes=minutes))


@pytest.fixture
def metric(datastore):
    return factories.make_metric(datastore)


def test_every_day_is_there_with_what_was_found_on_it(as_, viewer, metric):
    found(metric)
    found(metric, 2, status="Invalid")
    found(metric, 2, status="Acknowledged")
    found(metric, 7)
    found(metric, 1, is_backfilled=True)
    shown = as_(viewer).get(f"{ADDRESS}?timeframe=week").json()
    dates = [(TODAY - timedelta(days=number)).date().isoformat() for number in reversed(range(7))]
    assert [(day["date"], day["total"]) for day in shown["days"]] == list(zip(dates, [0, 0, 0, 0, 2, 0, 1], strict=True))
    assert shown["days"][4]["by_type"] == {"metric": 2, "record": 0, "shape": 0}
    assert shown["days"][4]["by_status"] | {"Active": 0} == {
        "Active": 0, "Acknowledged": 1, "Resolved": 0, "Duplicate": 0, "Invalid": 1, "Discarded": 0,
    }  # fmt: skip
    assert (shown["total"], shown["by_type"]["metric"], shown["by_status"]["Active"]) == (3, 3, 1)
    assert shown["start"] == f"{dates[0]}T00:00:00.000Z"


def test_times_are_those_of_peoples_first_and_last_steps(as_, viewer, author, metric):
    first, second, third = (found(metric, status=status) for status in ("Resolved", "Acknowledged", "Resolved"))
    step(first, "Active", "Acknowledged", minutes=10, user=author)
    step(first, "Acknowledged", "Active", minutes=20, user=author)
    step(first, "Active", "Resolved", minutes=30, user=author)
    step(second, "Active", "Acknowledged", minutes=50, user=author)
    step(third, "Active", "Resolved", minutes=90, actor=DETECTOR)
    swept = found(metric, status="Resolved")
    step(swept, "Active", "Resolved", minutes=1000, actor="flow")
    shown = as_(viewer).get(ADDRESS).json()
    assert shown["time_to_acknowledge"] == {"count": 2, "mean_s": 1800.0, "median_s": 1800.0}
    assert shown["time_to_resolve"] == {"count": 2, "mean_s": 3600.0, "median_s": 3600.0}


def test_what_was_reopened_is_not_resolved(as_, viewer, author, metric):
    anomaly = found(metric, status="Acknowledged")
    step(anomaly, "Active", "Resolved", minutes=10, user=author)
    step(anomaly, "Resolved", "Acknowledged", minutes=20, user=author)
    assert as_(viewer).get(ADDRESS).json()["time_to_resolve"] == {"count": 0, "mean_s": None, "median_s": None}


def test_precision_is_the_share_that_people_did_not_call_invalid(as_, viewer, org, datastore, metric):
    for status in ("Active", "Resolved", "Invalid", "Discarded"):
        found(metric, status=status, detectors=[{"name": "residual", "score": 9.0}, {"name": "flat_line", "score": 5.0}])
    found(metric, detectors=[])
    record = Anomaly.objects.create(org=org, datastore=datastore, type="record", message="x", created=TODAY, status="Invalid")
    for rule in ("notNull", "notNull", "between"):
        FailedCheck.objects.create(org=org, anomaly=record, rule_type=rule, message="x")
    assert as_(viewer).get(ADDRESS).json()["precision"] == [
        {"kind": "detector", "name": "residual", "total": 4, "useful": 3, "invalid": 1, "precision": 0.75},
        {"kind": "rule", "name": "between", "total": 1, "useful": 0, "invalid": 1, "precision": 0.0},
        {"kind": "rule", "name": "notNull", "total": 1, "useful": 0, "invalid": 1, "precision": 0.0},
    ]


def test_filters_of_the_list_narrow_it(as_, admin, org, metric):
    other = factories.make_metric(Datastore.objects.create(org=org, name="Other"))
    here, there = found(metric), found(other)
    factories.put_tag(there, "High")
    client = as_(admin)

    def total(query: str) -> int:
        return client.get(f"{ADDRESS}?{query}").json()["total"]

    assert (total(""), total(f"datastore={here.datastore_id}"), total("tag=High"), total("anomaly_type=record")) == (2, 1, 1, 0)


@pytest.mark.parametrize(
    ("query", "field"),
    [("timeframe=decade", "timeframe"), ("timeframe=367", "timeframe"), ("timeframe=0", "timeframe"), ("sort_id=asc", "sort_id"),
     ("page=2", "page"), ("datastore=x", "datastore")],
)  # fmt: skip
def test_nonsense_is_named(as_, viewer, query, field):
    answer = as_(viewer).get(f"{ADDRESS}?{query}")
    assert (answer.status_code, answer.json()["errors"][0]["loc"]) == (422, ["query", field])


def test_only_what_one_sees_is_counted(as_, as_org, metric, stranger, outsider):
    found(metric)
    assert as_org.get(ADDRESS).json()["total"] == 1
    for user in (stranger, outsider):
        shown = as_(user).get(f"{ADDRESS}?timeframe=3").json()
        assert (shown["total"], len(shown["days"]), shown["precision"]) == (0, 3, [])


def test_a_year_has_its_days(as_, viewer):
    days = as_(viewer).get(f"{ADDRESS}?timeframe=year").json()["days"]
    assert (len(days), days[-1]["date"]) == (365, TODAY.date().isoformat())


def test_query_counts(as_, viewer, author, metric, same_queries):
    client = as_(viewer)
    client.get(ADDRESS)
    for number in range(20):
        step(found(metric, number), "Active", "Acknowledged", minutes=10, user=author)
    same_queries("GET /api/insights", lambda: client.get(ADDRESS))
