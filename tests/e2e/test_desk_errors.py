"""What goes wrong at a desk: the session ends, one logs in anew in another tab, the server is away. Nothing that was typed is lost."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from accounts.models import Level
from anomalies.models import Comment
from anomalies.pages import many
from tests import factories
from tests.broker import unattended

WAIT_MS = 30_000


@pytest.fixture
def waiting() -> Iterator[None]:
    """No worker takes what is begun: it waits until the test does it."""
    with unattended():
        yield


def log_in(page: Page, email: str) -> None:
    page.get_by_label("E-mail").fill(email)
    page.get_by_label("Password").fill(factories.PASSWORD)
    page.get_by_role("button", name="Log in", exact=True).click()


def end_session(page: Page) -> None:
    page.context.clear_cookies(name="session_id")


def test_a_session_that_ends_while_one_writes_loses_nothing_typed(desk, world):
    page = desk.go(f"/app/anomalies/{world.anomalies[0].pk}")
    page.locator("#say-text").fill("It began with the deploy of 14:05.")
    end_session(page)
    page.get_by_role("button", name="Comment", exact=True).click()
    page.wait_for_url(re.compile("/app/login"))
    assert Comment.objects.count() == 0
    log_in(page, world.author.email)
    page.wait_for_url(re.compile(f"/app/anomalies/{world.anomalies[0].pk}"))
    expect(page.locator("#say-text")).to_have_value("It began with the deploy of 14:05.")
    page.get_by_role("button", name="Comment", exact=True).click()
    expect(page.locator(".bubble").last).to_have_text("It began with the deploy of 14:05.")
    page.reload()
    page.wait_for_load_state("networkidle")
    expect(page.locator("#say-text")).to_have_value("")


def test_what_was_typed_is_not_shown_to_the_next_person(desk, world):
    other = factories.make_user(world.author.org, "Eve Editor", level=Level.EDITOR, datastore=world.metric.datastore)
    page = desk.go(f"/app/anomalies/{world.anomalies[0].pk}")
    page.locator("#say-text").fill("Only mine")
    end_session(page)
    page.get_by_role("button", name="Comment", exact=True).click()
    page.wait_for_url(re.compile("/app/login"))
    log_in(page, other.email)
    page.wait_for_url(re.compile(f"/app/anomalies/{world.anomalies[0].pk}"))
    page.wait_for_load_state("networkidle")
    expect(page.locator("#say-text")).to_have_value("")


def test_a_page_from_before_a_new_log_in_still_sends(desk, world):
    page = desk.go(f"/app/anomalies/{world.anomalies[0].pk}")
    page.locator("#say-text").fill("From the older tab")
    tab = page.context.new_page()
    end_session(page)
    tab.goto(f"{desk.url}/app/login")
    log_in(tab, world.author.email)
    tab.wait_for_url(f"{desk.url}/app/")
    page.get_by_role("button", name="Comment", exact=True).click()
    expect(page.locator(".bubble").last).to_have_text("From the older tab")


def test_a_change_of_many_is_followed_although_the_server_was_away(desk, waiting, monkeypatch):
    monkeypatch.setattr(many, "AT_ONCE", 0)  # as for a large one: begun, and asked for
    page = desk.go("/app/inbox")
    refused = []

    def away(route):
        refused.append(route.request.url)
        if len(refused) == 1:
            route.abort("connectionrefused")
        elif len(refused) == 2:
            route.fulfill(status=503, body="")
        else:
            route.continue_()

    page.route(re.compile(r"/app/inbox/operations/\d+\?"), away)
    page.locator('input[name="id"]').first.click()
    page.get_by_role("button", name="Acknowledge").click()
    expect(page.locator("#notice .error")).to_contain_text("what was begun goes on", timeout=WAIT_MS)
    expect(page.locator("#outcome progress")).to_be_visible()
    many.bulk.run(many.Operation.objects.get().pk, budget_s=60)
    expect(page.locator("#outcome")).to_contain_text("1 changed.", timeout=WAIT_MS)
    expect(page.locator("#notice .error")).to_have_count(0)
    assert len(refused) == 3
    desk.complaints.clear()  # of the answers that did not come
