"""From the sign-up to the first point, in a real browser on the product as it is started, by what the product itself mails and shows."""

import email
import re
import subprocess
from collections.abc import Iterator
from email import policy
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.conftest import ARTIFACTS
from tests.product import Product, new_product, wait_until

PASSWORD = "plumb lines hang straight"
SLOW_MS = 60_000  # a crowded machine


@pytest.fixture(scope="module")
def product() -> Iterator[Product]:
    with new_product() as made:
        made.start(within_s=600)
        yield made


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1440, "height": 900}, locale="en-GB", timezone_id="Europe/Berlin")
    complaints: list[str] = []
    page = context.new_page()
    page.on("console", lambda message: complaints.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    yield page
    context.close()
    assert complaints == []


def link_in_the_mail(product: Product) -> str:
    folder = product.home / "mail"
    wait_until(lambda: list(folder.glob("*.eml")), what=f"a mail in {folder}")
    (mail,) = folder.glob("*.eml")
    text = email.message_from_bytes(mail.read_bytes(), policy=policy.default).get_body(("plain",)).get_content()
    return re.search(rf"{product.url}/\S+", text).group()


def sign_up(page: Page, url: str) -> None:
    page.goto(f"{url}/app/login")
    page.get_by_role("link", name="Sign up").click()
    page.get_by_label("E-mail").fill("jo@example.com")
    page.get_by_label("Your name").fill("Jo Miller")
    page.get_by_label("Organisation").fill("Example Ltd")
    page.get_by_role("button", name="Sign up").click()
    expect(page.get_by_role("heading", name="Look into your mail")).to_be_visible()


def choose_password(page: Page) -> None:
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_label("The same again").fill(PASSWORD)
    page.get_by_role("button", name="Come in").click()


def run_in_a_shell(command: str, folder: Path) -> str:
    return subprocess.run(["sh", "-c", command], cwd=folder, capture_output=True, text=True, timeout=240, check=True).stdout


def test_from_the_sign_up_to_the_first_point(page, product, tmp_path):
    sign_up(page, product.url)
    page.goto(link_in_the_mail(product))
    choose_password(page)
    expect(page.get_by_role("heading", name="Send your first point")).to_be_visible()
    page.get_by_role("navigation", name="What sends").get_by_role("link", name="curl").click()
    page.get_by_role("button", name="Make a key and fill it in").click()
    key = page.locator("#secret").inner_text()
    command = page.locator("details[open] pre").inner_text()
    assert (key in command, f"{product.url}/flux/metric_data_post" in command) == (True, True)
    expect(page.locator("#tick")).to_contain_text("Waiting for a point")
    ARTIFACTS.mkdir(exist_ok=True)
    page.screenshot(path=ARTIFACTS / "start-waiting.png", full_page=True)
    run_in_a_shell(command, tmp_path)
    expect(page.locator("#tick")).to_contain_text("The first point is here.", timeout=SLOW_MS)
    page.screenshot(path=ARTIFACTS / "start-here.png", full_page=True)
    page.get_by_role("link", name="Look at it").click()
    expect(page.get_by_role("heading", name="my.first.metric")).to_be_visible()
    page.goto(f"{product.url}/app/settings/quota")
    expect(page.get_by_role("heading", name="1 of ")).to_be_visible()
