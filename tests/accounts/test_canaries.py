"""A copy of the whole database opens nothing: after people have come in by every way there is, no secret of theirs is in any table."""

import base64
import re

import orjson
import pytest
from django.core import mail
from django.db import connection
from django.test import Client, TestCase
from django.utils import timezone

from accounts import second_factors, totp
from accounts.models import Authenticator, User
from tests import factories
from tests.device import Device

PASSWORD, NEWER = "seventeen canaries sing", "eighteen canaries sing"


@pytest.fixture(autouse=True)
def _many_tries(settings):
    settings.LOGIN_PER_ACCOUNT = settings.LOGIN_PER_ADDRESS = 1000


def dump() -> str:
    """Every row of every table as text, as a backup holds it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT quote_ident(relname) FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace")
        rows = []
        for (table,) in cursor.fetchall():
            cursor.execute(f"SELECT coalesce(string_agg(t::text, E'\\n'), '') FROM {table} t")
            rows.append(cursor.fetchone()[0])
    return "\n".join(rows)


def forms_of(secret: str) -> set[str]:
    """How a secret may be found in a dump: as it is, in hexadecimal as `bytea` is shown, in base64."""
    raw = secret.encode()
    return {secret, raw.hex(), base64.b64encode(raw).decode().rstrip("=")[:-1], base64.urlsafe_b64encode(raw).decode().rstrip("=")[:-1]}


def post(browser: Client, path: str, said: dict, *, json: bool = False):
    with TestCase.captureOnCommitCallbacks(execute=True):
        answer = browser.post(path, orjson.dumps(said) if json else said, **({"content_type": "application/json"} if json else {}))
    assert answer.status_code in {200, 201, 302}, answer.content
    return answer


def mailed(pattern: str) -> str:
    return re.search(pattern, mail.outbox[-1].body, re.M).group(1)


def test_no_secret_is_in_a_dump_of_the_database(admin):
    canaries: dict[str, str] = {"a password": PASSWORD, "a newer password": NEWER}
    browser = Client()

    said = {"email": "jo@example.com", "user_name": "Jo", "org_name": "Canary Ltd", "timezone": "UTC"}
    post(browser, "/app/signup", said)
    canaries["the token of a sign-up"] = token = mailed(r"token=([0-9a-f]{32})")
    post(browser, "/app/verify", {"email": "jo@example.com", "token": token, "password_1": PASSWORD, "password_2": PASSWORD})
    canaries["a session"] = browser.cookies["session_id"].value
    canaries["a known client"] = browser.cookies["client_id"].value.split(":")[0]
    jo = User.objects.get(email="jo@example.com")

    post(browser, "/app/profile/security", {"do": "begin", "password": PASSWORD})
    secret = second_factors.unconfirmed_secret(jo, now=timezone.now())
    canaries["the secret of an app"], canaries["the same in hexadecimal"] = totp.as_text(secret), secret.hex()
    code = totp.code_at(secret, totp.step_at(timezone.now().timestamp()))
    page = post(browser, "/app/profile/authenticator", {"do": "confirm", "code": code})
    canaries |= {f"recovery code {at}": code for at, code in enumerate(page.context["recovery_codes"])}
    device = Device()
    options = post(browser, "/app/profile/passkeys/make", {"password": PASSWORD}, json=True).json()
    post(browser, "/app/profile/passkeys", {"name": "laptop", "credential": device.make(options)}, json=True)
    canaries["the private half of a passkey"] = f"{device.key.private_numbers().private_value:x}"

    made = post(browser, "/app/profile/tokens", {"do": "make", "name": "canary", "scopes": ["read", "write", "admin"]})
    canaries["a personal token"] = made.context["done"].secret
    bearer = {"Authorization": f"Bearer {canaries['a personal token']}"}
    keys = {"an org token": "/api/org/tokens", "an ingest key": "/api/org/ingest-keys"}
    for name, path in keys.items():
        body = {"name": "canary"} | ({"datastore": jo.org.datastores.get().pk} if "ingest" in path else {})
        answer = Client().post(path, orjson.dumps(body), content_type="application/json", headers=bearer | {"Idempotency-Key": path})
        assert answer.status_code == 201, answer.content
        canaries[name] = answer.json()["token"]
    session = {"X-Session-Id": canaries["a session"]}
    with TestCase.captureOnCommitCallbacks(execute=True):
        assert browser.post("/org/users", {"add": "kim@example.com"}, headers=session).status_code == 200
    canaries["the token of an invitation"] = mailed(r"token=([0-9a-f]{32})")

    ada = Client()
    post(ada, "/app/login", {"username": admin.email, "password": factories.PASSWORD})
    canaries["a mailed code"] = mailed(r"^ +([0-9]{6})$")
    canaries["the token of a new client"] = mailed(r"token=([0-9a-f]{32})")
    post(Client(), "/app/forgot", {"email": "jo@example.com"})
    canaries["the token of a new password"] = token = mailed(r"token=([0-9a-f]{32})")
    held = dump()
    post(Client(), "/app/reset", {"token": token, "new_password_1": NEWER, "new_password_2": NEWER})
    held += dump()

    assert ("Canary Ltd" in held, Authenticator.objects.filter(confirmed__isnull=False).count()) == (True, 1)
    digits = {"a mailed code"}  # six digits occur by chance: they are looked for as a value of their own
    found = [name for name, secret in canaries.items() if name not in digits and any(form in held for form in forms_of(secret))]
    assert found == []
    assert not re.search(rf"(?<![0-9a-zA-Z.:+-]){canaries['a mailed code']}(?![0-9a-zA-Z.:+-])", held)
    assert len(canaries) == 25
