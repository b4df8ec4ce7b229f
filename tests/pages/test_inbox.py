"""The inbox: who sees what, how it is filtered, and the change of many."""

import re
from datetime import timedelta

import pytest
from django.core.cache import cache
from django.utils import timezone

from anomalies.models import Anomaly
from anomalies.pages import evidence, inbox, sidebar
from anomalies.services import facets
from anomalies.state_counts import counts_by_state, latest
from datastores.models import Container, Datastore
from tests import factories
from tests.pages.conftest import send_hours, spike

HTMX = {"HX-Request": "true"}


def ids(answer) -> list[int]:
    return [row.id for row in answer.context["page"].rows]


def tabs(answer) -> list[tuple[str, str, bool]]:
    return [(tab.label, tab.count, tab.current) for tab in answer.context["page"].sidebar.tabs]


def boxes(answer) -> dict[str, list[tuple[str, str, bool]]]:
    return {box.label: [(one.label, one.count, one.chosen) for one in box.choices] for box in answer.context["page"].sidebar.facets}


def chips(answer) -> list[tuple[str, str]]:
    return [(chip.label, chip.address) for chip in answer.context["page"].sidebar.chips]


def test_the_inbox_lists_what_is_open_newest_first(as_, reporter, metric):
    old, new = spike(metric, ago=timedelta(hours=5)), spike(metric, ago=timedelta(hours=1), status="Acknowledged")
    spike(metric, ago=timedelta(hours=2), status="Resolved")
    spike(metric, ago=timedelta(hours=3), snoozed_at=timezone.now(), snooze_count=3)
    answer = as_(reporter).get("/app/inbox")
    assert (answer.status_code, ids(answer)) == (200, [new.pk, old.pk])
    assert tabs(answer) == [("Open", "2", True), ("Snoozed", "1", False), ("Archived", "1", False)]
    (open_tab, _, archived) = answer.context["page"].sidebar.tabs
    assert [(part.label, part.count, part.address, part.current) for part in open_tab.parts] == [
        ("All", "2", "all", True), ("Active", "1", "status=Active", False), ("Acknowledged", "1", "status=Acknowledged", False),
    ]  # fmt: skip
    assert [(part.label, part.count, part.address) for part in archived.parts] == [
        ("All", "1", "archived=only"), ("Resolved", "1", "status=Resolved"), ("Duplicate", "0", "status=Duplicate"),
        ("Invalid", "0", "status=Invalid"), ("Discarded", "0", "status=Discarded"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("query", "tab", "found"),
    [("status=Active", "Open", "active"), ("status=Acknowledged", "Open", "acknowledged"), ("snoozed=only", "Snoozed", "asleep"),
     ("archived=only", "Archived", "resolved"), ("status=Resolved", "Archived", "resolved"), ("status=Invalid", "Archived", None)],
)  # fmt: skip
def test_each_tab_shows_its_own_and_counts_the_others(as_, reporter, metric, query, tab, found):
    made = {
        "active": spike(metric, ago=timedelta(hours=1)), "acknowledged": spike(metric, ago=timedelta(hours=2), status="Acknowledged"),
        "resolved": spike(metric, ago=timedelta(hours=3), status="Resolved"),
        "asleep": spike(metric, ago=timedelta(hours=4), snoozed_at=timezone.now(), snooze_count=3),
    }  # fmt: skip
    answer = as_(reporter).get(f"/app/inbox?{query}")
    assert ids(answer) == ([made[found].pk] if found else [])
    assert tabs(answer) == [("Open", "2", tab == "Open"), ("Snoozed", "1", tab == "Snoozed"), ("Archived", "1", tab == "Archived")]


def test_an_anomaly_of_another_org_is_not_there(as_, reporter, anomaly, other_datastore):
    theirs = spike(factories.make_metric(other_datastore, "checkout.latency"))
    assert theirs.pk not in ids(as_(reporter).get("/app/inbox"))
    assert ids(as_(reporter).get("/app/inbox")) == [anomaly.pk]


def test_without_a_level_there_is_nothing(as_, stranger, anomaly):
    answer = as_(stranger).get("/app/inbox")
    assert (ids(answer), boxes(answer)) == ([], {})


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("anomaly_type=metric", True), ("anomaly_type=record", False), ("anomaly_type=record,metric", True), ("search=latency", True),
        ("search=nothing", False), ("search=WHERE+0.5", True), ("archived=only", False), ("status=Acknowledged", False), ("page=-1", True),
        ("assignee=none", True), ("timeframe=day", True), ("search=", True), ("all", True),
    ],
)  # fmt: skip
def test_the_address_filters(as_, reporter, anomaly, query, found):
    assert ids(as_(reporter).get(f"/app/inbox?{query}")) == ([anomaly.pk] if found else [])


@pytest.mark.parametrize(
    ("query", "name", "why"),
    [("typ=metric", "typ", "There is no such filter."), ("anomaly_type=nonsense", "anomaly_type", "is none of metric, record, shape."),
     ("search=%00", "search", "Null characters are not allowed."), ("sort_weight=up", "sort_weight", "Say asc or desc."),
     ("datastore=x", "datastore", "is no id."), ("include_deleted=true", "include_deleted", "There is no such filter.")],
)  # fmt: skip
def test_what_the_list_cannot_follow_is_said_and_nothing_is_shown(as_, reporter, anomaly, query, name, why):
    answer = as_(reporter).get(f"/app/inbox?{query}&status=Active")
    assert (answer.status_code, ids(answer)) == (200, [])
    (wrong,) = answer.context["page"].listing.wrong
    assert wrong.name == name
    assert wrong.why.endswith(why)
    assert '<a class="btn primary" href="/app/inbox?status=Active">Show the list without it</a>' in answer.content.decode()


def test_the_address_finds_by_number_uuid_datastore_and_series(as_, reporter, anomaly):
    spike(factories.make_metric(anomaly.datastore, "other"), message="something else")
    for query in (f"search=%23{anomaly.pk}", f"search={anomaly.pk}", f"search={anomaly.uuid}", f"metric={anomaly.metric_id}"):
        assert ids(as_(reporter).get(f"/app/inbox?{query}")) == [anomaly.pk]
    assert len(ids(as_(reporter).get(f"/app/inbox?datastore={anomaly.datastore_id}"))) == 2
    assert ids(as_(reporter).get(f"/app/inbox?datastore={anomaly.datastore_id + 1}")) == []


def test_facets_count_each_value_without_their_own_filter(as_, reporter, author, metric):
    tagged = spike(metric)
    factories.put_tag(tagged, "checkout")
    factories.assign(tagged, author)
    spike(metric, ago=timedelta(hours=1))
    spike(metric, ago=timedelta(hours=2), status="Resolved")
    answer = as_(reporter).get("/app/inbox?anomaly_type=record&tag=checkout")
    assert boxes(answer) == {
        "Type": [("record", "0", True), ("metric", "1", False)], "Tag": [("checkout", "0", True)],
    }  # fmt: skip
    answer = as_(reporter).get("/app/inbox")
    assert boxes(answer) == {
        "Type": [("metric", "2", False)], "Datastore": [("Metrics", "2", False)],
        "Assignee": [("Al Author", "1", False), ("Nobody", "1", False)], "Tag": [("checkout", "1", False)],
    }  # fmt: skip
    assert boxes(as_(author).get("/app/inbox"))["Assignee"][0] == ("Me", "1", False)


def test_facets_of_a_long_list_are_counted_in_its_newest_and_then_in_more(as_, reporter, author, metric, monkeypatch):
    factories.assign(spike(metric, ago=timedelta(hours=2)), author)
    for hours in (0, 1):
        spike(metric, ago=timedelta(hours=hours))
    monkeypatch.setattr(inbox, "AT_ONCE", 1)
    monkeypatch.setattr(facets, "LOOKED_AT", 3)
    client = as_(reporter)
    answer = client.get("/app/inbox?anomaly_type=metric&page=1")
    assert (len(ids(answer)), tabs(answer)[0]) == (3, ("Open", "3", True))
    assert boxes(answer)["Assignee"] == [("Nobody", "2+", False)]
    page = answer.content.decode()
    assert 'hx-get="/app/inbox/facets?anomaly_type=metric" hx-trigger="load"' in page
    assert "Counted in the newest 1." in page
    assert '<noscript> <a href="/app/inbox/facets?anomaly_type=metric">Count more of them</a></noscript>' in page
    part = client.get("/app/inbox/facets?anomaly_type=metric", headers=HTMX)
    assert [(one.label, one.count) for one in part.context["panel"].facets[2].choices] == [("Nobody", "2"), ("Al Author", "1")]
    assert (b"<html" in part.content, b"hx-get" in part.content, b"Counted in" in part.content) == (False, False, False)
    assert part["Vary"] == "HX-Request, Cookie"
    whole = client.get("/app/inbox/facets?anomaly_type=metric")
    assert boxes(whole)["Assignee"] == [("Nobody", "2", False), ("Al Author", "1", False)]
    assert (ids(whole), b"Counted in" in whole.content) == (ids(answer), False)
    assert [place.label for place in whole.context["places"] if place.current] == ["Inbox"]


def test_facets_say_when_the_list_is_too_long_to_count(as_, reporter, metric, monkeypatch):
    for hours in range(3):
        spike(metric, ago=timedelta(hours=hours))
    monkeypatch.setattr(inbox, "LOOKED_AT", 1)
    monkeypatch.setattr(sidebar, "LOOKED_AT", 1)
    page = as_(reporter).get("/app/inbox/facets?all").content.decode()
    assert "Counted in the newest 1." in page
    assert 'hx-trigger="load"' not in page
    assert "Count more of them" not in page


def test_each_state_is_counted_up_to_its_cap(as_, reporter, stranger, metric, other_datastore):
    for hours in range(3):
        last = spike(metric, ago=timedelta(hours=hours))
    spike(metric, ago=timedelta(hours=9), status="Invalid")
    gone = spike(metric, ago=timedelta(hours=8))
    Anomaly.objects.filter(pk=gone.pk).update(deleted=timezone.now())
    theirs = spike(factories.make_metric(other_datastore, "checkout.latency"), ago=timedelta(hours=7))
    seen = Anomaly.objects.visible_to(reporter)
    assert {state: count for state, count in counts_by_state(seen, cap=1).items() if count} == {"Active": 2, "Invalid": 1}
    assert {state: count for state, count in counts_by_state(seen, cap=3).items() if count} == {"Active": 3, "Invalid": 1}
    assert counts_by_state(seen.none(), cap=3) == {}
    assert (latest(seen), latest(seen.filter(status="Active")), latest(seen.none())) == (last.pk + 1, last.pk, 0)
    assert (latest(Anomaly.objects.visible_to(stranger)), theirs.pk > last.pk) == (0, True)


def test_a_filter_that_is_on_is_taken_out_by_its_chip(as_, reporter, author, metric):
    query = f"anomaly_type=metric&anomaly_type=record&assignee={author.pk}&search=x&timeframe=week&status=Active"
    assert chips(as_(reporter).get(f"/app/inbox?{query}")) == [
        ("“x”", f"status=Active&anomaly_type=metric&anomaly_type=record&assignee={author.pk}&timeframe=week"),
        ("type: metric", f"search=x&status=Active&anomaly_type=record&assignee={author.pk}&timeframe=week"),
        ("type: record", f"search=x&status=Active&anomaly_type=metric&assignee={author.pk}&timeframe=week"),
        ("assignee: Al Author", "search=x&status=Active&anomaly_type=metric&anomaly_type=record&timeframe=week"),
        ("created: last week", f"search=x&status=Active&anomaly_type=metric&anomaly_type=record&assignee={author.pk}"),
    ]


def test_a_long_list_has_pages(as_, reporter, metric):
    for hours in range(30):
        spike(metric, ago=timedelta(hours=hours))
    first, second = (as_(reporter).get(f"/app/inbox?page={number}").context["page"] for number in (1, 2))
    assert (len(first.rows), first.first, first.last, first.sidebar.total, first.before, first.after) == (25, 1, 25, "30", "", "page=2")
    assert (len(second.rows), second.first, second.last, second.before, second.after) == (5, 26, 30, "all", "")
    assert b"1 to 25 of 30" in as_(reporter).get("/app/inbox").content


def test_a_page_behind_the_last_says_so_and_leads_to_the_last(as_, reporter, metric):
    for hours in range(30):
        spike(metric, ago=timedelta(hours=hours))
    page = as_(reporter).get("/app/inbox?status=Active&page=9").content.decode()
    assert "There is no page 9" in page
    assert '<a href="/app/inbox?status=Active&amp;page=2">Go to the last page</a>' in page


def test_the_list_is_sorted_by_a_column_and_back(as_, reporter, metric):
    light, heavy = spike(metric, ago=timedelta(hours=1), weight=2), spike(metric, ago=timedelta(hours=5), weight=9)
    answer = as_(reporter).get("/app/inbox?sort_weight=desc")
    assert ids(answer) == [heavy.pk, light.pk]
    assert answer.context["page"].headings["weight"].direction == "descending"
    assert answer.context["page"].headings["weight"].address == "sort_weight=asc"
    assert ids(as_(reporter).get("/app/inbox?sort_weight=asc")) == [light.pk, heavy.pk]
    assert as_(reporter).get("/app/inbox?sort_weight=asc").context["page"].headings["weight"].address == "all"


def test_the_file_has_the_filters_of_the_list(as_, reporter, anomaly):
    page = as_(reporter).get("/app/inbox?anomaly_type=metric&sort_weight=desc&page=3").content.decode()
    address = "/api/anomalies/export?format=csv&amp;anomaly_type=metric&amp;sort_weight=desc"
    assert f'href="{address}"' in page
    file = as_(reporter).get(address.replace("&amp;", "&"))
    lines = b"".join(file.streaming_content).decode().splitlines()
    assert [line.split(",")[0] for line in lines] == ["id", str(anomaly.pk)]


def test_a_row_shows_the_evidence(as_, reporter, anomaly):
    send_hours(anomaly.metric)
    factories.put_tag(anomaly, "checkout")
    answer = as_(reporter).get("/app/inbox")
    (row,) = answer.context["page"].rows
    assert (row.name, row.source, row.tags, row.weight, row.meter) == ("checkout.latency", "Metrics", ("checkout",), 1, 4)
    assert row.faces == ()
    assert row.spark.line.startswith("M")
    assert row.spark.hit.startswith("M")
    assert row.spark.band.endswith("Z")
    assert b'class="spark"' in answer.content


def test_what_was_found_in_history_says_when_it_began(as_, reporter, metric):
    began = timezone.now() - timedelta(days=90)
    spike(metric, created=timezone.now(), started_at=began, is_backfilled=True)
    answer = as_(reporter).get("/app/inbox")
    (row,) = answer.context["page"].rows
    assert (row.at, row.is_history) == (began, True)
    page = answer.content.decode()
    assert "Sorted by when it was found." in page
    assert re.search(
        r'<td class="end mute"><time [^>]+>\d+ s</time><div class="small nowrap">began <time [^>]+>3 mo</time>&nbsp;ago</div>', page
    )


@pytest.mark.parametrize(("ended_ago", "least_s", "most_s"), [(timedelta(minutes=10), 1, 30), (timedelta(hours=3), 3600, 24 * 3600)])
def test_a_picture_is_kept_long_only_when_all_that_it_shows_is_past(as_, reporter, metric, ended_ago, least_s, most_s):
    send_hours(metric, 8)
    spike(metric, ago=ended_ago + timedelta(minutes=5), ended_at=timezone.now() - ended_ago)
    (row,) = as_(reporter).get("/app/inbox").context["page"].rows
    assert row.spark is not None
    store = cache._cache.get_client()
    (key,) = store.keys("*spark:*")
    assert least_s <= store.ttl(key) <= most_s


def test_pictures_far_apart_in_time_come_one_by_one(as_, reporter, metric, monkeypatch):
    monkeypatch.setattr(evidence, "MAX_READS", 1)
    monkeypatch.setattr(evidence, "MAX_SPAN_MS", 0)
    send_hours(metric, 8)
    spike(metric, ago=timedelta(hours=1), ended_at=timezone.now() - timedelta(minutes=50))
    older = spike(metric, ago=timedelta(hours=5), ended_at=timezone.now() - timedelta(hours=4))
    client = as_(reporter)
    answer = client.get("/app/inbox")
    newest, oldest = answer.context["page"].rows
    address = f"/app/anomalies/{older.pk}/spark"
    assert (newest.spark is None, newest.spark_url, oldest.spark, oldest.spark_url) == (False, "", None, address)
    cell = f'<td class="evidence" hx-get="{address}" hx-trigger="intersect once" hx-target="this" hx-swap="innerHTML"></td>'
    assert cell in answer.content.decode()
    assert client.get(address).content.startswith(b'<svg class="spark"')
    assert [row.spark_url for row in client.get("/app/inbox").context["page"].rows] == ["", ""]


def test_a_picture_is_for_those_who_see_the_anomaly(as_, reporter, stranger, metric):
    one = spike(metric)
    address = f"/app/anomalies/{one.pk}/spark"
    assert as_(stranger).get(address).status_code == 404
    assert (as_(reporter).post(address).status_code, as_(reporter).get(address).content.strip()) == (405, b"")


def test_queries_do_not_grow_with_the_rows(as_, editor, metric, queries_of):
    send_hours(metric)
    spike(metric)
    client = as_(editor)
    few = queries_of(lambda: client.get("/app/inbox"))
    for minutes in range(1, 50):
        one = spike(factories.make_metric(metric.datastore, f"series {minutes}"), ago=timedelta(minutes=20 + minutes))
        factories.put_tag(one, f"tag {minutes}")
        factories.assign(one, editor)
    assert queries_of(lambda: client.get("/app/inbox")) == few


def test_htmx_gets_the_changing_part_alone(as_, reporter, anomaly):
    whole, part = as_(reporter).get("/app/inbox"), as_(reporter).get("/app/inbox", headers=HTMX)
    assert (b"<html" in whole.content, b"<html" in part.content) == (True, False)
    assert b'id="tabs" aria-label="Status" hx-swap-oob="true"' in part.content
    assert part["Vary"] == "HX-Request, Cookie"


@pytest.mark.parametrize(
    ("query", "says"),
    [("", b"No series yet"), ("?archived=only", b"Nothing is archived"), ("?snoozed=only", b"Nothing is snoozed"),
     ("?status=Acknowledged", b"Nothing is in this state"), ("?search=x", b"Nothing matches these filters")],
)  # fmt: skip
def test_an_empty_list_says_the_next_step(as_, reporter, query, says):
    page = as_(reporter).get(f"/app/inbox{query}").content
    assert says in page
    assert (b"curl -X POST http://testserver/flux/metric_data_post" in page) is (query == "")


def test_a_calm_org_is_told_so(as_, reporter, metric):
    assert b"Nothing waits" in as_(reporter).get("/app/inbox").content


def test_arrivals_are_counted_in_the_list_that_is_shown(as_, reporter, anomaly):
    spike(anomaly.metric, ago=timedelta(minutes=1))
    client = as_(reporter)
    assert b"1 new" in client.get(f"/app/inbox/arrivals?since={anomaly.pk}").content
    assert b"2 new" in client.get("/app/inbox/arrivals?since=0").content
    assert client.get(f"/app/inbox/arrivals?since={anomaly.pk}&anomaly_type=record").content.strip() == b""
    assert client.get(f"/app/inbox/arrivals?since={anomaly.pk + 99}").content.strip() == b""


def test_the_rail_counts_what_is_open(as_, reporter, anomaly):
    page = as_(reporter).get("/app/metrics")
    places = page.context["places"]
    assert [(place.label, place.count, place.current) for place in places] == [
        ("Overview", "", False), ("Inbox", "1", False), ("Metrics", "", True), ("Insights", "", False), ("Settings", "", False),
    ]  # fmt: skip


def test_ages_are_told_in_the_readers_zone(as_, reporter, anomaly):
    reporter.timezone = "Asia/Kolkata"
    reporter.save(update_fields=["timezone"])
    moment = timezone.now() - timedelta(days=2)
    Anomaly.objects.filter(pk=anomaly.pk).update(created=moment)
    page = as_(reporter).get("/app/inbox").content.decode()
    there = moment + timedelta(hours=5, minutes=30)
    assert f'title="{there:%a} {there.day} {there:%b, %H:%M} · {moment:%Y-%m-%d %H:%M:%S} UTC">2 d</time>' in page


def test_the_address_tells_no_name_of_a_table_out_of_reach(as_, org, reporter, admin, anomaly):
    hidden = Datastore.objects.create(org=org, name="Hidden")
    table = Container.objects.create(org=org, datastore=hidden, name="salaries")
    assert b"salaries" in as_(admin).get(f"/app/inbox?container={table.pk}").content
    assert b"salaries" not in as_(reporter).get(f"/app/inbox?container={table.pk}").content
