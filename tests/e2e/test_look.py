"""Every page, wide and narrow, light and dark: no complaint of the console, none of axe, nothing that scrolls sideways. Keeps pictures."""

import json
import re
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from accounts import adminalerts
from accounts import invitations as people
from accounts.models import Level, User
from anomalies.models import Anomaly
from anomalies.services.flows import create_flow
from anomalies.services.scans import BadRow, Check, Column, RowFailures, Scan, record_findings
from anomalies.services.tags import create_tag
from anomalies.services.tickets import create_integration
from billing.models import UsageDay
from datastores.models import Container
from orgs.channels import connect
from orgs.models import AdminAlert, Channel, Delivery, RefusedSeries
from orgs.services import create_public_key
from tests import factories
from tests.e2e.conftest import ARTIFACTS, SCREENS, runs_out

AXE = next((Path(__file__).parent / "vendor").glob("axe-*/axe.min.js"))
PAGES = {
    "overview": "/app/", "inbox": "/app/inbox", "anomaly": "/app/anomalies/{anomaly}?list=all", "metrics": "/app/metrics",
    "metric": "/app/metrics/{metric}", "points": "/app/metrics/{metric}/points", "empty": "/app/inbox?archived=only",
    "snoozed": "/app/inbox?snoozed=only", "wrong": "/app/inbox?typ=metric&status=Active", "beyond": "/app/inbox?page=9",
    "told": "/app/notifications?show=all", "insights": "/app/insights", "noisy": "/app/insights?kind=detector&sort=noisy",
    "profile": "/app/profile",
    "notifications": "/app/profile/notifications", "security": "/app/profile/security",
    "tokens": "/app/profile/tokens", "billing": "/app/settings/billing", "missing": "/app/nowhere",
    "doc": "/doc", "doc-method": "/doc/method/org/adminalerts", "doc-login": "/doc/method/login",
}  # fmt: skip
# As an admin sees them, in an org that has something of everything.
SETTINGS = {
    "settings": "/app/settings", "members": "/app/settings/members", "teams": "/app/settings/teams", "team": "/app/settings/teams/{team}",
    "keys": "/app/settings/keys", "tags": "/app/settings/tags", "integrations": "/app/settings/integrations",
    "housekeeping": "/app/settings/housekeeping",
    "channels": "/app/settings/channels", "admin-alerts": "/app/settings/alerts",
    "events": "/app/settings/events", "quota": "/app/settings/quota", "start": "/app/start",
    "danger": "/app/settings/danger",
}  # fmt: skip
VIEWPORTS = {"wide": {"width": 1500, "height": 900}, "narrow": {"width": 360, "height": 780}}
WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]


def violations(page) -> list[str]:
    """What axe has to say against WCAG 2.2 AA."""
    page.evaluate("() => 'axe' in window") or page.evaluate(AXE.read_text())
    result = page.evaluate("tags => axe.run({runOnly: tags})", WCAG)
    assert len(result["passes"]) > 5
    found = result["violations"]
    return [f"{one['id']}: {node['target']} {node['failureSummary']}" for one in found for node in one["nodes"]]


def looked_at(desk, paths: dict[str, str], *, size: str, theme: str) -> dict[str, list[str]]:
    """What is wrong with each page; its picture is kept."""
    ARTIFACTS.mkdir(exist_ok=True)
    wrong: dict[str, list[str]] = {}
    for name, path in paths.items():
        page = desk.go(path)
        page.screenshot(path=ARTIFACTS / f"{name}-{size}-{theme}.png", full_page=size == "narrow")
        said = violations(page)
        if (width := page.evaluate("document.documentElement.scrollWidth")) > VIEWPORTS[size]["width"]:
            said.append(f"{width} px wide")
        if said:
            wrong[name] = said
    return wrong


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", list(VIEWPORTS))
def test_every_page_is_clean(open_desk, world, size, theme):
    desk = open_desk(viewport=VIEWPORTS[size], color_scheme=theme)
    paths = {name: path.format(anomaly=world.anomalies[0].pk, metric=world.metric.pk) for name, path in PAGES.items()}
    wrong = looked_at(desk, paths, size=size, theme=theme)
    expected = [text for text in desk.complaints if "404" in text]  # the page that there is not
    assert (wrong, len(expected)) == ({}, 1), json.dumps(wrong, indent=1)
    desk.complaints.remove(expected[0])


@pytest.fixture
def settled(world) -> tuple[User, int]:
    """An admin of an org that has something of everything in its settings, and one of its teams."""
    org, store = world.author.org, world.metric.datastore
    admin = factories.make_user(org, "Ada Admin", role="admin", phone="+4930123456")
    people.invite(admin, email="jo@example.com", name="Jo Miller", role="member")
    for number in range(3):
        factories.make_ingest_key(store, name=f"agent {number}", sources=["10.0.0.0/8"])
        factories.make_org_token(org)
    create_public_key(store, name="shop", origins=["https://shop.example", "https://*.shop.example"])
    create_tag(org.pk, name="High", color="#d9480f", weight_modifier=5, category="urgency", description="Somebody looks at it today.")
    create_flow(admin, {"name": "Old noise", "action": "archive", "inactivity": "month", "archive_status": "Discarded"})
    create_integration(org.pk, name="Jira", type="jira", url="https://northwind.example/jira")
    channel = connect(org, Channel.Service.SLACK, name="#ops", url="https://hooks.slack.com/services/T0/B0/x")
    for status in Delivery.Status:
        ended = None if status == "waiting" else timezone.now()
        Delivery.objects.create(
            org=org, method="slack", to="#ops", channel=channel, title="All stopped", status=status, ended=ended, tries=1
        )
    adminalerts.observe(
        org, AdminAlert.Kind.STALE_METRICS, is_on=True, details={"metrics": ["cpu"]}, now=timezone.now() - timedelta(hours=2)
    )
    for ago in range(30):
        UsageDay.objects.create(org=org, day=timezone.now().date() - timedelta(days=ago + 1), metrics=3 + ago, metric_limit=50)
    RefusedSeries.objects.create(org=org, day=timezone.now().date(), refused=4, example="new", invalid=2, invalid_example="x: bad time")
    return admin, org.teams.filter(is_public=False).first().pk


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", list(VIEWPORTS))
def test_every_page_of_the_settings_is_clean(open_desk, settled, size, theme):
    admin, team = settled
    desk = open_desk(admin, viewport=VIEWPORTS[size], color_scheme=theme)
    wrong = looked_at(desk, {name: path.format(team=team) for name, path in SETTINGS.items()}, size=size, theme=theme)
    assert wrong == {}, json.dumps(wrong, indent=1)


@pytest.fixture
def crowded(world) -> Anomaly:
    """A row with tags, people, masked cells and more than one check, beside one that was found in history."""
    org, store = world.author.org, world.metric.datastore
    table = Container.objects.create(org=org, datastore=store, name="warehouse_order_lines")
    columns = (Column("ordered_at", "Timestamp"), Column("customer", "String", masked=True), Column("delivered_to", "String"))
    checks = (Check(11, "notNull", ("customer",)), Check(12, "matchesPattern", ("customer",)))
    scan = Scan(org.pk, table.pk, columns, checks, identifiers=("ordered_at",), container_scan_id=1, partition_scan_id=1)
    row = ("2014-04-15T08:00:00Z", "nobody at all", "Northumberland")
    failures = [RowFailures(check.id, 1, (BadRow(row, "customer is not what it should be."),), "one") for check in checks]
    record_findings(scan, rows=failures, now=timezone.now())
    found = Anomaly.objects.get(container=table)
    for name in ("Customer-Impact", "High", "Master-Data"):
        factories.put_tag(found, name)
    for name in ("Bob Baker", "Eve Eriksson", "Zoe Zimmer"):
        factories.assign(found, factories.make_user(org, name, level=Level.AUTHOR, datastore=store))
    Anomaly.objects.filter(pk=world.anomalies[1].pk).update(is_backfilled=True, started_at=timezone.now() - timedelta(days=14))
    return found


def test_no_line_of_the_inbox_has_to_be_scrolled_sideways(desk, crowded):
    page = desk.go("/app/inbox")
    expect(page.get_by_role("link", name="warehouse_order_lines")).to_be_visible()
    hidden = "[...document.querySelectorAll('.sideways')].map(place => place.scrollWidth - place.clientWidth)"
    for width in SCREENS:
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate(hidden) == [0], width


def test_nothing_runs_out_of_its_panel(open_desk, world, settled, crowded):
    admin, team = settled
    places = {"anomaly": world.anomalies[0].pk, "metric": world.metric.pk, "team": team}
    desk = open_desk(admin)
    pages = {**PAGES, **SETTINGS, "record": f"/app/anomalies/{crowded.pk}"}
    assert runs_out(desk, {name: path.format(**places) for name, path in pages.items()}) == {}
    desk.complaints[:] = [text for text in desk.complaints if "404" not in text]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_pages_to_come_in_are_clean(browser, live_server, db, theme):
    context = browser.new_context(viewport=VIEWPORTS["narrow"], color_scheme=theme)
    page = context.new_page()
    ARTIFACTS.mkdir(exist_ok=True)
    for name in ("login", "signup", "forgot", "verify", "reset", "login/link"):
        page.goto(f"{live_server.url}/app/{name}")
        page.screenshot(path=ARTIFACTS / f"{name.replace('/', '-')}-narrow-{theme}.png", full_page=True)
        assert violations(page) == [], name
        assert page.evaluate("document.documentElement.scrollWidth") <= VIEWPORTS["narrow"]["width"], name
    context.close()


def test_the_theme_is_switched_and_kept(desk):
    page = desk.go("/app/")
    ground = "getComputedStyle(document.documentElement).backgroundColor"
    assert page.evaluate(ground) == "rgb(247, 247, 245)"
    page.get_by_role("button", name="Theme as the system").click()
    expect(page.get_by_role("button", name="Theme dark")).to_be_visible()
    assert page.evaluate(ground) == "rgb(20, 24, 27)"


def test_the_letters_are_our_own_with_figures_of_one_width(desk):
    page = desk.go("/app/")
    assert page.evaluate("document.fonts.check('13.5px Inter')")
    widths = page.evaluate(
        """() => [...'0123456789'].map(digit => {
            const word = document.createElement('div'); word.style.float = 'left'; word.textContent = digit.repeat(20);
            document.querySelector('main').append(word); return word.getBoundingClientRect().width })"""
    )
    assert len(set(widths)) == 1


def test_the_menu_of_a_narrow_screen_opens(open_desk):
    page = open_desk(viewport=VIEWPORTS["narrow"]).go("/app/")
    expect(page.get_by_role("link", name="Metrics")).to_be_hidden()
    page.get_by_role("button", name="Menu").click()
    page.get_by_role("navigation", name="Main").get_by_role("link", name="Metrics").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Metrics")


def test_the_focus_is_seen_and_the_content_can_be_skipped_to(desk):
    page = desk.go("/app/inbox")
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    expect(page.locator(".skip")).to_be_in_viewport()
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()


def test_the_admin_works_under_its_policy(open_desk, world):
    operator = factories.make_user(world.author.org, "Olga Operator", is_staff=True, is_superuser=True, role="admin")
    key, _ = factories.make_ingest_key(world.metric.datastore)
    desk = open_desk(operator)
    for path in ("/admin/", "/admin/anomalies/anomaly/", f"/admin/metrics/metric/{world.metric.pk}/change/", "/admin/accounts/user/add/"):
        desk.go(path)
    page = desk.go("/admin/orgs/ingestkey/")
    page.screenshot(path=ARTIFACTS / "admin-wide-light.png")
    page.locator(f'input[name="_selected_action"][value="{key.pk}"]').check()
    page.locator('select[name="action"]').select_option("rotate_secrets")
    page.locator('button[name="index"]').click()
    expect(page.locator("code")).to_have_text(re.compile(r"^[A-Za-z0-9]{32}$"))
    desk.complaints[:] = [text for text in desk.complaints if "404" not in text]


def test_what_asks_once_more_stands_within_a_phone(open_desk, settled):
    admin, _ = settled
    page = open_desk(admin, viewport=VIEWPORTS["narrow"]).go("/app/settings/tags")
    for button in ("Change", "Delete"):
        page.locator(f"details.confirm summary:has-text('{button}')").first.click()
        box = page.locator("details.confirm[open] > .panel").last.bounding_box()
        assert (box["x"] >= 0, box["x"] + box["width"] <= VIEWPORTS["narrow"]["width"]) == (True, True), (button, box)
    page.fill("details.confirm[open] input[name='weight_modifier']", "-3")
    page.click("details.confirm[open] button[value='change']")
    expect(page.locator("#notice")).to_contain_text("was saved")
    expect(page.locator("table.rows")).to_contain_text("-3")
