"""The page of one anomaly: what it says, who may do what on it, and what comes of it."""

from datetime import timedelta

import pytest
from django.utils import timezone

from anomalies.models import Anomaly, Change
from anomalies.pages import acts
from anomalies.services import Edit, change_anomaly, edit_anomalies
from anomalies.services.comments import comment_on
from datastores.models import Datastore
from tests import factories
from tests.pages.conftest import send_hours, spike

HTMX = {"HX-Request": "true"}


def page_of(anomaly) -> str:
    return f"/app/anomalies/{anomaly.pk}"


def test_the_page_begins_with_the_sentence(as_, reporter, anomaly):
    answer = as_(reporter).get(page_of(anomaly))
    assert answer.status_code == 200
    assert "<strong>9.5</strong> where <strong>0.5 to 1.5</strong> were expected." in answer.content.decode()


def test_a_sentence_is_text_and_not_markup(as_, reporter, metric):
    wicked = spike(metric, message="<script>alert(1)</script> 9 where 1 to 2 were expected")
    page = as_(reporter).get(page_of(wicked)).content
    assert b"<script>alert(1)" not in page
    assert b"&lt;script&gt;alert(1)&lt;/script&gt; <strong>9</strong>" in page


@pytest.mark.parametrize("path", ["", "/status", "/description"])
def test_outside_the_org_there_is_no_such_page(as_, outsider, anomaly, path):
    client = as_(outsider)
    assert (client.post if path else client.get)(page_of(anomaly) + path, {"status": "Acknowledged"}).status_code == 404
    assert Change.objects.count() == 0


def test_without_a_level_there_is_no_such_page(as_, stranger, anomaly):
    assert as_(stranger).get(page_of(anomaly)).status_code == 404


def test_why_it_fired_has_a_bar_per_detector(as_, reporter, metric):
    fired = [{"name": "residual", "label": "Far from its forecast.", "score": 8.0}, {"name": "mean_12", "label": "Off.", "score": 2.0}]
    reasons = as_(reporter).get(page_of(spike(metric, detectors=fired))).context["evidence"].why.reasons
    assert [(reason.name, reason.score, reason.width) for reason in reasons] == [
        ("Off the forecast", "8.0", 100), ("Level over the last 12 points", "2.0", 25),
    ]  # fmt: skip


def test_the_chart_is_told_where_its_data_are_and_what_to_mark(as_, reporter, anomaly):
    other = spike(anomaly.metric, ago=timedelta(hours=3), ended_at=timezone.now() - timedelta(hours=2))
    config = as_(reporter).get(page_of(anomaly)).context["chart"].config
    assert config["timeseries"] == f"/api/metrics/{anomaly.metric_id}/timeseries"
    assert config["forecast"] == f"/api/metrics/{anomaly.metric_id}/forecast"
    assert [(mark["id"], mark["main"], mark["end"] is None) for mark in config["marks"]] == [
        (anomaly.pk, True, True),
        (other.pk, False, False),
    ]
    assert config["end"] - config["start"] == 6 * 3600


@pytest.mark.parametrize(
    ("query", "length_s", "name"),
    [("", 6 * 3600, "6h"), ("range=1d", 86400, "1d"), ("range=30d", 30 * 86400, "30d"), ("range=x", 6 * 3600, "6h"),
     ("from=1000&to=1060", 60, ""), ("from=1060&to=1000", 6 * 3600, "6h"), ("from=a&to=9", 6 * 3600, "6h")],
)  # fmt: skip
def test_the_stretch_that_is_shown_is_in_the_address(as_, reporter, anomaly, query, length_s, name):
    shown = as_(reporter).get(f"{page_of(anomaly)}?{query}").context["chart"].shown
    assert (shown.end - shown.start, shown.name) == (length_s, name)


def test_an_old_anomaly_is_shown_with_what_came_after(as_, reporter, metric):
    began = timezone.now() - timedelta(days=40)
    old = spike(metric, ago=timedelta(days=40), ended_at=began + timedelta(minutes=5))
    shown = as_(reporter).get(page_of(old)).context["chart"].shown
    assert shown.start < began.timestamp() < shown.end < timezone.now().timestamp() - 39 * 86400


@pytest.mark.parametrize("lasted", [timedelta(hours=5), timedelta(hours=20), timedelta(days=9), timedelta(days=29), timedelta(days=70)])
@pytest.mark.parametrize("since_end", [timedelta(0), timedelta(days=3)])
@pytest.mark.parametrize("peak", [0.0, 0.95])
def test_the_first_chart_holds_start_peak_and_end_with_room(as_, reporter, metric, lasted, since_end, peak):
    began = timezone.now() - lasted - since_end
    long = spike(metric, ago=lasted + since_end, peak_at=began + peak * lasted, ended_at=began + lasted)
    shown = as_(reporter).get(page_of(long)).context["chart"].shown
    room = 0.04 * (shown.end - shown.start)
    assert shown.start + room < began.timestamp() < (began + lasted).timestamp() < shown.end - room


def test_the_first_chart_of_what_lasts_goes_up_to_now(as_, reporter, metric):
    ongoing = spike(metric, ago=timedelta(days=2))
    chart = as_(reporter).get(page_of(ongoing)).context["chart"]
    assert (chart.shown.name, [link.name for link in chart.links if link.current]) == ("11d", ["11d"])
    assert chart.shown.start < ongoing.started_at.timestamp() < timezone.now().timestamp() < chart.shown.end


def test_a_range_shorter_than_the_anomaly_shows_its_start(as_, reporter, metric):
    long = spike(metric, ago=timedelta(days=9), ended_at=timezone.now())
    shown = as_(reporter).get(f"{page_of(long)}?range=6h").context["chart"].shown
    assert (shown.end - shown.start, shown.start < long.started_at.timestamp() < shown.end) == (6 * 3600, True)


def test_opening_it_takes_away_the_mark_of_the_unseen(as_, reporter, anomaly):
    as_(reporter).get(page_of(anomaly))
    anomaly.refresh_from_db()
    assert (anomaly.is_new, Change.objects.count()) == (False, 0)


def test_a_demo_user_reads_and_leaves_no_trace(as_, org, anomaly):
    visitor = factories.make_user(org, "Dana Demo", is_demo=True)
    page = as_(visitor).get(page_of(anomaly))
    anomaly.refresh_from_db()
    assert (page.status_code, anomaly.is_new) == (200, True)
    assert b'id="set-status" name="status" value="Acknowledged" data-key="e" disabled' in page.content
    assert b"Visitors of the demo look at everything and change nothing." in page.content
    assert as_(visitor).post(page_of(anomaly) + "/status", {"status": "Acknowledged"}).status_code == 403


def test_an_author_acknowledges_it_and_the_history_says_so(as_, author, anomaly):
    answer = as_(author).post(page_of(anomaly) + "/status", {"status": "Acknowledged"}, headers=HTMX)
    anomaly.refresh_from_db()
    assert (answer.status_code, anomaly.status) == (200, "Acknowledged")
    entries = answer.context["detail"].timeline.entries
    assert [(entry.who, entry.text) for entry in entries] == [("", "Opened by the detector, score 87"), ("Al Author", "acknowledged it")]
    assert b'id="side" hx-swap-oob="true"' in answer.content
    assert b"<html" not in answer.content


def test_without_htmx_the_page_comes_again(as_, author, anomaly):
    answer = as_(author).post(page_of(anomaly) + "/status", {"status": "Acknowledged", "list": "type=metric"}, follow=True)
    assert answer.redirect_chain == [(f"{page_of(anomaly)}?list=type%3Dmetric", 302)]
    assert b"Acknowledged." in answer.content


def test_it_can_be_made_active_again(as_, author, anomaly):
    change_anomaly(anomaly, user=author, status="Acknowledged")
    assert b"Back to active" in as_(author).get(page_of(anomaly)).content
    as_(author).post(page_of(anomaly) + "/status", {"status": "Active"})
    anomaly.refresh_from_db()
    assert anomaly.status == "Active"


def test_an_archived_one_is_restored_to_acknowledged(as_, author, metric):
    archived = spike(metric, status="Resolved")
    page = as_(author).get(page_of(archived)).content
    assert (b"Restore" in page, b"Acknowledge <kbd" in page) == (True, False)
    as_(author).post(page_of(archived) + "/status", {"status": "Active"})
    archived.refresh_from_db()
    assert archived.status == "Acknowledged"


def test_what_one_call_did_in_steps_is_told_as_one(as_, author, metric):
    archived = spike(metric, status="Resolved")
    steps = [Edit(anomaly_id=archived.pk, status=status) for status in ("Acknowledged", "Active")]
    edit_anomalies(archived.org_id, steps, user=author)
    page = as_(author).get(f"/app/anomalies/{archived.pk}").content.decode()
    assert ("opened it again" in page, "restored it" in page, "made it active again" in page) == (True, False, False)


def test_an_original_is_named_to_whom_may_see_it(as_, admin, author, org, metric):
    duplicate, hidden = spike(metric), spike(factories.make_metric(Datastore.objects.create(org=org, name="Hidden")))
    Anomaly.objects.filter(pk=duplicate.pk).update(status="Duplicate", duplicate_of=hidden)
    link = f'<dt>Duplicate of</dt><dd><a href="/app/anomalies/{hidden.pk}">#{hidden.pk}</a></dd>'
    assert link in as_(admin).get(page_of(duplicate)).content.decode()
    page = as_(author).get(page_of(duplicate)).content.decode()
    assert ("Duplicate of</dt>" in page, f"/app/anomalies/{hidden.pk}" in page, f"#{hidden.pk}" in page) == (False, False, False)


def test_a_status_that_there_is_not_is_refused_in_words(as_, author, anomaly):
    answer = as_(author).post(page_of(anomaly) + "/status", {"status": "Resolved"}, headers=HTMX)
    anomaly.refresh_from_db()
    assert (answer.status_code, answer.context["is_error"], anomaly.status) == (200, True, "Active")
    assert b'<p class="error">Use Active or Acknowledged. Everything else is archiving.</p>' in answer.content


@pytest.mark.parametrize("who", ["reporter", "viewer", "drafter"])
def test_below_author_the_button_is_off_with_the_reason_and_nothing_changes(as_, cast, anomaly, who):
    client = as_(cast[who])
    page = client.get(page_of(anomaly)).content
    assert b'data-key="e" disabled aria-describedby="why-not"' in page
    assert b'id="why-not">This needs the level author on Metrics.' in page
    assert client.post(page_of(anomaly) + "/status", {"status": "Acknowledged"}).status_code == 403
    anomaly.refresh_from_db()
    assert (anomaly.status, Change.objects.count()) == ("Active", 0)


def test_an_editor_describes_it(as_, editor, anomaly):
    data = {"description": "Clocks went back.", "version": anomaly.updated.isoformat()}
    answer = as_(editor).post(page_of(anomaly) + "/description", data, headers=HTMX)
    anomaly.refresh_from_db()
    assert (answer.status_code, anomaly.description) == (200, "Clocks went back.")
    assert answer.context["detail"].timeline.entries[-1].quote == "Clocks went back."


def test_a_description_made_from_an_older_version_is_refused(as_, editor, author, anomaly):
    version = anomaly.updated.isoformat()
    change_anomaly(anomaly, user=author, status="Acknowledged")
    answer = as_(editor).post(page_of(anomaly) + "/description", {"description": "Late", "version": version}, headers=HTMX)
    anomaly.refresh_from_db()
    assert (answer.context["is_error"], anomaly.description) == (True, "")


OUT_OF_RANGE = ["9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59"]
NO_VERSIONS = [None, "", "yesterday", "2026-13-01T00:00:00Z", "2026-03-01T12:00:00", *OUT_OF_RANGE]


@pytest.mark.parametrize("version", NO_VERSIONS)
def test_a_description_made_from_no_version_is_refused(as_, editor, anomaly, version):
    data = {"description": "Late"} | ({} if version is None else {"version": version})
    answer = as_(editor).post(page_of(anomaly) + "/description", data, headers=HTMX)
    anomaly.refresh_from_db()
    assert (answer.status_code, anomaly.description, Change.objects.count()) == (200, "", 0)
    assert (answer.context["is_error"], answer.context["said"]) == (True, acts.LOOK_AGAIN)


def test_below_editor_nobody_describes(as_, author, anomaly):
    client = as_(author)
    assert b"description-text" not in client.get(page_of(anomaly)).content
    assert client.post(page_of(anomaly) + "/description", {"description": "x"}).status_code == 403
    anomaly.refresh_from_db()
    assert anomaly.description == ""


def test_a_reporter_sees_no_history(as_, reporter, viewer, anomaly):
    assert b'id="timeline"' not in as_(reporter).get(page_of(anomaly)).content
    assert b'id="timeline"' in as_(viewer).get(page_of(anomaly)).content


def test_the_neighbours_are_those_of_the_list_one_came_from(as_, reporter, metric, datastore):
    first, second, third = (spike(metric, ago=timedelta(hours=hours)) for hours in (1, 3, 5))
    spike(factories.make_metric(datastore, "other"), ago=timedelta(hours=2), message="something else")
    step = as_(reporter).get(f"{page_of(second)}?list=search%3Dlatency").context["detail"].step
    assert (step.place, step.address) == ("2 of 3", "search=latency")
    assert step.before == f"/app/anomalies/{first.pk}?list=search%3Dlatency"
    assert step.after == f"/app/anomalies/{third.pk}?list=search%3Dlatency"


def test_anomalies_of_other_series_at_that_time_stand_beside_it(as_, reporter, anomaly, datastore, other_datastore):
    near = spike(factories.make_metric(datastore, "near"), ago=timedelta(minutes=25))
    spike(factories.make_metric(datastore, "far"), ago=timedelta(minutes=55))
    spike(factories.make_metric(other_datastore, "theirs"), ago=timedelta(minutes=20))
    assert [row.id for row in as_(reporter).get(page_of(anomaly)).context["together"]] == [near.pk]


def test_a_long_timeline_is_read_to_its_beginning_without_a_gap(as_, editor, anomaly):
    for number in range(260):
        change_anomaly(anomaly, user=editor, description=f"change {number}")
        if number % 2:
            comment_on(anomaly, user=editor, message=f"comment {number}")
    client, seen, address = as_(editor), [], page_of(anomaly)
    for _ in range(9):
        stretch = client.get(address).context["detail"].timeline
        seen = [entry.said.message if entry.said else entry.quote or entry.text for entry in stretch.entries] + seen
        if not stretch.earlier:
            break
        address = f"{page_of(anomaly)}?timeline={stretch.earlier}"
    told = [text for number in range(260) for text in ((f"change {number}", f"comment {number}") if number % 2 else (f"change {number}",))]
    assert seen == ["Opened by the detector, score 87", *told]


def test_the_way_to_the_earlier_lines_and_back_keeps_the_list(as_, editor, anomaly):
    for number in range(101):
        change_anomaly(anomaly, user=editor, description=f"{number}")
    client = as_(editor)
    newest = client.get(f"{page_of(anomaly)}?list=type%3Dmetric")
    earlier = f"{page_of(anomaly)}?timeline={newest.context['detail'].timeline.earlier}&list=type%3Dmetric".replace(":", "%3A")
    assert f'id="earlier" href="{earlier.replace("&", "&amp;")}"' in newest.content.decode()
    assert b"Back to the newest" not in newest.content
    oldest = client.get(earlier)
    assert [entry.quote for entry in oldest.context["detail"].timeline.entries] == ["", "0", "1"]
    assert (oldest.context["detail"].undo, newest.context["detail"].undo is None) == (None, False)
    assert b'?list=type%3Dmetric">Back to the newest' in oldest.content


@pytest.mark.parametrize("moment", ["all", "2026-05-15T17:22:08", "0001-01-01T00:00:00+14:00", "%00", "9" * 400])
def test_a_moment_that_is_none_shows_the_newest(as_, editor, anomaly, moment):
    stretch = as_(editor).get(f"{page_of(anomaly)}?timeline={moment}").context["detail"].timeline
    assert (stretch.is_newest, [entry.text for entry in stretch.entries]) == (True, ["Opened by the detector, score 87"])


def test_queries_do_not_grow_with_the_history(as_, editor, anomaly, queries_of):
    send_hours(anomaly.metric)
    client = as_(editor)
    client.get(page_of(anomaly))
    few = queries_of(lambda: client.get(page_of(anomaly)))
    for number in range(50):
        change_anomaly(anomaly, user=editor, description=f"{number}")
        spike(anomaly.metric, ago=timedelta(hours=1 + number))
    assert queries_of(lambda: client.get(page_of(anomaly))) == few


def test_a_record_anomaly_has_a_page_too(as_, editor, datastore):
    record = Anomaly.objects.create(
        org=datastore.org, type="record", datastore=datastore, message="3 rows lack a name", created=timezone.now()
    )
    page = as_(editor).get(page_of(record))
    assert (page.status_code, page.context["chart"], page.context["detail"].title) == (200, None, "Metrics")
    assert as_(editor).get("/app/inbox").context["page"].rows[0].spark is None


def test_of_a_very_long_message_the_beginning_stands_out_and_the_whole_can_be_had(as_, reporter, metric):
    page = as_(reporter).get(page_of(spike(metric, message="w" * 20_000))).content.decode()
    assert f'<p class="sentence" dir="auto">{"w" * 599}…</p>' in page
    assert f'<p class="prose" dir="auto">{"w" * 20_000}</p>' in page
    assert "The whole message" not in as_(reporter).get(page_of(spike(metric, message="w" * 600))).content.decode()
