"""The page that says how anomalies come and go."""

from datetime import timedelta

import pytest
from django.utils import timezone

from anomalies.models import Anomaly, FailedCheck
from anomalies.services.history import USER, Line, write_history
from datastores.models import Datastore
from tests import factories

pytestmark = pytest.mark.django_db
PAGE = "/app/insights"


def found(metric, days_ago: int = 0, **fields) -> Anomaly:
    created = timezone.now() - timedelta(days=days_ago, minutes=5)
    return factories.make_anomaly(metric, kind=f"k{Anomaly.objects.count()}", created=created, **fields)


def test_it_counts_and_tells_times_and_worth(as_, viewer, author, metric):
    for days, status in ((0, "Active"), (1, "Acknowledged"), (1, "Invalid"), (3, "Resolved")):
        anomaly = found(metric, days, status=status, detectors=[{"name": "residual", "score": 9.0}])
        if status == "Resolved":
            line = Line(anomaly.org_id, anomaly.pk, {"status": ("Active", "Resolved")})
            write_history([line], actor=USER, user=author, at=anomaly.created + timedelta(hours=2))
    page = as_(viewer).get(PAGE).content.decode()
    assert '<span class="figure">4</span><small>2 still open</small>' in page
    assert '<span class="figure">2 h</span><small>median of 1; mean 2 h</small>' in page
    assert '<span class="figure">75 %</span>' in page
    assert "Off the forecast" in page
    assert "What was found in imported history is not counted." in page
    assert page.count('class="metric" x=') == 3


def test_filters_narrow_it_and_nonsense_is_left_out(as_, admin, org, metric):
    other = Datastore.objects.create(org=org, name="Other")
    found(metric, 40)
    factories.put_tag(found(factories.make_metric(other)), "High")
    client = as_(admin)

    def total(query: str) -> str:
        page = client.get(f"{PAGE}?{query}").content.decode()
        return page.split('<span class="figure">')[1].split("<")[0]

    assert [total(query) for query in ("", "timeframe=quarter", f"datastore={other.pk}", f"datastore={metric.datastore_id}")] == [
        "1",
        "2",
        "1",
        "0",
    ]
    assert [total(query) for query in ("tag=High", "tag=Nowhere", "timeframe=decade&datastore=x")] == ["1", "1", "1"]


def test_a_year_is_drawn_by_weeks(as_, viewer, metric):
    found(metric)
    page = as_(viewer).get(f"{PAGE}?timeframe=year").content.decode()
    assert "Detected per week" in page
    assert page.count('<rect class="whole"') == 53


def test_nothing_detected_says_so(as_, viewer, datastore):
    assert "Nothing was detected" in as_(viewer).get(PAGE).content.decode()


def test_only_what_one_sees_is_counted(as_, stranger, outsider, metric):
    found(metric)
    for user in (stranger, outsider):
        assert "Nothing was detected" in as_(user).get(PAGE).content.decode()


def test_a_visitor_is_led_to_the_log_in(client):
    assert client.get(PAGE)["Location"].startswith("/app/login")


def test_queries_do_not_grow(as_, viewer, metric, queries_of):
    client = as_(viewer)
    found(metric)
    client.get(PAGE)
    few = queries_of(lambda: client.get(PAGE))
    for number in range(20):
        factories.put_tag(found(metric, number), f"t{number}")
    assert queries_of(lambda: client.get(PAGE)) == few


def test_rules_are_called_by_words(as_, viewer, metric):
    FailedCheck.objects.create(org=metric.org, anomaly=found(metric), rule_type="notNull", message="It is null.")
    page = as_(viewer).get(PAGE).content.decode()
    assert ("Not null" in page, "notNull" in page) == (True, False)
