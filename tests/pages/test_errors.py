"""The pages for when something is wrong."""

import json

import pytest
from django.db import OperationalError
from django.test import Client, RequestFactory

from config import pages


def test_an_address_that_there_is_not(as_, viewer):
    answer = as_(viewer).get("/app/nowhere")
    assert answer.status_code == 404
    assert b"Nothing here" in answer.content
    assert answer["X-Request-Id"].encode() in answer.content


@pytest.mark.parametrize(("guessed", "place"), [("datastores", "/app/inbox"), ("anomalies", "/app/inbox")])
def test_an_address_that_one_would_guess_leads_on(as_, viewer, guessed, place):
    answer = as_(viewer).get(f"/app/{guessed}", follow=True)
    assert (answer.redirect_chain, answer.status_code) == ([(place, 302)], 200)


def test_under_api_it_is_a_problem_document(as_, viewer):
    answer = as_(viewer).get("/api/nowhere")
    assert (answer.status_code, answer["Content-Type"], answer.json()["type"]) == (404, "application/problem+json", "/problems/not-found")


def test_what_one_may_not_do_is_said_without_a_secret(as_, drafter, anomaly):
    answer = as_(drafter).post(f"/app/anomalies/{anomaly.pk}/status", {"status": "Acknowledged"})
    assert answer.status_code == 403
    assert b"That is not yours to do" in answer.content


@pytest.mark.parametrize(
    ("error", "status", "says", "waits"),
    [(OperationalError("password=hunter2"), 503, "Back in a moment", True), (ValueError("hunter2"), 500, "That went wrong", False)],
)
def test_a_mistake_has_a_page_that_touches_no_database(error, status, says, waits):
    request = RequestFactory().get("/app/")
    request.request_id = "abc123"
    try:
        raise error
    except (OperationalError, ValueError):
        answer = pages.server_error(request)
    page = answer.content.decode()
    assert (answer.status_code, says in page, "abc123" in page, "hunter2" in page) == (status, True, True, False)
    assert ("Retry-After" in answer, 'http-equiv="refresh"' in page) == (waits, waits)


def test_a_mistake_under_api_is_a_problem_document():
    request = RequestFactory().get("/api/anomalies")
    try:
        raise OperationalError
    except OperationalError:
        answer = pages.server_error(request)
    assert (answer.status_code, json.loads(answer.content)["type"]) == (503, "/problems/unavailable")


def test_a_malformed_request():
    answer = pages.bad_request(RequestFactory().get("/app/"), ValueError())
    assert (answer.status_code, b"That could not be read" in answer.content) == (400, True)


def test_every_page_forbids_what_it_does_not_need(db):
    policy = Client().get("/app/login")["Content-Security-Policy"]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";") if rule.strip())
    assert rules["default-src"] == "'self'"
    assert rules["style-src"] == "'self'"
    assert rules["script-src"].startswith("'self' 'nonce-")
    assert "unsafe" not in policy


@pytest.mark.parametrize(("typed", "led"), [("/", "/app/"), ("/app", "/app/"), ("/app/anomalies?type=record", "/app/inbox?type=record")])
def test_an_address_as_people_type_it_leads_on(client, viewer, typed, led):
    client.force_login(viewer)
    assert client.get(typed)["Location"] == led
