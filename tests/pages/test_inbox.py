"""The inbox: who sees what, how it is filtered, and the change of many."""

from datetime import timedelta

import pytest
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from anomalies.models import Anomaly, Change
from tests import factories
from tests.pages.conftest import send_hours, spike

HTMX = {"HX-Request": "true"}


def ids(answer) -> list[int]:
    return [row.id for row in answer.context["page"].rows]


def test_the_inbox_lists_what_is_open_newest_first(as_, reporter, metric):
    old, new = spike(metric, ago=timedelta(hours=5)), spike(metric, ago=timedelta(hours=1))
    spike(metric, ago=timedelta(hours=2), status="Resolved")
    answer = as_(reporter).get("/app/inbox")
    assert (answer.status_code, ids(answer)) == (200, [new.pk, old.pk])
    assert [(tab.label, tab.count, tab.current) for tab in answer.context["page"].tabs] == [
        ("Open", "2", True), ("Acknowledged", "0", False), ("Archived", "1", False),
    ]  # fmt: skip


def test_an_anomaly_of_another_org_is_not_there(as_, reporter, anomaly, other_datastore):
    theirs = spike(factories.make_metric(other_datastore, "checkout.latency"))
    assert theirs.pk not in ids(as_(reporter).get("/app/inbox"))
    assert ids(as_(reporter).get("/app/inbox")) == [anomaly.pk]


def test_without_a_level_there_is_nothing(as_, stranger, anomaly):
    answer = as_(stranger).get("/app/inbox")
    assert (ids(answer), answer.context["page"].datastores) == ([], ())


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("type=metric", True), ("type=record", False), ("type=nonsense", True), ("search=latency", True), ("search=nothing", False),
        ("search=WHERE+0.5", True), ("tab=archived", False), ("tab=acknowledged", False), ("tab=nonsense", True), ("page=2", False),
        ("page=-1", True), ("search=%00", True),
    ],
)  # fmt: skip
def test_the_address_filters(as_, reporter, anomaly, query, found):
    assert ids(as_(reporter).get(f"/app/inbox?{query}")) == ([anomaly.pk] if found else [])


def test_the_address_finds_by_number_uuid_datastore_and_series(as_, reporter, anomaly):
    spike(factories.make_metric(anomaly.datastore, "other"), message="something else")
    for query in (f"search=%23{anomaly.pk}", f"search={anomaly.pk}", f"search={anomaly.uuid}", f"metric={anomaly.metric_id}"):
        assert ids(as_(reporter).get(f"/app/inbox?{query}")) == [anomaly.pk]
    assert len(ids(as_(reporter).get(f"/app/inbox?datastore={anomaly.datastore_id}"))) == 2
    assert ids(as_(reporter).get(f"/app/inbox?datastore={anomaly.datastore_id + 1}")) == []


def test_facets_count_what_the_tab_and_the_search_show(as_, reporter, metric):
    spike(metric)
    spike(metric, ago=timedelta(hours=1), status="Resolved")
    page = as_(reporter).get("/app/inbox?type=record").context["page"]
    assert [(choice.label, choice.count, choice.chosen) for choice in page.types] == [("metric", "1", False), ("record", "0", True)]
    assert [(choice.label, choice.count) for choice in page.datastores] == [("Metrics", "1")]
    assert [(chip.label, chip.address) for chip in page.chips] == [("type: record", "")]


def test_a_long_list_has_pages(as_, reporter, metric):
    for hours in range(30):
        spike(metric, ago=timedelta(hours=hours))
    first, second = (as_(reporter).get(f"/app/inbox?page={number}").context["page"] for number in (1, 2))
    assert (len(first.rows), first.first, first.last, first.total, first.before, first.after) == (25, 1, 25, "30", "", "page=2")
    assert (len(second.rows), second.first, second.last, second.before, second.after) == (5, 26, 30, "", "")
    assert b"1 to 25 of 30" in as_(reporter).get("/app/inbox").content


def test_a_row_shows_the_evidence(as_, reporter, anomaly):
    send_hours(anomaly.metric)
    factories.put_tag(anomaly, "checkout")
    answer = as_(reporter).get("/app/inbox")
    (row,) = answer.context["page"].rows
    assert (row.name, row.source, row.tags, row.weight, row.meter) == ("checkout.latency", "Metrics", ("checkout",), 1, 4)
    assert row.spark.line.startswith("M")
    assert row.spark.hit.startswith("M")
    assert row.spark.band.endswith("Z")
    assert b'class="spark"' in answer.content


def test_what_was_found_in_history_is_as_old_as_it_is(as_, reporter, metric):
    began = timezone.now() - timedelta(days=90)
    spike(metric, created=timezone.now(), started_at=began, is_backfilled=True)
    answer = as_(reporter).get("/app/inbox")
    (row,) = answer.context["page"].rows
    assert (row.at, row.is_history) == (began, True)
    assert b">3 mo</time>" in answer.content


@pytest.mark.parametrize(("ended_ago", "least_s", "most_s"), [(timedelta(minutes=10), 1, 30), (timedelta(hours=3), 3600, 24 * 3600)])
def test_a_picture_is_kept_long_only_when_all_that_it_shows_is_past(as_, reporter, metric, ended_ago, least_s, most_s):
    send_hours(metric, 8)
    spike(metric, ago=ended_ago + timedelta(minutes=5), ended_at=timezone.now() - ended_ago)
    (row,) = as_(reporter).get("/app/inbox").context["page"].rows
    assert row.spark is not None
    store = cache._cache.get_client()
    (key,) = store.keys("*spark:*")
    assert least_s <= store.ttl(key) <= most_s


def test_queries_do_not_grow_with_the_rows(as_, editor, metric, queries_of):
    send_hours(metric)
    spike(metric)
    client = as_(editor)
    few = queries_of(lambda: client.get("/app/inbox"))
    for minutes in range(1, 50):
        one = spike(factories.make_metric(metric.datastore, f"series {minutes}"), ago=timedelta(minutes=20 + minutes))
        factories.put_tag(one, f"tag {minutes}")
    assert queries_of(lambda: client.get("/app/inbox")) == few


def test_htmx_gets_the_changing_part_alone(as_, reporter, anomaly):
    whole, part = as_(reporter).get("/app/inbox"), as_(reporter).get("/app/inbox", headers=HTMX)
    assert (b"<html" in whole.content, b"<html" in part.content) == (True, False)
    assert b'id="tabs" aria-label="Status" hx-swap-oob="true"' in part.content
    assert part["Vary"] == "HX-Request, Cookie"


@pytest.mark.parametrize(
    ("query", "says"),
    [("", b"No series yet"), ("?tab=archived", b"Nothing is archived"), ("?tab=acknowledged", b"Nobody is at work"),
     ("?search=x", b"Nothing matches these filters")],
)  # fmt: skip
def test_an_empty_list_says_the_next_step(as_, reporter, query, says):
    page = as_(reporter).get(f"/app/inbox{query}").content
    assert says in page
    assert (b"curl http://testserver/flux/metric_data_post" in page) is (query == "")


def test_a_calm_org_is_told_so(as_, reporter, metric):
    assert b"Nothing waits" in as_(reporter).get("/app/inbox").content


def test_arrivals_are_counted_in_the_list_that_is_shown(as_, reporter, anomaly):
    spike(anomaly.metric, ago=timedelta(minutes=1))
    client = as_(reporter)
    assert b"1 new" in client.get(f"/app/inbox/arrivals?since={anomaly.pk}").content
    assert b"2 new" in client.get("/app/inbox/arrivals?since=0").content
    assert client.get(f"/app/inbox/arrivals?since={anomaly.pk}&type=record").content.strip() == b""
    assert client.get(f"/app/inbox/arrivals?since={anomaly.pk + 99}").content.strip() == b""


def test_an_author_acknowledges_several_at_once(as_, author, metric):
    first, second, third = (spike(metric, ago=timedelta(hours=hours)) for hours in (1, 2, 3))
    data = {"id": [first.pk, second.pk], "status": "Acknowledged", "list": ""}
    answer = as_(author).post("/app/anomalies/change", data, headers=HTMX)
    assert answer.status_code == 200
    assert "2 acknowledged." in answer.content.decode()
    assert dict(Anomaly.objects.values_list("pk", "status")) == {first.pk: "Acknowledged", second.pk: "Acknowledged", third.pk: "Active"}
    assert list(Change.objects.order_by("anomaly").values_list("anomaly", "user", "changeset")) == [
        (first.pk, author.pk, {"status": ["Active", "Acknowledged"]}), (second.pk, author.pk, {"status": ["Active", "Acknowledged"]}),
    ]  # fmt: skip


def test_without_htmx_one_comes_back_to_the_list(as_, author, anomaly):
    data = {"id": [anomaly.pk], "status": "Acknowledged", "list": "type=metric"}
    answer = as_(author).post("/app/anomalies/change", data, follow=True)
    assert answer.redirect_chain == [("/app/inbox?type=metric", 302)]
    assert b"1 acknowledged." in answer.content


def test_below_author_there_is_no_box_and_no_change(as_, drafter, anomaly):
    client = as_(drafter)
    assert b'name="id"' not in client.get("/app/inbox").content
    assert client.post("/app/anomalies/change", {"id": [anomaly.pk], "status": "Acknowledged"}).status_code == 403
    anomaly.refresh_from_db()
    assert (anomaly.status, Change.objects.count()) == ("Active", 0)


def test_what_is_not_there_is_not_changed(as_, outsider, author, anomaly):
    as_(outsider).post("/app/anomalies/change", {"id": [anomaly.pk], "status": "Acknowledged"})
    anomaly.refresh_from_db()
    assert anomaly.status == "Active"
    answer = as_(author).post("/app/anomalies/change", {"id": ["x", "0"], "status": "Acknowledged"}, headers=HTMX)
    assert b"Nothing was selected." in answer.content


@pytest.mark.parametrize("status", ["Resolved", "", "acknowledged"])
def test_a_list_sets_no_other_status(as_, author, anomaly, status):
    as_(author).post("/app/anomalies/change", {"id": [anomaly.pk], "status": status})
    anomaly.refresh_from_db()
    assert anomaly.status == "Active"


def test_a_change_needs_the_csrf_token(author, anomaly):
    client = Client(enforce_csrf_checks=True)
    client.force_login(author)
    assert client.post("/app/anomalies/change", {"id": [anomaly.pk], "status": "Acknowledged"}).status_code == 403


def test_the_rail_counts_what_is_open(as_, reporter, anomaly):
    page = as_(reporter).get("/app/metrics")
    places = page.context["places"]
    assert [(place.label, place.count, place.current) for place in places] == [
        ("Overview", "", False), ("Inbox", "1", False), ("Metrics", "", True), ("Settings", "", False),
    ]  # fmt: skip


def test_ages_are_told_in_the_readers_zone(as_, reporter, anomaly):
    reporter.timezone = "Asia/Kolkata"
    reporter.save(update_fields=["timezone"])
    moment = timezone.now() - timedelta(days=2)
    Anomaly.objects.filter(pk=anomaly.pk).update(created=moment)
    page = as_(reporter).get("/app/inbox").content.decode()
    there = moment + timedelta(hours=5, minutes=30)
    assert f'title="{there:%a} {there.day} {there:%b, %H:%M} · {moment:%Y-%m-%d %H:%M:%S} UTC">2 d</time>' in page
