"""Where the focus is while one works without a mouse, and whether a page keeps its shape with more in it than anybody meant."""

from datetime import timedelta

import pytest
from playwright.sync_api import expect

from anomalies.models import Anomaly, Comment, Integration
from anomalies.services import change_anomaly, comment_on
from anomalies.services.tags import create_tag
from anomalies.services.tickets import Ticket, create_integration, link_ticket
from tests import factories
from tests.e2e.conftest import excursion

WORD = "W" + "x" * 299
ENLARGED = {"twice": {"width": 640, "height": 400}, "four times": {"width": 320, "height": 256}}


@pytest.fixture
def manager(world):
    world.author.role = "manager"
    world.author.save()
    return world.author


def page_of(anomaly: Anomaly) -> str:
    return f"/app/anomalies/{anomaly.pk}?list=all"


def test_the_focus_goes_with_the_row_and_is_there_again_on_the_way_back(desk, world):
    page = desk.go("/app/inbox")
    press = page.keyboard.press
    press("j")
    press("j")
    second = page.locator(f'tr[data-id="{world.anomalies[1].pk}"] a.name')
    expect(second).to_be_focused()
    press("t")
    expect(page.locator("#outcome > .told")).to_be_visible()
    press("Escape")
    expect(second).to_be_focused()
    press("Enter")
    page.wait_for_url(f"**/app/anomalies/{world.anomalies[1].pk}?*")
    page.wait_for_load_state("networkidle")
    press("u")
    page.wait_for_url("**/app/inbox?*")
    expect(second).to_be_focused()


def test_a_change_of_many_leaves_the_focus_where_it_was_asked_for(desk, world):
    page = desk.go("/app/inbox")
    page.keyboard.press("j")
    page.keyboard.press("x")
    page.locator("#do-archive").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_label("Reason")).to_be_focused()
    page.keyboard.press("Enter")
    page.locator("#outcome").get_by_role("button", name="Archive", exact=True).press("Enter")
    expect(page.locator("#outcome")).to_contain_text("1 changed.")
    expect(page.locator("#outcome > .told")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator("tr.here a.name")).to_be_focused()
    assert Anomaly.objects.filter(status="Resolved").count() == 1


def test_a_facet_keeps_the_focus_and_the_page_its_place(desk, world):
    for hours in range(4, 24):
        excursion(world.metric, ago=timedelta(hours=hours), status="Acknowledged" if hours > 20 else "Active")
    page = desk.go("/app/inbox")
    page.keyboard.press("j")
    facet = page.get_by_role("checkbox", name="metric 23")
    facet.press("Space")
    page.wait_for_url("**/app/inbox?anomaly_type=metric")
    expect(facet).to_be_focused()
    expect(facet).to_be_in_viewport()


def test_what_left_hands_the_focus_to_what_stands_there_now(desk, world, manager):
    anomaly = world.anomalies[0]
    comment = comment_on(anomaly, user=manager, message="Is it the fair?")
    jira = create_integration(manager.org_id, name="Jira", type=Integration.Type.JIRA, url="https://jira.example")
    link_ticket(anomaly, Ticket("1", "OPS-1", "New", ""), integration_id=jira.pk, user=manager)
    page = desk.go(page_of(anomaly))
    page.locator(f"#comment-{comment.pk}").get_by_role("button", name="Delete").press("Enter")
    expect(page.locator(f"#comment-{comment.pk}")).to_contain_text("deleted their comment")
    expect(page.locator(f"#comment-{comment.pk}")).to_be_focused()
    page.get_by_role("button", name="Unlink OPS-1").press("Enter")
    expect(page.locator("#ticket-menu > summary")).to_be_focused()
    page.locator("#snooze-menu > summary").press("Enter")
    page.locator("#snooze-menu button.primary").press("Enter")
    expect(page.locator("#wake")).to_be_focused()
    page.locator("#wake").press("Enter")
    expect(page.locator("#snooze-menu > summary")).to_be_focused()


def test_the_earlier_lines_of_a_timeline_come_above_the_others(desk, world, manager):
    anomaly = world.anomalies[0]
    for number in range(150):
        change_anomaly(anomaly, user=manager, description=f"{number}")
    page = desk.go(page_of(anomaly))
    quotes = page.locator(".timeline q")
    expect(quotes).to_have_count(99)
    page.get_by_role("link", name="Show earlier ones").press("Enter")
    expect(quotes).to_have_count(150)
    assert quotes.all_inner_texts() == [str(number) for number in range(150)]
    expect(page.locator("#timeline-lines")).to_be_focused()
    expect(page.get_by_role("link", name="Show earlier ones")).to_have_count(0)


@pytest.mark.parametrize("size", list(ENLARGED))
def test_nothing_runs_out_however_long_a_word_and_however_many_tags(open_desk, world, manager, size):
    anomaly = world.anomalies[0]
    for number in range(40):
        factories.put_tag(anomaly, f"{'T' * 90} {number}")
    manager.name = WORD[:150]
    manager.save()
    change_anomaly(anomaly, user=manager, description=WORD)
    comment_on(anomaly, user=manager, message=WORD)
    Anomaly.objects.filter(pk=anomaly.pk).update(message=WORD * 60)
    factories.make_metric(anomaly.datastore, "M" * 250)
    desk = open_desk(viewport=ENLARGED[size])
    for path in (page_of(anomaly), "/app/inbox", "/app/insights", "/app/metrics", "/app/", "/app/profile", "/app/settings/tags"):
        page = desk.go(path)
        assert page.evaluate("document.documentElement.scrollWidth") <= ENLARGED[size]["width"], path
    page = desk.go(page_of(anomaly))
    for menu in ("snooze-menu", "archive-menu", "assign-menu", "tag-menu"):
        page.locator(f"#{menu} > summary").press("Enter")
        assert page.evaluate("document.documentElement.scrollWidth") <= ENLARGED[size]["width"], menu
        page.keyboard.press("Escape")
    assert Comment.objects.filter(message=WORD).count() == 1


def test_in_the_settings_the_focus_stays_on_its_line(open_desk, manager):
    for name in ("first", "second", "third"):
        create_tag(manager.org_id, name=name)
    page = open_desk(factories.make_user(manager.org, "Ada Admin", role="admin")).go("/app/settings/tags")
    row = page.locator("tbody tr", has_text="second")
    row.locator("summary", has_text="Change").press("Enter")
    row.get_by_label("Weight").fill("3")
    row.get_by_role("button", name="Save").press("Enter")
    expect(page.locator("#notice")).to_contain_text("second was saved.")
    expect(row.locator("summary", has_text="Change")).to_be_focused()
    row.locator("summary", has_text="Delete").press("Enter")
    page.keyboard.press("Escape")
    expect(row.locator("summary", has_text="Delete")).to_be_focused()
    row.locator("summary", has_text="Delete").press("Enter")
    row.get_by_role("button", name="Delete second").press("Enter")
    expect(page.locator("#notice")).to_contain_text("second was deleted")
    expect(page.locator("tbody tr", has_text="third").locator("summary", has_text="Delete")).to_be_focused()


def test_what_was_read_hands_the_focus_to_what_is_next(desk, world):
    colleague = world.author.org.users.exclude(pk=world.author.pk).first()
    factories.make_notice(world.anomalies[0], world.author, by=colleague)
    page = desk.go("/app/notifications")
    expect(page.locator(".notices > li")).to_have_count(2)
    page.locator(".notices > li").first.get_by_role("button").press("Enter")
    expect(page.locator(".notices > li")).to_have_count(1)
    expect(page.locator(".notices > li").get_by_role("button")).to_be_focused()
    page.get_by_role("button", name="Mark all as read").press("Enter")
    expect(page.get_by_role("heading", name="Nothing new")).to_be_visible()
    expect(page.locator("#notices nav a").first).to_be_focused()


def test_the_sheet_of_keys_begins_with_its_heading_and_gives_the_focus_back(open_desk, world):
    page = open_desk(viewport=ENLARGED["four times"]).go("/app/inbox")
    page.keyboard.press("j")
    page.keyboard.press("?")
    heading = page.get_by_role("heading", name="Keyboard")
    expect(heading).to_be_focused()
    expect(heading).to_be_in_viewport()
    page.keyboard.press("Escape")
    expect(page.locator("tr.here a.name")).to_be_focused()
