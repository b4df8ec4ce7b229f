"""Coming in, in a real browser: from the sign-up to the first page with the mail as it lands on disk, an authenticator app, a passkey."""

import email
import re
from email import policy
from pathlib import Path

import pytest
from django.utils import timezone
from playwright.sync_api import BrowserContext, Page, expect

from accounts import second_factors, totp
from accounts.models import Authenticator, Passkey, Session, User
from accounts.tasks import send_letters
from config.mail import mail_folder
from orgs.models import Org
from tests import factories
from tests.e2e.conftest import ARTIFACTS

NEW = "plumb lines hang straight"


@pytest.fixture
def mails(settings, tmp_path, live_server) -> Path:
    """Where mails land, as they do without a mail server; their links lead to this server."""
    settings.EMAIL_BACKEND, settings.PLUMBLINE_HOME, settings.BASE_URL = "config.mail.FileBackend", tmp_path, live_server.url
    settings.LOGIN_PER_ACCOUNT = settings.LOGIN_PER_ADDRESS = 1000
    return mail_folder()


@pytest.fixture
def page(browser, live_server, transactional_db):
    context: BrowserContext = browser.new_context(viewport={"width": 1280, "height": 860}, locale="en-GB", timezone_id="Asia/Tokyo")
    complaints: list[str] = []
    page = context.new_page()
    page.on("console", lambda message: complaints.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    yield page
    context.close()
    assert [text for text in complaints if "(Bad Request)" not in text] == []  # the password that is wrong


def newest(folder: Path) -> str:
    """The text of the newest mail."""
    send_letters()
    message = email.message_from_bytes(sorted(folder.glob("*.eml"))[-1].read_bytes(), policy=policy.default)
    return message.get_body(("plain",)).get_content()


def link_in(text: str) -> str:
    return re.search(r"http://\S+", text).group()


def log_in(page: Page, url: str, person: User, password: str = factories.PASSWORD) -> None:
    page.goto(f"{url}/app/login")
    page.get_by_label("E-mail").fill(person.email)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Log in", exact=True).click()


def shot(page: Page, name: str) -> None:
    ARTIFACTS.mkdir(exist_ok=True)
    page.screenshot(path=ARTIFACTS / f"{name}.png", full_page=True)


def test_from_the_sign_up_to_the_first_page_with_the_mail(page, mails, live_server):
    page.goto(f"{live_server.url}/app/login")
    page.get_by_role("link", name="Sign up").click()
    expect(page.get_by_label("Time zone")).to_have_value("Asia/Tokyo")
    page.get_by_label("E-mail").fill("jo@example.com")
    page.get_by_label("Your name").fill("Jo Miller")
    page.get_by_label("Organisation").fill("Example Ltd")
    shot(page, "signup")
    page.get_by_role("button", name="Sign up").click()
    expect(page.get_by_role("heading", name="Look into your mail")).to_be_visible()
    expect(page.get_by_text("no mail server yet")).to_be_visible()
    shot(page, "signup-sent")
    page.goto(link_in(newest(mails)))
    expect(page.get_by_text("For jo@example.com.")).to_be_visible()
    page.get_by_label("Password").fill("short")
    page.get_by_label("The same again").fill("short")
    page.get_by_role("button", name="Come in").click()
    expect(page.get_by_text("This password is too short.")).to_be_visible()
    shot(page, "verify-error")
    page.get_by_label("Password").fill(NEW)
    page.get_by_label("The same again").fill(NEW)
    page.get_by_role("button", name="Come in").click()
    expect(page.get_by_role("navigation", name="Main")).to_contain_text("Inbox")
    person = User.objects.get()
    assert (person.email, person.org.name, person.org.timezone, person.role) == ("jo@example.com", "Example Ltd", "Asia/Tokyo", "admin")


def test_a_forgotten_password_from_page_to_page(page, mails, live_server, viewer):
    page.goto(f"{live_server.url}/app/login")
    page.get_by_role("link", name="Forgot your password?").click()
    page.get_by_label("E-mail").fill(viewer.email)
    page.get_by_role("button", name="Mail me a link").click()
    expect(page.locator("#notice")).to_contain_text("a mail with a link to a new password is on its way")
    page.goto(link_in(newest(mails)))
    page.get_by_label("New password").fill(NEW)
    page.get_by_label("The same again").fill(NEW)
    page.get_by_role("button", name="Set the password").click()
    expect(page.locator("#notice")).to_contain_text("Log in with the new password.")
    log_in(page, live_server.url, viewer, NEW)
    expect(page.get_by_role("heading", name="Enter the code")).to_be_visible()
    shot(page, "code-mail")
    page.get_by_role("button", name="Mail me another code").click()
    expect(page.locator("#notice")).to_contain_text("A new code is on its way")
    page.get_by_label("Code").fill(re.search(r"^ +([0-9]{6})$", newest(mails), re.M).group(1))
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_role("navigation", name="Main")).to_be_visible()


@pytest.fixture
def trusting(viewer) -> User:
    """Vic, whose org asks nobody for a second factor."""
    Org.objects.filter(pk=viewer.org_id).update(validates_clients=False)
    return viewer


def app_code(person: User) -> str:
    """What the person's app shows, and the server has not seen yet."""
    Authenticator.objects.filter(user=person).update(last_step=0)
    secret = second_factors._secret_of(Authenticator.objects.get(user=person))
    return totp.code_at(secret, totp.step_at(timezone.now().timestamp()))


def test_an_authenticator_app_is_turned_on_and_asked_for(page, mails, live_server, trusting):
    log_in(page, live_server.url, trusting)
    page.get_by_title("your account").click()
    page.get_by_role("link", name="Security").click()
    page.get_by_text("Turn on", exact=True).click()
    page.locator("#app").locator("..").get_by_label("Your password").fill(factories.PASSWORD)
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_role("img", name="QR code")).to_be_visible()
    shot(page, "authenticator")
    typed = page.locator(".secret-line code").inner_text().replace(" ", "")
    assert typed == totp.as_text(second_factors.unconfirmed_secret(trusting, now=timezone.now()))
    page.get_by_label("The code that the app shows now").fill(app_code(trusting))
    page.get_by_role("button", name="Turn it on").click()
    expect(page.locator(".codes li")).to_have_count(10)
    shot(page, "recovery-codes")
    code = page.locator(".codes code").first.inner_text()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    assert code in Path(download.value.path()).read_text()
    page.get_by_role("link", name="I have kept them").click()
    expect(page.locator("#app")).to_contain_text("on")
    page.get_by_role("button", name="Log out", exact=True).click()
    log_in(page, live_server.url, trusting)
    expect(page.get_by_text("your authenticator app shows now")).to_be_visible()
    shot(page, "code-app")
    page.get_by_label("Code").fill(app_code(trusting))
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_role("navigation", name="Main")).to_be_visible()
    page.context.clear_cookies()
    log_in(page, live_server.url, trusting)
    page.get_by_role("link", name="Lost the device? Use a recovery code").click()
    page.get_by_label("Recovery code").fill(code)
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_role("navigation", name="Main")).to_be_visible()


def virtual_device(page: Page) -> None:
    """A device in the browser that makes passkeys and knows its owner."""
    devtools = page.context.new_cdp_session(page)
    devtools.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True, "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }  # fmt: skip
    devtools.send("WebAuthn.addVirtualAuthenticator", {"options": options})


def test_a_passkey_is_made_logs_in_and_stands_beside_a_password(page, mails, live_server, trusting):
    virtual_device(page)
    log_in(page, live_server.url, trusting)
    page.goto(f"{live_server.url}/app/profile/security")
    page.get_by_text("Add a passkey").click()
    form = page.locator("form.passkey-new")
    form.get_by_label("Name").fill("my laptop")
    form.get_by_label("Your password").fill("a wrong one")
    form.get_by_role("button", name="Add it").click()
    expect(form.get_by_role("alert")).to_have_text("This is not your password.")
    form.get_by_label("Your password").fill(factories.PASSWORD)
    form.get_by_role("button", name="Add it").click()
    expect(page.get_by_role("cell", name="my laptop")).to_be_visible()
    shot(page, "security")
    page.get_by_role("button", name="Log out", exact=True).click()
    shot(page, "login")
    page.get_by_role("button", name="Log in with a passkey").click()
    expect(page.get_by_role("navigation", name="Main")).to_be_visible()
    assert Passkey.objects.get().sign_count >= 1
    page.get_by_role("button", name="Log out", exact=True).click()
    log_in(page, live_server.url, trusting)
    page.get_by_role("button", name="Use a passkey instead").click()
    expect(page.get_by_role("navigation", name="Main")).to_be_visible()
    assert Session.objects.get().user == trusting


def test_an_operator_reads_a_mail_and_acts_as_a_person(page, mails, live_server, trusting):
    operator = factories.make_user(trusting.org, "Olga Operator", is_staff=True, is_superuser=True, role="admin")
    second_factors.tell(trusting, "A canary sang.")
    newest(mails)
    log_in(page, live_server.url, operator)
    page.goto(f"{live_server.url}/admin/mails/")
    shot(page, "mails")
    page.get_by_role("link", name="Your Plumbline account's security changed").click()
    expect(page.frame_locator("iframe").get_by_text("A canary sang.")).to_be_visible()
    expect(page.locator("pre")).to_contain_text("A canary sang.")
    shot(page, "mail")
    page.goto(f"{live_server.url}/admin/accounts/user/{trusting.pk}/change/")
    page.get_by_role("link", name="Act as this person").click()
    page.get_by_label("Why").fill("Ticket 4711: the inbox stays empty.")
    shot(page, "act-as")
    page.get_by_role("button", name="Act as Vic Viewer").click()
    expect(page.get_by_role("region", name="Acting as somebody")).to_contain_text("You act as Vic Viewer")
    shot(page, "acting")
    page.get_by_role("button", name="Stop").click()
    expect(page).to_have_url(f"{live_server.url}/admin/accounts/user/{trusting.pk}/change/")
