"""The triage desk in a browser: with the keyboard alone, over pages, with a look first and a way back, and clean while one works."""

from datetime import timedelta

import pytest
from playwright.sync_api import expect

from anomalies.models import Anomaly, Change, SavedView
from tests.e2e.conftest import ARTIFACTS, excursion
from tests.e2e.test_look import VIEWPORTS, violations


def test_from_the_inbox_to_the_archive_and_back_with_the_keyboard_alone(desk, world):
    page = desk.go("/app/inbox")
    press, outcome, rows = page.keyboard.press, page.locator("#outcome"), page.locator(".rows tbody tr")
    press("j")
    press("e")
    expect(outcome).to_contain_text("1 changed.")
    expect(page.locator("tr.here .status")).to_have_text("Acknowledged")
    press("a")
    expect(page.get_by_label("Person")).to_be_focused()
    press("Tab")
    press("Enter")
    expect(page.locator("tr.here .avatar")).to_have_text("AL")
    press("r")
    expect(page.get_by_label("Reason")).to_be_focused()
    page.keyboard.type("Inv")
    press("Tab")
    page.keyboard.type("The clocks went back.")
    press("Enter")
    expect(outcome).to_contain_text("1 changed.")
    expect(rows).to_have_count(2)
    press("g")
    press("a")
    expect(page.locator(".tabs [aria-current]")).to_have_text("Archived 1")
    press("j")
    press("Enter")
    expect(page.locator(".headline .status").first).to_have_text("Invalid")
    page.wait_for_load_state()  # keys are heard once the scripts are there
    press("u")
    expect(page.locator("tr.here .status")).to_have_text("Invalid")
    press("e")
    expect(page.get_by_role("heading", name="Nothing is archived")).to_be_visible()
    press("z")
    expect(page.locator(".rows .status")).to_have_text("Invalid")
    press("j")
    press("e")
    expect(page.get_by_role("heading", name="Nothing is archived")).to_be_visible()
    press("g")
    press("i")
    expect(rows).to_have_count(3)
    found = Anomaly.objects.get(pk=world.anomalies[0].pk)
    assert (found.status, list(found.assignees.all())) == ("Acknowledged", [world.author])
    assert [sorted(one.changeset) for one in Change.objects.filter(anomaly=found).order_by("pk")] == [
        ["status"], ["assignees"], ["comment", "status"], ["status"], ["status"], ["status"],
    ]  # fmt: skip


def test_escape_takes_the_question_back(desk):
    page = desk.go("/app/inbox")
    page.keyboard.press("j")
    page.keyboard.press("s")
    expect(page.get_by_label("How long")).to_be_focused()
    expect(page.get_by_label("Until (your time)")).to_be_hidden()
    page.keyboard.press("Escape")
    expect(page.locator("#outcome")).to_be_empty()
    assert Change.objects.count() == 0


def test_the_selection_outlives_pages_and_actions(desk, world):
    for hours in range(4, 30):
        excursion(world.metric, ago=timedelta(hours=hours), started_at=world.metric.last_at - timedelta(hours=hours))
    page = desk.go("/app/inbox")
    page.locator('input[name="id"]').first.click()
    page.get_by_role("link", name="Next").click()
    expect(page.locator(".bulk strong")).to_have_text("1 selected")
    expect(page.locator(".bulk .elsewhere")).to_have_text("1 not on this page")
    page.locator('input[name="id"]').first.click()
    page.get_by_role("button", name="Acknowledge").click()
    expect(page.locator("#outcome")).to_contain_text("2 changed.")
    expect(page.locator(".bulk strong")).to_have_text("2 selected")
    page.get_by_role("button", name="Clear").click()
    expect(page.locator(".bulk")).to_be_hidden()
    assert Anomaly.objects.filter(status="Acknowledged").count() == 2


def test_all_that_match_are_changed_after_a_look_and_taken_back(desk, world):
    page = desk.go("/app/inbox?search=taxi")
    page.get_by_label("Search message, series or id").fill("")
    expect(page.locator(".rows tbody tr")).to_have_count(3)
    page = desk.go("/app/inbox?size=10")
    for hours in range(4, 14):
        excursion(world.metric, ago=timedelta(hours=hours), started_at=world.metric.last_at - timedelta(hours=hours))
    page.reload()
    page.locator('input[name="id"]').first.click()
    page.get_by_label("Select all 13 that match").check()
    expect(page.locator(".bulk strong")).to_have_text("13 selected")
    page.get_by_role("button", name="Acknowledge").click()
    expect(page.get_by_role("heading", name="Acknowledge: 13 anomalies")).to_be_visible()
    assert Change.objects.count() == 0
    page.get_by_role("button", name="Acknowledge 13").click()
    expect(page.locator("#outcome")).to_contain_text("13 changed.")
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("#outcome")).to_contain_text("Undone: 13 changed.")
    assert Anomaly.objects.filter(status="Active").count() == 13


def test_a_list_is_saved_and_opened_again(desk, world):
    page = desk.go("/app/inbox")
    page.get_by_role("checkbox", name="metric 3").check()
    expect(page.locator(".chips .chip")).to_contain_text("type: metric")
    page.locator("#views > summary").click()
    page.locator("#view-name").fill("Series")
    page.get_by_role("button", name="Save view").click()
    expect(page.locator("#views > summary")).to_have_text("Views: Series")
    assert SavedView.objects.get().query == "anomaly_type=metric"
    page.goto(f"{desk.url}/app/inbox")
    page.locator("#views > summary").click()
    page.get_by_role("link", name="Series", exact=True).click()
    page.wait_for_url(f"{desk.url}/app/inbox?anomaly_type=metric")


def test_a_saved_list_is_deleted_once_that_was_asked(desk, world):
    view = SavedView.objects.create(org=world.author.org, user=world.author, name="Series", query="anomaly_type=metric")
    page = desk.go("/app/inbox")
    page.locator("#views > summary").click()
    page.get_by_text("Series: Change").click()
    ask = page.locator("#views .confirm")
    ask.locator("summary").click()
    assert SavedView.objects.get() == view
    ask.get_by_role("button", name="Delete Series").click()
    expect(page.locator("#notice")).to_contain_text("“Series” was deleted.")
    assert SavedView.objects.count() == 0


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", list(VIEWPORTS))
def test_the_desk_is_clean_while_one_works(open_desk, world, size, theme):
    desk = open_desk(viewport=VIEWPORTS[size], color_scheme=theme)
    page = desk.go("/app/inbox")
    ARTIFACTS.mkdir(exist_ok=True)

    def look(name: str) -> None:
        said = len(desk.complaints)
        page.screenshot(path=ARTIFACTS / f"desk-{name}-{size}-{theme}.png")
        assert violations(page) == []
        del desk.complaints[said:]  # of the styles that the camera and axe bring along when they look twice
        assert page.evaluate("document.documentElement.scrollWidth") <= VIEWPORTS[size]["width"]

    page.locator("#views > summary").click()
    look("views")
    page.keyboard.press("Escape")
    page.get_by_text("Columns").click()
    look("columns")
    page.keyboard.press("Escape")
    page.locator('input[name="id"]').first.click()
    page.locator(".bulk").get_by_role("button", name="Snooze").click()
    expect(page.get_by_label("How long")).to_be_visible()
    look("ask")
    page.get_by_role("button", name="Preview").click()
    expect(page.get_by_role("heading", name="Snooze: 1 anomaly")).to_be_visible()
    look("preview")
    page.locator("#outcome").get_by_role("button", name="Snooze 1").click()
    expect(page.locator("#outcome")).to_contain_text("1 changed.")
    look("outcome")
