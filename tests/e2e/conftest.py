"""A real browser on a real server, with a small org in it. Skipped, with the reason, where no Chromium can be had."""

import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from django.conf import settings
from django.utils import timezone
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from accounts.models import Level, User
from anomalies.models import Anomaly
from datastores.models import Datastore
from metrics import points
from metrics.models import Metric
from orgs.models import Org
from tests import factories

ARTIFACTS = Path(settings.BASE_DIR) / "test-artifacts"
CHROMIUM = next((path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.e2e)
            if CHROMIUM is None:
                item.add_marker(pytest.mark.skip(reason="no Chromium on this machine; `apt-get install chromium` brings one"))


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    # Playwright keeps an event loop in this thread, where Django would forbid what tests do between two clicks.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    with sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()
    del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@dataclass(frozen=True)
class World:
    """A small org: who is in it, and its anomalies, newest first."""

    author: User
    metric: Metric
    anomalies: list[Anomaly] = field(default_factory=list)


def daily(metric: Metric, *, days: int = 3, spike_ago: timedelta) -> None:
    """Points every five minutes with a daily wave, noise, a band, and an hour far above it."""
    step_ms, now_ms = 300_000, int(timezone.now().timestamp() * 1000)
    times = (now_ms // step_ms - np.arange(days * 288)[::-1]) * step_ms
    usual = 100 + 40 * np.sin(2 * np.pi * times / 86_400_000)
    values = usual + np.random.default_rng(metric.pk).normal(0, 3, times.size)
    start_ms = now_ms - int(spike_ago.total_seconds() * 1000)
    values[(times >= start_ms) & (times < start_ms + 3_600_000)] = 253
    series = np.full(times.size, metric.pk)
    points.append(metric.org_id, series, times, values)
    points.append_verdicts(metric.org_id, series, times, yhat=usual, lower=usual - 12, upper=usual + 12, score=np.zeros(times.size))


def excursion(metric: Metric, *, ago: timedelta, **fields: object) -> Anomaly:
    began = timezone.now() - ago
    said = {
        "message": "253 where 88 to 112 were expected, 5.9 times the width of the range above it, for 1 h.",
        "created": began, "started_at": began, "peak_at": began + timedelta(minutes=5), "ended_at": began + timedelta(hours=1),
        "peak_value": 253.0, "expected": 100.0, "expected_lower": 88.0, "expected_upper": 112.0, "score": 81.0, "weight": 8,
        "weight_breakdown": {"score": 7, "duration": 1, "tags": 0},
        "detectors": [
            {"name": "residual", "label": "The value is far from its forecast.", "score": 8.8},
            {"name": "time_of_day", "label": "The value is unusual for this time of the day.", "score": 7.1},
            {"name": "mean_12", "label": "The mean of the last 12 points is far from the usual level.", "score": 4.4},
        ],
    }  # fmt: skip
    return factories.make_anomaly(metric, **(said | fields))


@pytest.fixture
def world(transactional_db: None) -> World:
    org = factories.make_org("Northwind", timezone="Europe/Berlin")
    datastore: Datastore = org.datastores.get()
    author = factories.make_user(org, "Alice Lee", level=Level.EDITOR, datastore=datastore)
    found = []
    for hours, name in enumerate(("rds.cpu.utilization", "taxi.rides.half_hourly", "api.request.latency.p95"), start=3):
        learned = {
            "state": "active",
            "kind": "gauge",
            "resolution_s": 300.0,
            "period_s": 86400.0,
            "last_at": timezone.now(),
            "last_value": 97.2,
        }
        metric = factories.make_metric(datastore, name, **learned)
        daily(metric, spike_ago=timedelta(hours=hours))
        found.append(excursion(metric, ago=timedelta(hours=hours)))
    factories.put_tag(found[0], "checkout")
    colleague = factories.make_user(org, "Bob Patel", level=Level.AUTHOR, datastore=datastore)
    factories.make_notice(found[1], author, by=colleague, created=timezone.now() - timedelta(minutes=4), acknowledged=timezone.now())
    mention = "Is that the fair again, @[Alice Lee](1)? It looks like last year's."
    factories.make_notice(found[2], author, by=colleague, kind="mentioned", comment=mention, created=timezone.now())
    factories.make_metric(datastore, "queue.depth.mail")
    factories.make_metric(datastore, "ads.exchange4.cpc", state="active", is_stale=True, last_at=timezone.now() - timedelta(hours=5))
    return World(author, found[0].metric, found)


@dataclass
class Desk:
    """A logged-in page, and everything that its console complained about."""

    page: Page
    url: str
    complaints: list[str]

    def go(self, path: str) -> Page:
        self.page.goto(self.url + path)
        self.page.wait_for_load_state("networkidle")
        return self.page


def desk_of(context: BrowserContext, url: str, user: User) -> Desk:
    """Logs in as a person does, in an org without the second factor."""
    Org.objects.filter(pk=user.org_id).update(validates_clients=False)
    page, complaints = context.new_page(), []
    page.on("console", lambda message: complaints.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(f"{url}/app/login")
    page.get_by_label("E-mail").fill(user.email)
    page.get_by_label("Password").fill(factories.PASSWORD)
    page.get_by_role("button", name="Log in", exact=True).click()
    page.wait_for_url(f"{url}/app/")
    return Desk(page, url, complaints)


@pytest.fixture
def open_desk(browser: Browser, live_server, world: World):
    """A new browser window with these settings, logged in; checked at the end for complaints of the console."""
    opened: list[tuple[BrowserContext, Desk]] = []

    def make(user: User | None = None, **settings: object) -> Desk:
        context = browser.new_context(**{"viewport": {"width": 1500, "height": 900}, "locale": "en-GB", **settings})
        desk = desk_of(context, live_server.url, user or world.author)
        opened.append((context, desk))
        return desk

    yield make
    for context, _ in opened:
        context.close()
    assert [complaint for _, desk in opened for complaint in desk.complaints] == []


@pytest.fixture
def desk(open_desk) -> Desk:
    return open_desk()


# What ends further right than the panel that it stands in, or than the page; what can be scrolled or floats may.
RUNS_OUT = """() => [...document.querySelectorAll("main *")].filter(one => {
    const floats = one => ["absolute", "fixed"].includes(getComputedStyle(one).position)
    if (!one.offsetParent || floats(one) || one.closest(".hidden-text, svg")) return false
    for (let around = one.parentElement; around.tagName !== "MAIN"; around = around.parentElement)
        if (getComputedStyle(around).overflowX !== "visible" || floats(around)) return false
    const place = one.parentElement.closest(".panel, main").getBoundingClientRect()
    return one.getBoundingClientRect().right > place.right + 1
}).map(one => `${one.tagName} ${one.className}`)"""
SCREENS = (768, 1024, 1280, 1440, 1500)


def runs_out(desk: Desk, paths: dict[str, str]) -> dict[tuple[str, int], list[str]]:
    """What runs out of its panel, by page and width of the screen."""
    found = {}
    for name, path in paths.items():
        page = desk.go(path)
        for width in SCREENS:
            page.set_viewport_size({"width": width, "height": 900})
            # A chart is drawn anew a moment after its place has another width.
            deadline = time.monotonic() + 10
            while (said := page.evaluate(RUNS_OUT)) and time.monotonic() < deadline:
                page.wait_for_timeout(100)
            found[name, width] = said
    return {place: said for place, said in found.items() if said}
