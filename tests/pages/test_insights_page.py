"""The page that says how anomalies come and go."""

from datetime import timedelta

import pytest
from django.utils import timezone

from anomalies.models import Anomaly, FailedCheck, FailedField
from anomalies.services.history import USER, Line, write_history
from datastores.models import Container, Datastore
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
    assert f'<a class="name" href="/app/metrics/{metric.pk}">checkout.latency</a>' in page
    assert "Useful 75 % of 4 anomalies, 30 d" in page
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


def check(anomaly: Anomaly, pk: int | None, rule: str, *fields: str) -> None:
    failed = FailedCheck.objects.create(org=anomaly.org, anomaly=anomaly, quality_check_id=pk, rule_type=rule, message="It is null.")
    for name in fields:
        FailedField.objects.create(org=anomaly.org, anomaly=anomaly, failed_check=failed, name=name)


def worth(client, query: str = "") -> str:
    page = client.get(f"{PAGE}?{query}").content.decode()
    return page.split('<section class="panel" id="worth"')[1].split("</section>")[0]


def names(part: str) -> list[str]:
    return [cell.split('class="what">')[1].removeprefix("<a ").split("<")[0].split(">")[-1] for cell in part.split("<tr>")[2:]]


def test_rules_and_checks_are_called_by_words_and_lead_to_what_they_found(as_, viewer, metric):
    anomaly = found(metric)
    Anomaly.objects.filter(pk=anomaly.pk).update(
        container=Container.objects.create(org=metric.org, datastore=metric.datastore, name="<orders>")
    )
    check(anomaly, 7, "notNull", "customer_id")
    rules, checks = (worth(as_(viewer), f"kind={kind}") for kind in ("rule", "check"))
    assert '<a class="name" href="/app/inbox?rule_type=notNull&amp;archived=include">Not null</a>' in rules
    assert '<a class="name" href="/app/inbox?quality_check=7&amp;archived=include">Not null</a>' in checks
    assert '<div class="say">of customer_id in &lt;orders&gt;</div>' in checks
    assert "Useful 100 % of 1 anomaly, 30 d" in checks
    assert "Useful 100 % of 1 anomaly, 7 d" in worth(as_(viewer), "kind=check&timeframe=week")


def test_a_tab_per_kind_and_the_first_with_any(as_, viewer, metric):
    anomaly = found(metric, detectors=[{"name": "residual", "score": 9.0}])
    client = as_(viewer)
    assert names(worth(client)) == names(worth(client, "kind=series")) == names(worth(client, "kind=bogus")) == ["checkout.latency"]
    assert names(worth(client, "kind=detector")) == ["Off the forecast"]
    assert "No anomaly here was found by one of these." in worth(client, "kind=rule")
    Anomaly.objects.filter(pk=anomaly.pk).update(type="shape", metric=None)
    check(anomaly, 7, "volumetric")
    assert names(worth(client)) == ["Volumetric"]


def test_noisy_first_and_the_choice_is_kept(as_, viewer, datastore):
    for name, good, bad in (("good", 7, 0), ("noisy", 1, 5), ("few", 0, 2)):
        series = factories.make_metric(datastore, name)
        for number in range(good + bad):
            found(series, status="Invalid" if number < bad else "Resolved")
    client = as_(viewer)
    assert names(worth(client)) == ["good", "noisy", "few"]
    noisy = worth(client, f"sort=noisy&timeframe=week&datastore={datastore.pk}")
    assert names(noisy) == ["noisy", "good", "few"]
    assert "Useful 17 % of 6 anomalies, 7 d" in noisy
    assert "Fewer than 5 anomalies come last." in noisy
    assert '<input type="hidden" name="sort" value="noisy" form="filters">' in noisy
    assert f'href="/app/insights?timeframe=week&amp;datastore={datastore.pk}&amp;kind=rule&amp;sort=noisy#worth"' in noisy
    assert names(worth(client, "sort=bogus")) == ["good", "noisy", "few"]
