"""How anomalies come and go."""

from datetime import UTC, datetime, timedelta

import pytest

from anomalies.models import Anomaly, FailedCheck, FailedField
from anomalies.services.history import DETECTOR, USER, Line, write_history
from datastores.models import Container, Datastore
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


def of_checks(datastore, *checks, table=None, status: str = "Active", days_ago: int = 0) -> Anomaly:
    """An anomaly that violates checks: (id, rule, fields) each."""
    anomaly = Anomaly.objects.create(
        org=datastore.org,
        datastore=datastore,
        container=table,
        type="record",
        message="x",
        created=TODAY - timedelta(days=days_ago),
        status=status,
    )
    for pk, rule, *fields in checks:
        check = FailedCheck.objects.create(org=datastore.org, anomaly=anomaly, quality_check_id=pk, rule_type=rule, message="x")
        for name in fields:
            FailedField.objects.create(org=datastore.org, anomaly=anomaly, failed_check=check, name=name)
    return anomaly


def line(kind: str, name: str, total: int, invalid: int, precision: float, *, id: int | None = None) -> dict[str, object]:
    useful = total - invalid
    return {"kind": kind, "id": id, "name": name, "total": total, "useful": useful, "invalid": invalid, "precision": precision}


def precision(client, query: str = "") -> list[dict[str, object]]:
    return client.get(f"{ADDRESS}?{query}").json()["precision"]


def test_precision_is_the_share_that_people_did_not_call_invalid(as_, viewer, datastore, metric):
    for status in ("Active", "Resolved", "Invalid", "Discarded"):
        found(metric, status=status, detectors=[{"name": "residual", "score": 9.0}, {"name": "flat_line", "score": 5.0}])
    found(metric, detectors=[])
    of_checks(datastore, (None, "notNull"), (None, "notNull"), (None, "between"), status="Invalid")
    assert precision(as_(viewer)) == [
        line("series", metric.name, 5, 1, 0.8, id=metric.pk),
        line("detector", "residual", 4, 1, 0.75),
        line("rule", "between", 1, 1, 0.0),
        line("rule", "notNull", 1, 1, 0.0),
    ]


def test_each_check_is_called_as_in_the_latest_that_it_found(as_, viewer, datastore):
    orders, sold = (Container.objects.create(org=datastore.org, datastore=datastore, name=name) for name in ("orders", "sold"))
    of_checks(datastore, (7, "notNull", "customer"), (8, "between", "price", "tax"), table=orders, status="Invalid", days_ago=2)
    of_checks(datastore, (7, "notNull", "customer_id"), (7, "notNull", "customer_id"), table=sold, days_ago=1)
    of_checks(datastore, (9, "volumetric"))
    assert [one for one in precision(as_(viewer)) if one["kind"] == "check"] == [
        line("check", "notNull of customer_id in sold", 2, 1, 0.5, id=7),
        line("check", "between of price, tax in orders", 1, 1, 0.0, id=8),
        line("check", "volumetric", 1, 0, 1.0, id=9),
    ]


def test_each_kind_has_its_fifty(as_, viewer, datastore):
    for number in range(51):
        many = factories.make_metric(datastore, f"s{number:02}")
        for _ in range(2 if number == 50 else 1):
            found(many, detectors=[{"name": f"d{number}", "score": 1.0}])
        of_checks(datastore, (number, f"rule{number}"))
    shown = precision(as_(viewer))
    assert {kind: sum(one["kind"] == kind for one in shown) for kind in ("detector", "rule", "check", "series")} == {
        "detector": 50, "rule": 50, "check": 50, "series": 50,
    }  # fmt: skip
    assert [(one["kind"], one["name"], one["total"]) for one in shown[:3]] == [
        ("detector", "d50", 2), ("series", "s50", 2), ("check", "rule0", 1),
    ]  # fmt: skip


def test_the_noisiest_or_the_most_useful_come_first_and_a_handful_makes_a_share(as_, viewer, datastore):
    def calls(name: str, good: int, bad: int) -> None:
        series = factories.make_metric(datastore, name)
        for number in range(good + bad):
            found(series, status="Invalid" if number < bad else "Resolved", detectors=[])

    for name, good, bad in (("few", 0, 4), ("half", 3, 3), ("noisy", 1, 4), ("quiet", 5, 0), ("busy", 6, 6)):
        calls(name, good, bad)
    names = {sort: [one["name"] for one in precision(as_(viewer), f"sort_precision={sort}")] for sort in ("asc", "desc")}
    assert names["asc"] == ["noisy", "busy", "half", "quiet", "few"]
    assert names["desc"] == ["quiet", "busy", "half", "noisy", "few"]
    assert [one["name"] for one in precision(as_(viewer))] == ["busy", "half", "noisy", "quiet", "few"]


def test_precision_is_of_what_one_sees_and_called_by_it(as_, admin, viewer, stranger, outsider, org, datastore):
    hidden = Datastore.objects.create(org=org, name="Hidden")
    table = Container.objects.create(org=org, datastore=hidden, name="salaries")
    of_checks(datastore, (7, "notNull", "name"))
    of_checks(hidden, (7, "notNull", "salary"), table=table, status="Invalid")
    found(factories.make_metric(hidden, "secret"))
    assert [one["total"] for one in precision(as_(admin)) if one["kind"] == "check"] == [2]
    assert precision(as_(viewer)) == [line("check", "notNull of name", 1, 0, 1.0, id=7), line("rule", "notNull", 1, 0, 1.0)]
    assert [precision(as_(user)) for user in (stranger, outsider)] == [[], []]


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
     ("page=2", "page"), ("datastore=x", "datastore"), ("sort_precision=up", "sort_precision")],
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
        of_checks(metric.datastore, (number, "notNull", "a", "b"))
    same_queries("GET /api/insights", lambda: client.get(ADDRESS))
