"""The chart: what it draws, the zoom that is in the address, the figures under the pointer and in the table."""

import re
from datetime import timedelta

import numpy as np
import pytest
from django.utils import timezone
from playwright.sync_api import expect

from metrics import points
from metrics.looks import LOOKS
from orgs.events import record_event
from orgs.moments import unix_ms
from tests import factories
from tests.e2e.conftest import ARTIFACTS

SHOWN = re.compile(r"[?&]from=(\d+)&to=(\d+)")


def drawn(page):
    expect(page.locator("#plot canvas")).to_be_visible()
    expect(page.locator(".plot-state")).to_have_count(0)
    return page


def test_a_drag_zooms_and_the_address_says_where(desk, world):
    page = drawn(desk.go(f"/app/anomalies/{world.anomalies[0].pk}?range=1d"))
    box = page.locator(".u-over").bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.6, box["y"] + 50)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.8, box["y"] + 60, steps=5)
    page.mouse.up()
    expect(page).to_have_url(SHOWN)
    start, end = map(int, SHOWN.search(page.url).groups())
    assert 4.5 * 3600 < end - start < 5.1 * 3600
    page.reload()
    assert drawn(page).evaluate("JSON.parse(document.getElementById('plot-config').textContent).start") == start


def test_a_range_is_chosen_without_a_new_page(desk, world):
    page = drawn(desk.go(f"/app/metrics/{world.metric.pk}"))
    page.evaluate("window.stays = true")
    page.get_by_role("link", name="6 h").click()
    expect(page.get_by_role("link", name="6 h")).to_have_attribute("aria-current", "true")
    assert page.url.endswith("?range=6h")
    assert page.evaluate("window.stays")


def test_the_figures_under_the_pointer(desk, world):
    page = drawn(desk.go(f"/app/anomalies/{world.anomalies[0].pk}"))
    expect(page.locator(".readout")).to_have_text("Drag over the chart to zoom in.")
    page.locator(".u-over").hover()
    expect(page.locator(".readout")).to_have_text(
        re.compile(r"^\w+ \d+ \w+, \d\d:\d\d:\d\d · value [\d.]+ · expected [\d.]+ · range [\d.]+ to [\d.]+$")
    )


def test_the_table_holds_what_the_chart_shows(desk, world):
    page = drawn(desk.go(f"/app/anomalies/{world.anomalies[0].pk}?range=6h"))
    page.get_by_role("link", name="table").click()
    expect(page.locator("#plot-table tbody tr")).to_have_count(72)
    expect(page.locator("#plot-table tr.hit")).to_have_count(12)
    page.get_by_role("link", name="table").click()
    expect(page.locator("#plot-table table")).to_have_count(0)


def test_the_scale_can_be_logarithmic(desk, world):
    page = drawn(desk.go(f"/app/metrics/{world.metric.pk}"))
    page.get_by_role("button", name="log", exact=True).click()
    expect(page.get_by_role("button", name="log", exact=True)).to_have_attribute("aria-pressed", "true")
    drawn(page)


def test_a_stretch_without_points_says_so(desk, world):
    page = desk.go(f"/app/metrics/{world.metric.pk}?from=1000000000&to=1000003600")
    expect(page.locator(".plot-state")).to_have_text("No points in this stretch of time.")


def test_a_refusal_is_told_in_the_chart(desk, world):
    desk.page.route("**/timeseries?*", lambda route: route.fulfill(status=503, json={"detail": "The database does not answer."}))
    page = desk.go(f"/app/metrics/{world.metric.pk}")
    expect(page.locator(".plot-state")).to_have_text("The database does not answer.")
    assert desk.complaints == ["Failed to load resource: the server responded with a status of 503 (Service Unavailable)"]
    desk.complaints.clear()


def test_a_deploy_stands_in_the_chart_and_below_it(desk, world):
    at = timezone.now() - timedelta(hours=2)
    org = world.author.org_id
    said = {"type": "deploy", "name": "checkout 2.14.0", "url": "https://ci.example.com/981", "timestamp": at}
    record_event(org, **said, datastore_id=world.metric.datastore_id)
    record_event(org, type="settings", name="Settings changed", timestamp=at)
    record_event(org, type="marker", name="Too long ago", timestamp=at - timedelta(days=2))
    page = drawn(desk.go(f"/app/metrics/{world.metric.pk}?range=6h"))
    expect(page.locator("#plot-events li")).to_have_text(re.compile(r"^\w+ \d+ \w+, \d\d:\d\d:\d\d · deploy · checkout 2\.14\.0$"))
    expect(page.locator("#plot-events a")).to_have_attribute("href", "https://ci.example.com/981")
    box = page.locator(".u-over").bounding_box()
    told = []
    for x in range(0, int(box["width"]), 5):
        page.mouse.move(box["x"] + x, box["y"] + 30)
        told.append("deploy checkout 2.14.0" in page.locator(".readout").inner_text())
    assert 1 <= told.count(True) <= 4
    page.screenshot(path=ARTIFACTS / "chart-with-deploy.png")
    page.get_by_role("link", name="30 d").click()
    expect(page.locator("#plot-events li")).to_have_count(2)


def test_a_chart_is_drawn_without_its_events_too(desk, world):
    desk.page.route("**/api/events?*", lambda route: route.fulfill(status=503, json={}))
    page = drawn(desk.go(f"/app/metrics/{world.metric.pk}"))
    expect(page.locator("#plot-events")).to_be_hidden()
    desk.complaints.clear()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_it_has_the_colours_of_the_theme(open_desk, world, theme):
    page = drawn(open_desk(color_scheme=theme).go(f"/app/anomalies/{world.anomalies[0].pk}?range=6h"))
    found = page.evaluate("""() => {
        const canvas = document.querySelector("#plot canvas");
        const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
        const hex = (at) => "#" + [0, 1, 2].map((n) => data[at + n].toString(16).padStart(2, "0")).join("");
        const seen = new Set();
        for (let at = 0; at < data.length; at += 4) if (data[at + 3] === 255) seen.add(hex(at));
        return [...seen];
    }""")
    assert {LOOKS[theme].anomaly, LOOKS[theme].ink} <= set(found)


def test_values_too_far_apart_to_be_drawn_are_told_in_words(desk, world):
    metric = factories.make_metric(world.metric.datastore, "far.apart", resolution_s=60.0)
    newest = unix_ms(timezone.now()) // 60_000 * 60_000
    times = newest - 60_000 * np.arange(30)[::-1]
    points.append(metric.org_id, np.full(30, metric.pk), times, np.where(np.arange(30) % 2, -1.7e308, 1.7e308))
    page = desk.go(f"/app/metrics/{metric.pk}?range=6h")
    expect(page.locator(".plot-state")).to_have_text("These values are too far apart to be drawn. The table has them.")
    page.get_by_role("link", name="table").click()
    expect(page.locator("#plot-table tbody tr")).to_have_count(30)
