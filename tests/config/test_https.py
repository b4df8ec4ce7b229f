"""Behind TLS: what FORCE_HTTPS and BEHIND_PROXY do, asked of the product with the variables of a real deployment."""

import json
import os
import subprocess
import sys

import pytest
from django.test import Client

from config.environment import BASE_DIR
from orgs.models import Org
from tests import factories

PUBLIC = "plumbline.example.com"
DEPLOYED = {"FORCE_HTTPS": "1", "BEHIND_PROXY": "1", "ALLOWED_HOSTS": PUBLIC, "BASE_URL": f"https://{PUBLIC}"}
YEAR_S = 31_536_000
ASK = """
import json, sys, django
django.setup()
from django.test import Client
client, told = Client(raise_request_exception=False), []
for method, path, headers in json.load(sys.stdin):
    answer = client.generic(method, path, headers=headers)
    headers = {name.lower(): value for name, value in answer.items()}
    told.append([answer.status_code, headers, [str(one) for one in answer.cookies.values()]])
print(json.dumps(told))
"""


def ask(variables: dict[str, str], *requests: tuple[str, str, dict[str, str]]) -> list[tuple[int, dict[str, str], list[str]]]:
    """Status, headers and cookies of each answer of a product that was started with these variables."""
    inherited = {name: value for name, value in os.environ.items() if name != "DJANGO_ALLOW_ASYNC_UNSAFE"}
    environment = inherited | {"DJANGO_SETTINGS_MODULE": "config.settings"} | variables
    done = subprocess.run(
        [sys.executable, "-c", ASK], cwd=BASE_DIR, env=environment, input=json.dumps(requests), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_a_deployment_speaks_https_alone_and_its_probe_plainly():
    plain, proxied = {"host": PUBLIC}, {"host": PUBLIC, "x-forwarded-proto": "https"}
    redirected, posted, answered, probe, foreign = ask(
        DEPLOYED,
        ("GET", "/ping?a=1", plain), ("POST", "/login", plain), ("GET", "/ping", proxied),
        ("GET", "/api/health", {"host": "localhost"}), ("GET", "/ping", {"host": "evil.example", "x-forwarded-proto": "https"}),
    )  # fmt: skip
    assert (redirected[0], redirected[1]["location"]) == (301, f"https://{PUBLIC}/ping?a=1")
    assert (posted[0], posted[1]["location"]) == (301, f"https://{PUBLIC}/login")
    assert (answered[0], answered[1]["strict-transport-security"]) == (200, f"max-age={YEAR_S}; includeSubDomains; preload")
    (cookie,) = answered[2]
    assert all(word in cookie for word in ("session_id=", "Secure", "HttpOnly", "SameSite=Lax"))
    assert (probe[0], foreign[0]) == (200, 400)


def test_whoever_is_not_behind_a_proxy_believes_no_header_of_one():
    forged = {"host": PUBLIC, "x-forwarded-proto": "https"}
    (answer,) = ask(DEPLOYED | {"BEHIND_PROXY": "0"}, ("GET", "/ping", forged))
    assert (answer[0], "strict-transport-security" in answer[1]) == (301, False)


def test_without_force_https_nothing_is_asked_of_the_client():
    (answer,) = ask({"FORCE_HTTPS": "0"}, ("GET", "/ping", {"host": "localhost"}))
    assert (answer[0], "strict-transport-security" in answer[1], "Secure" in answer[2][0]) == (200, False, False)


@pytest.mark.django_db
def test_every_cookie_of_a_log_in_is_secure(settings):
    settings.SESSION_COOKIE_SECURE = settings.CSRF_COOKIE_SECURE = True
    org = factories.make_org("Acme")
    Org.objects.filter(pk=org.pk).update(validates_clients=False)
    person = factories.make_user(org)
    answer = Client().post("/login", {"email": person.email, "password": factories.PASSWORD})
    assert answer.status_code == 200
    assert {name: bool(cookie["secure"]) for name, cookie in answer.cookies.items()} == {"session_id": True, "csrftoken": True}
