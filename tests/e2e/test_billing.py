"""A plan is bought, changed, cancelled and kept in a real browser, on this product's pages and on those of the local Stripe."""

import pytest
from playwright.sync_api import expect

from orgs.models import Org
from tests import factories
from tests.billing.conftest import connected, shop, stripe, stripe_process  # noqa: F401
from tests.e2e.conftest import ARTIFACTS
from tests.e2e.test_look import violations

PAGE = "/app/settings/billing"


@pytest.fixture
def desk(open_desk, world, connected, settings, live_server):  # noqa: F811
    """An admin of an org on Free; the product knows its own address, and Stripe's webhooks find it."""
    settings.BASE_URL = live_server.url
    Org.objects.filter(pk=world.author.org_id).update(plan="free")
    return open_desk(factories.make_user(world.author.org, "Bea Buyer", role="admin"))


def test_a_plan_is_bought_changed_cancelled_and_kept(desk):
    page = desk.go(PAGE)
    expect(page.get_by_text("Free of charge, for as long as you like.")).to_be_visible()
    page.get_by_role("button", name="Choose Team").click()
    page.wait_for_url("**/_config/pay/**")
    page.get_by_role("button", name="Subscribe").click()
    page.wait_for_url(f"**{PAGE}?back=checkout")
    expect(page.get_by_text("The payment is done: you are on the plan Team. Thank you.")).to_be_visible()
    expect(page.get_by_role("link", name="PDF")).to_have_count(1)
    page.screenshot(path=ARTIFACTS / "billing-paid-wide-light.png", full_page=True)
    assert violations(page) == []

    page.get_by_role("button", name="Change to Business").click()
    page.wait_for_url("**/_config/portal/**")
    page.get_by_role("button", name="Confirm the change").click()
    page.wait_for_url(f"**{PAGE}?back=portal")
    # The subscription was read a moment ago: the webhook brings what is new.
    expect(page.get_by_role("heading", name="Business", level=4)).to_be_visible()
    for _ in range(20):
        if page.get_by_role("heading", name="Business active").count():
            break
        page.wait_for_timeout(500)
        page.reload()
    expect(page.get_by_text("Up to 100,000 metrics.")).to_be_visible()

    page.get_by_role("button", name="Cancel Business").click()
    page.wait_for_url("**/_config/portal/**")
    page.get_by_role("button", name="Cancel the plan").click()
    page.wait_for_url(f"**{PAGE}?back=portal")
    for _ in range(20):
        if page.get_by_role("button", name="Keep the plan").count():
            break
        page.wait_for_timeout(500)
        page.reload()
    expect(page.get_by_text("Cancelled. It stays until")).to_be_visible()


def test_who_goes_back_from_the_payment_page_has_paid_nothing(desk):
    page = desk.go(PAGE)
    page.get_by_role("button", name="Choose Business").click()
    page.wait_for_url("**/_config/pay/**")
    page.get_by_role("link", name="Back").click()
    page.wait_for_url(f"**{PAGE}?back=checkout")
    expect(page.get_by_text("Nothing was paid. Your plan is as it was.")).to_be_visible()
