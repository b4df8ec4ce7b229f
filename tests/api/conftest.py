"""Clients of the REST API, one per member of the cast, and the committed query counts."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from tests import factories

COUNTS = Path(__file__).parent / "query_counts.json"


class ApiClient(Client):
    """Django's client with a Bearer token, and JSON bodies by themselves."""

    def put(self, path: str, body: Any = None, **extra: Any):  # type: ignore[override]
        return super().put(path, json.dumps(body), content_type="application/json", **extra)

    def patch(self, path: str, body: Any = None, **extra: Any):  # type: ignore[override]
        return super().patch(path, json.dumps(body), content_type="application/json", **extra)

    def delete(self, path: str, body: Any = None, **extra: Any):  # type: ignore[override]
        """Without a body when there is nothing to say."""
        sent = {} if body is None else {"data": json.dumps(body), "content_type": "application/json"}
        return super().delete(path, **sent, **extra)

    def post(self, path: str, data: Any = None, content_type: str = "application/json", **extra: Any):  # type: ignore[override]
        body = data if isinstance(data, (str, bytes)) else json.dumps(data)
        return super().post(path, body, content_type=content_type, **extra)


def client_with(secret: str) -> ApiClient:
    return ApiClient(headers={"Authorization": f"Bearer {secret}"}, raise_request_exception=False)


@pytest.fixture
def as_(db):
    """A client that calls as this person, with a token of all scopes."""

    def make(user: User, *scopes: str) -> ApiClient:
        return client_with(factories.make_personal_token(user, *scopes))

    return make


@pytest.fixture
def as_org(org) -> ApiClient:
    return client_with(factories.make_org_token(org))


@pytest.fixture
def anonymous(db) -> ApiClient:
    return ApiClient(raise_request_exception=False)


@pytest.fixture
def same_queries():
    """Runs a call and compares how many queries it made with the committed baseline; UPDATE_QUERY_COUNTS=1 writes it anew."""

    def check(name: str, call):
        with CaptureQueriesContext(connection) as captured:
            answer = call()
        told = [query["sql"] for query in captured.captured_queries]
        counts = json.loads(COUNTS.read_text()) if COUNTS.exists() else {}
        if os.environ.get("UPDATE_QUERY_COUNTS"):
            COUNTS.write_text(json.dumps(dict(sorted({**counts, name: len(told)}.items())), indent=2) + "\n")
        else:
            assert counts.get(name) == len(told), "\n".join([f"{name}: {len(told)} queries, the baseline says {counts.get(name)}", *told])
        return answer

    return check
