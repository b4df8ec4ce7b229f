"""What guards one's account, on the pages: password, authenticator app, passkeys, sessions, known clients; and logging in with them."""

import re
from datetime import timedelta

import orjson
import pytest
from django.core import mail
from django.test import Client, TestCase
from django.utils import timezone

from accounts import clients, second_factors, totp
from accounts.models import Authenticator, KnownClient, Letter, Passkey, Session
from tests.device import Device
from tests.factories import PASSWORD

NEW = "plumb lines hang straight"
PAGE, SET_UP, CODE = "/app/profile/security", "/app/profile/authenticator", "/app/login/code"


@pytest.fixture(autouse=True)
def _many_tries(settings):
    settings.LOGIN_PER_ACCOUNT = settings.LOGIN_PER_ADDRESS = 1000


def code_of(person, *, off=0) -> str:
    secret = second_factors._secret_of(Authenticator.objects.get(user=person))
    return totp.code_at(secret, totp.step_at(timezone.now().timestamp()) + off)


def turn_on(person) -> tuple[str, ...]:
    """The recovery codes of an app that has been on for some minutes."""
    second_factors.begin(person)
    codes = second_factors.confirm(person, code_of(person), now=timezone.now())
    Authenticator.objects.filter(user=person).update(last_step=0)
    return codes


def log_in(browser, person, **more):
    with TestCase.captureOnCommitCallbacks(execute=True):
        return browser.post("/app/login", {"username": person.email, "password": PASSWORD, **more})


def errors(answer, name) -> dict:
    return {field: list(said) for field, said in answer.context[f"{name}_form"].errors.items()}


def test_a_new_password_ends_every_other_session(as_, viewer):
    here, elsewhere = as_(viewer), as_(viewer)
    before = here.cookies["session_id"].value
    answer = here.post(PAGE, {"do": "password", "password": PASSWORD, "new_password_1": NEW, "new_password_2": NEW}, follow=True)
    assert b"Everywhere else you are logged out." in answer.content
    assert here.cookies["session_id"].value != before
    assert elsewhere.get("/app/")["Location"] == "/app/login?next=/app/"
    viewer.refresh_from_db()
    assert viewer.check_password(NEW)


@pytest.mark.parametrize(
    ("said", "named"),
    [
        ({"password": "guess"}, "password"),
        ({"new_password_2": "other"}, "new_password_2"),
        ({"new_password_1": "short", "new_password_2": "short"}, "new_password_1"),
    ],
)  # fmt: skip
def test_a_password_that_does_not_do_is_said_beside_its_field(as_, viewer, said, named):
    good = {"do": "password", "password": PASSWORD, "new_password_1": NEW, "new_password_2": NEW}
    assert set(errors(as_(viewer).post(PAGE, good | said), "password")) == {named}
    viewer.refresh_from_db()
    assert viewer.check_password(PASSWORD)


def test_an_app_is_turned_on_step_by_step(as_, viewer):
    client = as_(viewer)
    assert client.get(SET_UP)["Location"] == PAGE
    assert errors(client.post(PAGE, {"do": "begin", "password": "guess"}), "begin") == {"password": ["This is not your password."]}
    assert client.post(PAGE, {"do": "begin", "password": PASSWORD})["Location"] == SET_UP
    page = client.get(SET_UP).content.decode()
    secret = totp.as_text(second_factors.unconfirmed_secret(viewer, now=timezone.now()))
    assert " ".join(re.findall("....", secret)) in page
    assert 'class="qr"' in page
    assert set(errors(client.post(SET_UP, {"do": "confirm", "code": "000000"}), "confirm")) == {"code"}
    code = code_of(viewer)
    answer = client.post(SET_UP, {"do": "confirm", "code": f"{code[:3]} {code[3:]}"})
    codes = answer.context["recovery_codes"]
    text = answer.content.decode()
    assert (len(codes), all(text.count(code) >= 2 for code in codes)) == (10, True)
    assert "no-store" in answer["Cache-Control"]
    assert secret not in text
    page = client.get(PAGE).content.decode()
    assert "10 recovery codes left" in page
    assert not any(code in page for code in codes)


def test_an_app_is_turned_off_with_the_password(as_, viewer):
    turn_on(viewer)
    client = as_(viewer)
    client.post(PAGE, {"do": "off", "password": "guess"})
    assert second_factors.uses_authenticator(viewer)
    client.post(PAGE, {"do": "off", "password": PASSWORD})
    assert not second_factors.uses_authenticator(viewer)


def test_new_recovery_codes_are_shown_once(as_, viewer):
    old, client = turn_on(viewer), as_(viewer)
    codes = client.post(PAGE, {"do": "codes", "password": PASSWORD}).context["recovery_codes"]
    assert (len(codes), set(codes) & set(old)) == (10, set())
    assert codes[0] not in client.get(PAGE).content.decode()


def test_codes_of_an_app_that_is_set_up_are_throttled(as_, viewer, settings):
    settings.LOGIN_PER_ACCOUNT = 2
    second_factors.begin(viewer)
    client = as_(viewer)
    assert [client.post(SET_UP, {"do": "confirm", "code": "000000"}).status_code for _ in range(3)] == [200, 200, 429]


@pytest.fixture
def waiting(viewer):
    """A browser in which the password of a person with an app was right."""
    turn_on(viewer)
    browser = Client()
    assert log_in(browser, viewer, next="/app/inbox")["Location"] == f"{CODE}?next=/app/inbox"
    return browser


def test_a_new_browser_needs_the_code_of_the_app_and_gets_no_mail(waiting, viewer):
    assert Letter.objects.filter(kind="challenge").count() == 0
    assert b"your authenticator app shows" in waiting.get(CODE).content
    code = code_of(viewer)
    answer = waiting.post(CODE, {"code": code, "next": "/app/inbox"})
    assert (answer.status_code, answer["Location"]) == (302, "/app/inbox")
    assert waiting.get("/app/").status_code == 200
    other = Client()
    log_in(other, viewer)
    assert b"wrong, used or too old" in other.post(CODE, {"code": code}).content
    assert other.get("/app/").status_code == 302


def test_a_known_browser_is_not_asked_again_and_a_shared_one_is(waiting, viewer):
    waiting.post(CODE, {"code": code_of(viewer), "shared": "on"})
    assert ("client_id" in waiting.cookies, KnownClient.objects.count()) == (False, 0)
    waiting.post("/app/logout")
    log_in(waiting, viewer)
    waiting.post(CODE, {"code": code_of(viewer, off=1)})
    assert KnownClient.objects.get().user == viewer
    waiting.post("/app/logout")
    assert log_in(waiting, viewer)["Location"] == "/app/"


def test_a_person_with_an_app_is_asked_whatever_the_org_says(waiting, viewer):
    viewer.org.validates_clients = False
    viewer.org.save()
    assert log_in(Client(), viewer)["Location"] == f"{CODE}?next=/app/"


def test_a_recovery_code_stands_in_once(viewer):
    codes, browser = turn_on(viewer), Client()
    log_in(browser, viewer)
    page = browser.get(f"{CODE}?recovery=1").content.decode()
    assert "Recovery code" in page
    assert 'inputmode="numeric"' not in page
    assert browser.post(f"{CODE}?recovery=1", {"code": codes[0].upper()})["Location"] == "/app/"
    other = Client()
    log_in(other, viewer)
    assert b"wrong, used or too old" in other.post(CODE, {"code": codes[0]}).content


def test_codes_of_one_person_are_counted_together_wherever_they_are_tried(viewer, settings):
    turn_on(viewer)
    browsers = [Client(REMOTE_ADDR=f"192.0.2.{n}") for n in range(3)]
    for browser in browsers:
        log_in(browser, viewer)
    settings.LOGIN_PER_ACCOUNT = 2
    assert [browser.post(CODE, {"code": "000000"}).status_code for browser in browsers] == [200, 200, 429]


def test_twenty_codes_an_hour_are_enough_for_anybody(waiting, viewer):
    codes = [waiting.post(CODE, {"code": f"{n:06d}"}).status_code for n in range(22)]
    assert codes.count(200) in (20, 21)
    assert codes[-1] == 429


def test_a_new_password_ends_what_waits_for_a_code(waiting, viewer):
    viewer.set_password(NEW)
    viewer.save()
    assert b"wrong, used or too old" in waiting.post(CODE, {"code": code_of(viewer)}).content


def test_what_waits_for_a_code_is_over_after_a_quarter_of_an_hour(waiting, viewer):
    session = waiting.session
    session["challenge"] |= {"began": int(timezone.now().timestamp()) - 901}
    session.save()
    assert waiting.post(CODE, {"code": code_of(viewer)})["Location"] == "/app/login"


def mailed_code() -> str:
    return re.search(r"^ +([0-9]{6})$", mail.outbox[-1].body, re.M).group(1)


def test_another_code_is_mailed_and_voids_the_first(viewer):
    browser = Client()
    log_in(browser, viewer)
    first = mailed_code()
    with TestCase.captureOnCommitCallbacks(execute=True):
        answer = browser.post(f"{CODE}/again", {"next": "/app/inbox"}, follow=True)
    assert answer.redirect_chain == [(f"{CODE}?next=/app/inbox", 302)]
    assert b"A new code is on its way" in answer.content
    assert b"wrong, used or too old" in browser.post(CODE, {"code": first}).content
    assert browser.post(CODE, {"code": mailed_code()})["Location"] == "/app/"


def test_mails_are_throttled(viewer, settings):
    browser = Client()
    log_in(browser, viewer)
    settings.LOGIN_PER_ACCOUNT = 2
    pages = [browser.post(f"{CODE}/again", follow=True) for _ in range(3)]
    assert [b"Too many mails" in page.content for page in pages] == [False, False, True]
    assert Letter.objects.filter(kind="challenge").count() == 3


def test_no_code_is_mailed_where_nothing_waits_or_an_app_makes_it(waiting):
    assert Client().post(f"{CODE}/again")["Location"] == "/app/login"
    waiting.post(f"{CODE}/again")
    assert Letter.objects.filter(kind="challenge").count() == 0


def send(browser, path, body):
    with TestCase.captureOnCommitCallbacks(execute=True):
        return browser.post(path, orjson.dumps(body), content_type="application/json")


def add(browser, device, *, name="laptop", password=PASSWORD):
    options = send(browser, "/app/profile/passkeys/make", {"password": password})
    if options.status_code != 200:
        return options
    return send(browser, "/app/profile/passkeys", {"name": name, "credential": device.make(options.json())})


def sign(browser, device, **more):
    options = send(browser, "/app/login/passkey/ask", {}).json()
    return send(browser, "/app/login/passkey", {"credential": device.sign(options), **more})


@pytest.fixture
def device(as_, viewer) -> Device:
    device = Device()
    assert add(as_(viewer), device).json()["url"] == PAGE
    return device


def test_a_passkey_logs_in_without_password_and_code(device, viewer):
    browser = Client()
    answer = sign(browser, device, next="/app/inbox")
    assert (answer.status_code, answer.json()) == (200, {"url": "/app/inbox"})
    assert browser.get("/user/info").json()["data"]["user"]["id"] == viewer.pk
    assert Session.objects.filter(user=viewer).count() == 2


def test_a_passkey_is_the_second_factor_after_the_password(device, viewer):
    browser = Client()
    assert log_in(browser, viewer)["Location"] == f"{CODE}?next=/app/"
    assert b"Use a passkey instead" in browser.get(CODE).content
    assert sign(browser, device).json() == {"url": "/app/"}
    assert browser.get("/app/").status_code == 200


def test_a_passkey_of_somebody_else_does_not_stand_beside_a_password(device, editor):
    browser = Client()
    log_in(browser, editor)
    answer = sign(browser, device)
    assert (answer.status_code, answer.json()["message"]) == (400, "This passkey belongs to another account than the password.")
    assert browser.get("/app/").status_code == 302


def test_whoever_has_a_passkey_is_asked_whatever_the_org_says(device, viewer):
    viewer.org.validates_clients = False
    viewer.org.save()
    assert log_in(Client(), viewer)["Location"] == f"{CODE}?next=/app/"


def test_a_passkey_never_leads_elsewhere(device):
    assert sign(Client(), device, next="https://evil.example/").json() == {"url": "/app/"}


def test_a_passkey_needs_the_password_and_a_name(as_, viewer):
    client = as_(viewer)
    answer = add(client, Device(), password="guess")
    assert (answer.status_code, answer.json()["errors"]) == (400, {"password": "This is not your password."})
    for name in ("", "x" * 101):
        assert set(add(client, Device(), name=name).json()["errors"]) == {"name"}
    assert Passkey.objects.count() == 0


def test_the_passkey_is_told_of_and_shown(device, as_, viewer):
    assert "“laptop” was added" in mail.outbox[-1].body
    page = as_(viewer).get(PAGE).content.decode()
    assert "laptop" in page
    assert device.id.hex() not in page


def test_a_passkey_is_renamed_and_removed_by_whose_it_is(device, as_, viewer, editor):
    passkey, client = Passkey.objects.get(), as_(viewer)
    as_(editor).post(PAGE, {"do": "rename", "id": passkey.pk, "name": "mine"})
    as_(editor).post(PAGE, {"do": "remove", "id": passkey.pk, "password": PASSWORD})
    client.post(PAGE, {"do": "remove", "id": passkey.pk, "password": "guess"})
    assert Passkey.objects.get().name == "laptop"
    client.post(PAGE, {"do": "rename", "id": passkey.pk, "name": "phone"})
    assert Passkey.objects.get().name == "phone"
    client.post(PAGE, {"do": "remove", "id": passkey.pk, "password": PASSWORD})
    assert Passkey.objects.count() == 0
    assert sign(Client(), device).status_code == 400


@pytest.mark.parametrize("path", ["/app/login/passkey", "/app/login/passkey/ask", "/app/profile/passkeys", "/app/profile/passkeys/make"])
@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"x"', b"\xff", b'{"credential": 1}', b'{"credential": {}, "name": "x"}'])
def test_nonsense_is_refused_or_ignored(as_, viewer, path, body):
    for browser in (Client(raise_request_exception=False), as_(viewer)):
        answer = browser.post(path, body, content_type="application/json")
        assert answer.status_code in ({200, 400} if path.endswith("ask") else {302, 400})


def test_asking_for_passkeys_is_throttled(device, settings):
    settings.LOGIN_PER_ADDRESS = 3
    browser = Client(REMOTE_ADDR="192.0.2.77")
    answers = [send(browser, "/app/login/passkey/ask", {}) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert int(answers[3]["Retry-After"]) >= 1


def test_passkeys_need_the_csrf_token(viewer):
    client = Client(enforce_csrf_checks=True)
    assert client.post("/app/login/passkey/ask", b"{}", content_type="application/json").status_code == 403
    client.force_login(viewer)
    assert client.post("/app/profile/passkeys/make", b"{}", content_type="application/json").status_code == 403


def test_sessions_are_seen_and_ended_one_by_one_and_all(as_, viewer, editor):
    here, phone, stranger = as_(viewer), as_(viewer), as_(editor)
    shown = here.get(PAGE).context["logins"]
    assert [place.is_here for place in shown] == [True, False]
    as_(editor).post(PAGE, {"do": "end", "id": shown[1].id})
    assert phone.get("/app/").status_code == 200
    here.post(PAGE, {"do": "end", "id": shown[1].id})
    assert (phone.get("/app/").status_code, here.get("/app/").status_code) == (302, 200)
    again = as_(viewer)
    answer = here.post(PAGE, {"do": "end_others"}, follow=True)
    assert b"1 other session has ended." in answer.content
    assert (again.get("/app/").status_code, here.get("/app/").status_code, stranger.get("/app/").status_code) == (302, 200, 200)


def test_known_clients_are_seen_and_forgotten(as_, viewer, editor):
    signed = clients.remember(viewer, name="Firefox on Linux at 192.0.2.1", now=timezone.now() - timedelta(days=1)).signed
    known = KnownClient.objects.get()
    assert b"Firefox on Linux at 192.0.2.1" in as_(viewer).get(PAGE).content
    as_(editor).post(PAGE, {"do": "forget", "id": known.pk})
    assert clients.is_known(viewer, signed, now=timezone.now())
    as_(viewer).post(PAGE, {"do": "forget", "id": known.pk})
    assert not clients.is_known(viewer, signed, now=timezone.now())


def test_a_passkey_whose_id_no_database_holds_is_refused_and_counted(db, settings):
    settings.LOGIN_PER_ACCOUNT = 1
    answers = [send(Client(), "/app/login/passkey", {"credential": {"id": "a\0b"}}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [400, 429]
