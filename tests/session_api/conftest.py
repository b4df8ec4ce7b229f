"""Clients of the session API. Whatever a call orders on commit (mails, above all) is done before its answer is looked at."""

import re
from typing import Any

import orjson
import pytest
from django.core import mail
from django.test import Client, TestCase

from accounts.models import User
from tests import factories


class Api:
    """A program: it has no cookies, names its session in the header, and sends JSON."""

    def __init__(self, **headers: str) -> None:
        self.headers = headers
        self.client = Client(raise_request_exception=False, enforce_csrf_checks=True)

    def _call(self, method: str, path: str, body: Any, headers: dict[str, str]) -> Any:
        # A program keeps no cookies; a test that wants them uses Django's client.
        self.client.cookies.clear()
        sent = {} if body is None else {"data": orjson.dumps(body), "content_type": "application/json"}
        with TestCase.captureOnCommitCallbacks(execute=True):
            return self.client.generic(method, path, **sent, headers=self.headers | headers)

    def get(self, path: str, query: dict[str, Any] | None = None, **headers: str) -> Any:
        self.client.cookies.clear()
        with TestCase.captureOnCommitCallbacks(execute=True):
            return self.client.get(path, query or {}, headers=self.headers | headers)

    def post(self, path: str, body: Any = None, **headers: str) -> Any:
        return self._call("POST", path, {} if body is None else body, headers)

    def put(self, path: str, body: Any = None, **headers: str) -> Any:
        return self._call("PUT", path, body, headers)


@pytest.fixture
def api(db) -> Api:
    """A program without a session of its own."""
    return Api()


@pytest.fixture
def as_(db):
    """A program in the session of this person."""

    def make(person: User) -> Api:
        client = Client()
        client.force_login(person)
        return Api(x_session_id=client.session.session_key)

    return make


@pytest.fixture
def as_org(org) -> Api:
    return Api(x_auth_token=factories.make_org_token(org))


@pytest.fixture
def demo(org) -> User:
    return factories.make_user(org, "Dan Demo", is_demo=True)


def data(answer: Any, code: int = 200) -> Any:
    """The answer's data, after the envelope has been checked."""
    body = answer.json()
    assert set(body) == {"status", "data"}, answer.content
    assert (answer.status_code, body["status"]["code"]) == (code, code), body["data"]
    assert set(body["status"]) == {
        "created_timestamp", "created_string", "duration", "language", "timezone", "code", "oldest_cached_component_age",
        "session_id", "org_onboarding_status_id", "api_host", "user_onboarding_flags",
    }  # fmt: skip
    if code >= 400:
        assert set(body["data"]) == {"message", "errors"}
        assert body["data"]["message"]
    return body["data"]


def session_of(answer: Any) -> str:
    return answer.json()["status"]["session_id"]


def wrong(answer: Any, code: int = 400) -> set[str]:
    """The parameters that a refusal names."""
    return set(data(answer, code)["errors"])


def last_mail(to: str) -> str:
    """The text of the newest mail, which must have gone to this address."""
    assert mail.outbox[-1].to == [to]
    return mail.outbox[-1].body


def token_in(text: str) -> str:
    found = set(re.findall(r"\b[0-9a-f]{32}\b", text))
    assert len(found) == 1, text
    return found.pop()


def code_in(text: str) -> str:
    found = re.findall(r"^ +([0-9]{6})$", text, re.M)
    assert len(found) == 1, text
    return found[0]
