"""The insights in a browser: which thing that watches is worth it, by tabs and orders, with the keyboard, and without scripts."""

import pytest
from playwright.sync_api import expect

from anomalies.models import Anomaly, FailedCheck, FailedField
from tests.e2e.test_look import VIEWPORTS, violations


@pytest.fixture
def checked(world) -> int:
    """A quality check that one of the anomalies violates."""
    anomaly = world.anomalies[0]
    Anomaly.objects.filter(pk=anomaly.pk).update(status="Invalid")
    check = FailedCheck.objects.create(org=anomaly.org, anomaly=anomaly, quality_check_id=7, rule_type="notNull", message="It is null.")
    FailedField.objects.create(org=anomaly.org, anomaly=anomaly, failed_check=check, name="customer_id")
    return 7


def test_the_kind_and_the_order_are_chosen_with_the_keyboard(desk, world, checked):
    page = desk.go("/app/insights")
    worth, rows = page.locator("#worth"), page.locator("#worth tbody tr")
    expect(rows).to_have_count(3)
    expect(worth.get_by_role("link", name=world.metric.name)).to_be_visible()
    worth.get_by_role("link", name="Checks").focus()
    page.keyboard.press("Enter")
    expect(rows).to_have_text(["Not null of customer_id Useful 0 % of 1 anomaly, 30 d 1"], use_inner_text=True)
    expect(worth.get_by_role("link", name="Checks")).to_be_focused()
    worth.get_by_role("link", name="Noisy first").focus()
    page.keyboard.press("Enter")
    expect(worth).to_contain_text("Fewer than 5 anomalies come last.")
    page.get_by_label("Timeframe").select_option("week")
    expect(rows).to_have_text(["Not null of customer_id Useful 0 % of 1 anomaly, 7 d 1"], use_inner_text=True)
    expect(worth.locator(".tabs [aria-current]")).to_have_text("Checks")
    expect(worth).to_contain_text("Fewer than 5 anomalies come last.")
    rows.first.get_by_role("link").click()
    expect(page).to_have_url(f"{desk.url}/app/inbox?quality_check={checked}&archived=include")
    expect(page.locator(".rows tbody tr")).to_have_count(1)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_without_scripts_on_a_phone(open_desk, checked, theme):
    page = open_desk(viewport=VIEWPORTS["narrow"], color_scheme=theme, java_script_enabled=False).go("/app/insights?kind=check")
    page.get_by_label("Timeframe").select_option("week")
    page.get_by_role("button", name="Show").click()
    page.locator("#worth").get_by_role("link", name="Noisy first").click()
    expect(page.locator("#worth tbody tr")).to_have_text(["Not null of customer_id Useful 0 % of 1 anomaly, 7 d 1"], use_inner_text=True)
    expect(page.locator("#worth .tabs [aria-current]")).to_have_text("Checks")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_checks_are_clean_on_a_phone(open_desk, checked, theme):
    page = open_desk(viewport=VIEWPORTS["narrow"], color_scheme=theme).go("/app/insights?kind=check&sort=noisy")
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= VIEWPORTS["narrow"]["width"]
