"""The quota as a page: usage and how it went, what counts, removal with a look before."""

from datetime import timedelta

import pytest
from django.utils import timezone

from billing.models import UsageDay
from metrics.models import Metric, name_digest
from orgs.models import Org, RefusedSeries
from tests import factories

PAGE = "/app/settings/quota"
HTMX = {"HX-Request": "true"}


@pytest.fixture
def metrics(datastore, other_datastore):
    Org.objects.filter(pk=datastore.org_id).update(metric_limit=10)
    factories.make_metric(other_datastore, "web.a")
    return [factories.make_metric(datastore, name) for name in ("web.a", "web.b", "db.a")]


def do(client, **said):
    return client.post(PAGE, {"do": "remove", **said}, headers=HTMX)


def test_it_shows_use_and_what_counts(as_, admin, metrics):
    page = as_(admin).get(PAGE)
    assert b"3 of 10 metrics" in page.content
    assert [metric.name for metric in page.context["page"].rows] == ["db.a", "web.a", "web.b"]
    assert [metric.name for metric in as_(admin).get(f"{PAGE}?search=WEB").context["page"].rows] == ["web.a", "web.b"]


def test_how_it_went_is_drawn(as_, admin, org, metrics):
    today = timezone.now().date()
    for ago, used in ((2, 10), (1, 5)):
        UsageDay.objects.create(org=org, day=today - timedelta(days=ago), metrics=used, metric_limit=20)
    page = as_(admin).get(PAGE)
    chart = page.context["chart"]
    assert (chart.top, chart.since, chart.until) == (20, today - timedelta(days=29), today)
    assert [(bar.day, bar.used, bar.limit) for bar in chart.days] == [
        (today, 3, 10), (today - timedelta(days=1), 5, 20), (today - timedelta(days=2), 10, 20),
    ]  # fmt: skip
    drawn = page.content.decode()
    assert [drawn.count(f'y="{y}"') for y in (50, 75, 85)] == [1, 1, 1]


def test_refused_points_are_told(as_, admin, org):
    told = {"refused": 12, "example": "new.metric", "invalid": 3, "invalid_example": "x: bad time"}
    RefusedSeries.objects.create(org=org, day=timezone.now().date(), **told)
    page = as_(admin).get(PAGE).content
    assert (b"Refused points" in page, b"x: bad time" in page) == (True, True)


def test_a_removal_is_first_looked_at(as_, admin, metrics):
    client = as_(admin)
    answer = do(client, pattern="web.*")
    assert (b"2 metrics would be removed" in answer.content, Metric.objects.count()) == (True, 4)
    assert b"Remove 2 metrics" in answer.content
    assert b"points can be read no more, and are erased from the disk when the retention of 400 days ends" in answer.content
    assert b"2 metrics were removed" in do(client, pattern="web.*", sure="on").content
    assert list(Metric.objects.for_org(admin.org).values_list("name", flat=True)) == ["db.a"]
    assert Metric.objects.count() == 2


def test_chosen_ones_are_removed_and_their_namesakes_elsewhere_stay(as_, admin, metrics, org):
    warehouse = org.datastores.create(org=org, name="Warehouse")
    factories.make_metric(warehouse, "db.a")
    client = as_(admin)
    answer = do(client, chosen=[metrics[2].pk])
    assert b'name="chosen" value="%d"' % metrics[2].pk in answer.content
    do(client, chosen=[metrics[2].pk], sure="on")
    assert not Metric.objects.filter(pk=metrics[2].pk).exists()
    assert warehouse.metrics.count() == 1


def test_a_look_says_when_more_fit_than_go_at_once(as_, admin, datastore):
    names = [f"web.{number:04}" for number in range(5001)]
    rows = [Metric(org_id=admin.org_id, datastore=datastore, name=name, digest=name_digest(name)) for name in names]
    Metric.objects.bulk_create(rows)
    client = as_(admin)
    looked = do(client, pattern="web.*").content
    assert (b"Remove 5,000 metrics" in looked, b"and 4,950 more" in looked, b"at most 5,000 go at once" in looked) == (True, True, True)
    assert b"More fit: remove again for the rest." in do(client, pattern="web.*", sure="on").content
    last = do(client, pattern="web.*")
    assert (b"Remove 1 metric<" in last.content, b"More metrics fit" in last.content) == (True, False)


def test_metrics_of_other_orgs_are_not_removed(as_, outsider, metrics):
    assert b"No metric has such a name" in do(as_(outsider), chosen=[metrics[0].pk]).content
    do(as_(outsider), chosen=[metrics[0].pk], sure="on")
    assert Metric.objects.count() == 4


@pytest.mark.parametrize("said", [{}, {"pattern": ""}, {"chosen": ["x"]}, {"pattern": "\x00"}, {"pattern": "x" * 501}])
def test_nothing_chosen_removes_nothing(as_, admin, metrics, said):
    answer = do(as_(admin), **said, sure="on")
    assert (answer.status_code, Metric.objects.count()) == (200, 4)
    assert b"would be removed" not in answer.content


def test_it_is_for_admins_and_a_demo_user_only_looks(as_, org, viewer, manager, metrics):
    demo = factories.make_user(org, "Dan", is_demo=True)
    assert [as_(person).get(PAGE).status_code for person in (viewer, manager, demo)] == [403, 403, 200]
    assert as_(demo).post(PAGE, {"do": "remove", "pattern": "*", "sure": "on"}).status_code == 403
    assert Metric.objects.count() == 4


def test_empty_states(as_, admin):
    assert b"Nothing counts yet" in as_(admin).get(PAGE).content
    assert b"No metric like that" in as_(admin).get(f"{PAGE}?search=x").content


def test_queries_do_not_grow(as_, admin, datastore, queries_of):
    client = as_(admin)
    factories.make_metric(datastore, "first")
    few = queries_of(lambda: client.get(PAGE))
    for number in range(70):
        factories.make_metric(datastore, f"metric {number:02}")
    assert queries_of(lambda: client.get(PAGE)) == few
    assert client.get(f"{PAGE}?page=2").context["page"].last == 71
