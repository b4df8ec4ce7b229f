"""A list that was read before is shown again while nothing has changed, and never once something has."""

from datetime import timedelta

import pytest
from django.db import connection
from django.http import QueryDict
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import Level, User
from anomalies import kept_lists, tasks
from anomalies.models import Anomaly, AnomalyTag, FailedCheck, FailedField, ListChange, Tag
from anomalies.pages.counts import counts_of
from anomalies.pages.listing import Listing
from datastores.models import Datastore, TeamAccess
from metrics.models import Metric
from orgs.tenancy import within
from tests import factories
from tests.api.conftest import client_with

pytestmark = pytest.mark.django_db(transaction=True)
FILTERS = "tag=High&rule_type=between&field=total&search=higher"
# Whose the token is, the token, what has changed, the anomalies of the page.
QUERIES_OF_A_KEPT_LIST = 3


@pytest.fixture
def world(monkeypatch):
    """An anomaly that the filters find, one that they do not, a viewer, their client; whatever is read is kept."""
    monkeypatch.setattr(kept_lists, "WORTH_S", 0.0)
    org = factories.make_org("Acme", slug="acme")
    datastore = org.datastores.get()
    metric = factories.make_metric(datastore, "checkout")
    found, other = (factories.make_anomaly(metric, kind=kind) for kind in ("a", "b"))
    for one in (found, other):
        check = FailedCheck.objects.create(org=org, anomaly=one, rule_type="between", message="-")
        FailedField.objects.create(org=org, anomaly=one, failed_check=check, name="total")
    factories.put_tag(found, "High")
    viewer = factories.make_user(org, "Vic Viewer", level=Level.VIEWER, datastore=datastore)
    return found, other, viewer, client_with(factories.make_personal_token(viewer))


def ids(client, query=FILTERS):
    return {one["id"] for one in client.get(f"/api/anomalies?{query}").json()["items"]}


def queries(client, query=FILTERS):
    with CaptureQueriesContext(connection) as captured:
        ids(client, query)
    return len(captured.captured_queries)


def test_a_list_is_read_once(world):
    found, _, _, client = world
    assert queries(client) > QUERIES_OF_A_KEPT_LIST
    assert queries(client) == queries(client, f"{FILTERS}&size=10") == QUERIES_OF_A_KEPT_LIST
    assert ids(client) == {found.pk}
    assert client.get(f"/api/anomalies?{FILTERS}&page=2").json() == {"items": [], "total": 1, "page": 2, "size": 50, "pages": 1}
    assert queries(client, f"{FILTERS}&sort_weight=desc") > QUERIES_OF_A_KEPT_LIST


def test_a_list_of_which_redis_has_let_go_of_a_part_is_read_anew(world):
    """As a server does that is short of memory."""
    found, other, viewer, client = world
    listing = Listing.read(QueryDict(""))
    with within(viewer.org_id):
        counted = counts_of(listing, viewer, look_at=10)
        assert ids(client, "") == {found.pk, other.pk}
        kept_lists._redis().delete(*kept_lists._redis().keys("plumbline:anomalies:lists:*:content"))
        assert ids(client, "") == {found.pk, other.pk}
        assert counts_of(listing, User.objects.get(pk=viewer.pk), look_at=10) == counted


CHANGES = {
    "status": lambda found, other: Anomaly.objects.filter(pk=found.pk).update(status="Resolved"),
    "weight": lambda found, other: Anomaly.objects.filter(pk=found.pk).update(weight=9),
    "message": lambda found, other: Anomaly.objects.filter(pk=found.pk).update(message="-"),
    "tag": lambda found, other: factories.put_tag(other, "High"),
    "untag": lambda found, other: AnomalyTag.objects.filter(anomaly=found).delete(),
    "name": lambda found, other: Tag.objects.filter(name="High").update(name="Low"),
    "assignee": lambda found, other: factories.assign(found, other.org.users.first()),
    "check": lambda found, other: FailedCheck.objects.filter(anomaly=found).update(rule_type="unique"),
    "field": lambda found, other: FailedField.objects.filter(anomaly=found).delete(),
    "series": lambda found, other: Metric.objects.filter(pk=found.metric_id).update(name="orders"),
    "new": lambda found, other: factories.make_anomaly(found.metric, kind="c"),
    "gone": lambda found, other: other.delete(),
}


@pytest.mark.parametrize("change", [pytest.param(change, id=name) for name, change in CHANGES.items()])
def test_every_change_of_what_lists_show_makes_them_read_anew(world, change):
    found, other, _, client = world
    both = [{found.pk}, {found.pk, other.pk}]
    assert [ids(client), ids(client, "")] == both
    assert queries(client) == QUERIES_OF_A_KEPT_LIST
    change(found, other)
    assert queries(client) > QUERIES_OF_A_KEPT_LIST
    after = [ids(client), ids(client, "")]
    kept_lists._redis().flushdb()
    assert after == [ids(client), ids(client, "")]


def test_changes_show_in_what_is_listed(world):
    found, other, _, client = world
    assert ids(client) == {found.pk}
    factories.put_tag(other, "High")
    assert ids(client) == {found.pk, other.pk}
    Anomaly.objects.filter(pk=found.pk).update(status="Resolved")
    assert ids(client) == {other.pk}
    Tag.objects.filter(name="High").update(name="Low")
    assert ids(client) == set()


def test_a_change_shows_when_it_is_committed_however_long_ago_it_was_made(world):
    found, other, _, client = world
    late = connection.copy()
    try:
        late.set_autocommit(False)
        with within(found.org_id), late.cursor() as cursor:
            cursor.execute("UPDATE anomalies_anomaly SET status = 'Resolved' WHERE id = %s", [found.pk])
        Anomaly.objects.filter(pk=other.pk).update(weight=7)
        assert ids(client, "") == {found.pk, other.pk}
        assert queries(client, "") == QUERIES_OF_A_KEPT_LIST
        late.commit()
        assert ids(client, "") == {other.pk}
    finally:
        late.close()


def test_what_lists_do_not_show_and_other_orgs_change_nothing(world):
    found, _, _, client = world
    ids(client)
    Anomaly.objects.filter(pk=found.pk).update(is_new=False, description="Seen", updated=timezone.now())
    elsewhere = factories.make_org("Other", slug="other")
    factories.make_anomaly(factories.make_metric(elsewhere.datastores.get(), "checkout"))
    assert queries(client) == QUERIES_OF_A_KEPT_LIST
    assert client.get(f"/api/anomalies?{FILTERS}").json()["items"][0]["description"] == "Seen"


def test_who_may_see_less_sees_less_at_once(world):
    found, other, viewer, client = world
    assert ids(client, "") == {found.pk, other.pk}
    TeamAccess.objects.filter(datastore=found.datastore).delete()
    assert ids(client, "") == set()
    factories.grant(viewer, found.datastore, Level.REPORTER)
    assert ids(client, "") == {found.pk, other.pk}
    Datastore.objects.filter(pk=found.datastore_id).delete()
    assert ids(client, "") == set()


def test_one_does_not_get_the_list_of_another(world):
    found, other, viewer, client = world
    assert ids(client, "") == {found.pk, other.pk}
    nobody = factories.make_user(viewer.org, "Nora Nobody")
    assert ids(client_with(factories.make_personal_token(nobody)), "") == set()
    stranger = factories.make_user(factories.make_org("Other", slug="other"), "Otto Other", role="admin")
    assert ids(client_with(factories.make_personal_token(stranger)), "") == set()


def test_without_redis_lists_are_read(world, settings):
    found, other, _, client = world
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    kept_lists._redis.cache_clear()
    try:
        assert ids(client, "") == ids(client, "") == {found.pk, other.pk}
    finally:
        kept_lists._redis.cache_clear()


def test_changes_of_long_ago_are_forgotten(world):
    found, *_ = world
    now = timezone.now()
    ListChange.objects.all().delete()
    ListChange.objects.create(org=found.org, xid=1, at=now - timedelta(days=2))
    kept = ListChange.objects.create(org=found.org, xid=2, at=now - timedelta(hours=23))
    assert tasks.forget_list_changes() == 1
    assert list(ListChange.objects.all()) == [kept]
