"""The page of an anomaly in a browser: the three types looked at in their states, and every act with the keyboard."""

import json
import re
from dataclasses import replace
from datetime import timedelta

import pytest
from django.core.cache import cache
from django.utils import timezone
from playwright.sync_api import expect

from accounts.models import Level, User
from anomalies.models import Anomaly, Comment, Integration, Tag
from anomalies.services import change_anomaly, comment_on
from anomalies.services.scans import BadRow, Check, Column, Options, RowFailures, Scan, ShapeFailure, Suggestion, record_findings
from anomalies.services.tickets import Ticket, create_integration, link_ticket
from datastores.models import AuditEntry, Container
from tests import factories
from tests.e2e.conftest import ARTIFACTS, SCREENS, runs_out
from tests.e2e.test_look import VIEWPORTS, violations

COLUMNS = (
    Column("reading_id", "Integral"), Column("measured_at", "Timestamp"), Column("instance", "String", masked=True),
    Column("measure", "String"), Column("value", "Fractional"), Column("unit", "String"),
)  # fmt: skip
VALUE = Check(1, "notNull", ("value",))
HOST = Check(2, "matchesPattern", ("instance",))
UNIQUE = Check(3, "unique", ("reading_id",))


@pytest.fixture
def found(world) -> dict[str, Anomaly]:
    """An anomaly of each type, with something of everything on the record one."""
    cache.clear()
    org, store = world.author.org, world.metric.datastore
    world.author.role = "manager"
    world.author.save()
    container = Container.objects.create(org=org, datastore=store, name="host_readings")
    scan = Scan(org.pk, container.pk, COLUMNS, (VALUE, HOST, UNIQUE), identifiers=("reading_id",), container_scan_id=1, partition_scan_id=1)
    row = (1333, timezone.now() - timedelta(hours=5), "unknown", "cpu_utilization", None, "percentage")
    bad = [
        RowFailures(1, 1, (BadRow(row, "value is null.", Suggestion("value", "41.2", 0.8)),), "one"),
        RowFailures(2, 1, (BadRow(row, "instance unknown does not match [0-9a-f]{6}."),), "one"),
    ]
    record_findings(scan, rows=bad, now=timezone.now() - timedelta(hours=1))
    record = Anomaly.objects.get(type="record")
    for days, share in ((9, 0.11), (7, 0.14), (5, 0.12), (3, 0.19), (1, 0.16), (0, 0.84)):
        number = 100 - days
        message = f"In reading_id, {share:.3f}% of 4,000 records ({share * 40:.0f}) are not unique."
        sample = tuple((17 + at // 2, row[1], "24ae8d", "cpu_utilization", 40.0 + at, "Percent") for at in range(12))
        again = replace(
            scan, container_scan_id=number, partition_scan_id=number, checks=(UNIQUE,), options=Options(archive_duplicate_anomalies=False)
        )
        record_findings(again, shapes=[ShapeFailure(3, message, 12, sample)], now=timezone.now() - timedelta(days=days, minutes=20))
    shape = Anomaly.objects.filter(type="shape").order_by("-created")[0]
    bob = User.objects.get(name="Bob Patel")
    comment_on(record, user=bob, message=f"Two faults in one row: that night's import? @[Alice Lee]({world.author.pk}), yours?")
    comment_on(record, user=world.author, message="Yes. The agent was replaced, the backfill runs tomorrow.")
    factories.put_tag(record, "High", color="#d9480f", weight_modifier=5)
    factories.assign(record, world.author, bob)
    jira = create_integration(org.pk, name="Jira", type=Integration.Type.JIRA, url="https://jira.example")
    link_ticket(record, Ticket("10412", "OPS-412", "In Progress", "https://jira.example/OPS-412"), integration_id=jira.pk, user=bob)
    return {"metric": world.anomalies[0], "record": record, "shape": shape}


def page_of(anomaly) -> str:
    return f"/app/anomalies/{anomaly.pk}?list=all"


def test_a_comment_outlives_the_session_in_which_it_was_typed(desk, found):
    page = desk.go(page_of(found["record"]))
    page.fill("#say-text", "The import of that night, see OPS-412.")
    page.context.clear_cookies(name="session_id")
    page.get_by_role("button", name="Comment", exact=True).click()
    page.get_by_label("E-mail").fill(User.objects.get(name="Alice Lee").email)
    page.get_by_label("Password").fill(factories.PASSWORD)
    page.get_by_role("button", name="Log in", exact=True).click()
    expect(page.locator("#say-text")).to_have_value("The import of that night, see OPS-412.")
    page.get_by_role("button", name="Comment", exact=True).click()
    expect(page.locator(".timeline")).to_contain_text("The import of that night, see OPS-412.")
    page.reload()
    expect(page.locator("#say-text")).to_have_value("")


def test_anomalies_of_all_types_fit_into_their_places(desk, found):
    pages = {name: page_of(anomaly) for name, anomaly in found.items()}
    assert runs_out(desk, {"inbox": "/app/inbox", "overview": "/app/", **pages}) == {}
    page = desk.go("/app/inbox?anomaly_type=record")
    fits = "[...document.querySelectorAll('.sideways')].map(one => one.scrollWidth - one.clientWidth)"
    for width in SCREENS:
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate(fits) == [0], width
    expect(page.locator(".cell.wrong").first).to_have_text("instance: ***MASKED***")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", list(VIEWPORTS))
def test_the_three_types_are_clean_in_their_states(open_desk, found, size, theme):
    desk = open_desk(viewport=VIEWPORTS[size], color_scheme=theme)
    ARTIFACTS.mkdir(exist_ok=True)
    wrong = {}
    for name, anomaly in found.items():
        page = desk.go(page_of(anomaly))
        page.screenshot(path=ARTIFACTS / f"anomaly-{name}-{size}-{theme}.png", full_page=True)
        wrong[name] = violations(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= VIEWPORTS[size]["width"], name
        for menu in ("snooze-menu", "archive-menu", "assign-menu", "tag-menu", "ticket-menu"):
            page.locator(f"#{menu} > summary").click()
            if name == "record":
                page.screenshot(path=ARTIFACTS / f"anomaly-{menu}-{size}-{theme}.png")
                wrong[menu] = violations(page)
                assert page.evaluate("document.documentElement.scrollWidth") <= VIEWPORTS[size]["width"], menu
            page.keyboard.press("Escape")
            expect(page.locator(f"#{menu}[open]")).to_have_count(0)
    assert {name: said for name, said in wrong.items() if said} == {}, json.dumps(wrong, indent=1)


def test_everything_is_done_with_the_keyboard(desk, world, found):
    page = desk.go(page_of(found["record"]))
    Tag.objects.create(org=world.author.org, name="import")
    page.reload()
    page.keyboard.press("e")
    expect(page.locator(".headline .status")).to_have_text("Acknowledged")
    expect(page.locator("#notice")).to_contain_text("Acknowledged.")
    page.keyboard.press("z")
    expect(page.locator(".headline .status")).to_have_text("Active")
    page.keyboard.press("a")
    expect(page.locator("#assign-person")).to_be_focused()
    page.keyboard.type("bob")
    expect(page.locator("#assign-people .tick")).to_have_count(2)
    page.keyboard.press("Escape")
    expect(page.locator("#assign-menu > summary")).to_be_focused()
    page.keyboard.press("t")
    page.locator("#tag-menu").get_by_label("import").press("Space")
    page.keyboard.press("Enter")
    expect(page.locator(".tag.colored")).to_have_text(["High", "import"])
    page.keyboard.press("s")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.locator(".status.asleep")).to_have_text("Asleep")
    page.keyboard.press("s")
    expect(page.locator(".status.asleep")).to_have_count(0)
    page.keyboard.press("w")
    expect(page.locator("#watch")).to_have_attribute("aria-pressed", "false")
    page.keyboard.press("r")
    page.keyboard.press("Tab")
    expect(page.locator("#archive-menu [name=duplicate_of]")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.type("Backfilled.")
    page.keyboard.press("Control+Enter")
    expect(page.locator(".headline .status")).to_have_text("Resolved")
    expect(page.locator(".timeline .bubble").last).to_have_text("Backfilled.")
    page.locator("#restore").press("Enter")
    expect(page.locator(".headline .status")).to_have_text("Acknowledged")
    assert Anomaly.objects.get(pk=found["record"].pk).status == "Acknowledged"


def test_a_mention_is_completed_with_the_keyboard(desk, world, found):
    page = desk.go(page_of(found["record"]))
    page.keyboard.press("c")
    expect(page.locator("#say-text")).to_be_focused()
    page.keyboard.type("See @bo")
    expect(page.get_by_role("option")).to_have_count(1)
    expect(page.locator("#say-text")).to_have_attribute("aria-activedescendant", "mention-0")
    page.keyboard.press("Enter")
    page.keyboard.type("please")
    page.keyboard.press("Control+Enter")
    expect(page.locator(".bubble").last).to_have_text("See @Bob Patel please")
    assert re.fullmatch(r"See @\[Bob Patel\]\(\d+\) please", Comment.objects.order_by("-pk")[0].message)


def test_masked_values_are_shown_once_asked_and_written_down(desk, found):
    page = desk.go(page_of(found["record"]))
    expect(page.locator("#source")).not_to_contain_text("unknown")
    page.get_by_text("Show masked values").click()
    page.get_by_role("button", name="Show and write it down").click()
    expect(page.locator("#source td.anomalous").first).to_have_text("unknown")
    page.screenshot(path=ARTIFACTS / "anomaly-revealed.png")
    assert AuditEntry.objects.count() == 1
    page.get_by_role("link", name="Mask them again").click()
    expect(page.locator("#source")).not_to_contain_text("unknown")
    page.get_by_role("link", name="only anomalous").click()
    expect(page.locator("#source th")).to_have_count(2)


def test_what_somebody_else_did_meanwhile_is_said_and_what_was_typed_stays(desk, world, found):
    page = desk.go(page_of(found["shape"]))
    page.keyboard.press("r")
    page.locator("#archive-comment").fill("A false alarm, I think")
    page.locator("#say-text").fill("Half a thought")
    colleague = User.objects.get(name="Bob Patel")
    change_anomaly(Anomaly.objects.get(pk=found["shape"].pk), user=colleague, status="Acknowledged")
    page.locator("#archive-menu").get_by_role("button", name="Archive").click()
    expect(page.locator("#archive-menu .errors")).to_contain_text("was changed since this page was made")
    expect(page.locator("#archive-comment")).to_have_value("A false alarm, I think")
    expect(page.locator("#say-text")).to_have_value("Half a thought")
    page.locator("#archive-menu").get_by_role("button", name="Archive").click()
    expect(page.locator(".headline .status")).to_have_text("Resolved")


def test_what_is_not_allowed_is_shown_off_with_the_reason(open_desk, world, found):
    viewer = factories.make_user(world.author.org, "Vic Viewer", level=Level.VIEWER, datastore=world.metric.datastore)
    page = open_desk(viewer).go(page_of(found["record"]))
    for name in ("Acknowledge", "Snooze", "Archive", "Show masked values"):
        expect(page.get_by_role("button", name=name)).to_be_disabled()
    expect(page.locator("#why-not")).to_have_text("This needs the level author on Metrics.")
    assert violations(page) == []


def test_acts_work_without_javascript(open_desk, world, found):
    page = open_desk(java_script_enabled=False).go(page_of(found["shape"]))
    page.locator("#snooze-menu > summary").click()
    page.get_by_label("for a day").check()
    page.locator("#snooze-menu").get_by_role("button", name="Snooze").click()
    expect(page.locator(".status.asleep")).to_be_visible()
    page.get_by_role("button", name="Undo your last change").click()
    expect(page.locator(".status.asleep")).to_have_count(0)
    page.locator("#say-text").fill("Without a script")
    page.get_by_role("button", name="Comment", exact=True).click()
    expect(page.locator(".bubble").last).to_have_text("Without a script")
    page.get_by_role("link", name="only anomalous").click()
    expect(page.locator("#source th")).to_have_count(1)
