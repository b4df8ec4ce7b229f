"""Request ids, the access log and the headers of every answer."""

import json
import logging
import re

import pytest
from django.http import HttpResponse, JsonResponse
from django.test import RequestFactory

from config import logs
from config.middleware import ContentSecurityPolicyMiddleware, RequestContextMiddleware


def answer(view, path="/app/", **headers):
    return RequestContextMiddleware(ContentSecurityPolicyMiddleware(view))(RequestFactory().get(path, headers=headers))


def page(request):
    return HttpResponse("<p>hello")


def page_with_script(request):
    return HttpResponse(f"<script nonce={request.csp_nonce}></script><script nonce={request.csp_nonce}></script>")


def test_a_sane_request_id_is_kept():
    seen = []
    response = answer(lambda request: seen.append(request.request_id) or HttpResponse(), x_request_id="trace-0123456789")
    assert (seen, response["X-Request-Id"]) == (["trace-0123456789"], "trace-0123456789")


@pytest.mark.parametrize("sent", ["", "short", "x" * 129, 'quote"quote"', "line\nbreak-here", "ünïcödé-id"])
def test_a_strange_request_id_is_replaced_by_a_new_one(sent):
    first, second = (answer(page, x_request_id=sent)["X-Request-Id"] for _ in range(2))
    assert re.fullmatch("[0-9a-f]{32}", first)
    assert first != second


def policy(response):
    return dict(part.strip().split(" ", 1) for part in response["Content-Security-Policy"].split(";"))


def test_a_page_without_a_script_of_its_own_names_no_nonce():
    assert policy(answer(page))["script-src"] == "'self'"


def test_the_nonce_of_the_page_is_the_one_of_the_header_and_new_each_time():
    nonces = []
    for _ in range(2):
        response = answer(page_with_script)
        in_page = set(re.findall("nonce=([^>]+)", response.content.decode()))
        assert len(in_page) == 1
        nonces += in_page
        assert policy(response)["script-src"] == f"'self' 'nonce-{nonces[-1]}'"
    assert nonces[0] != nonces[1]


@pytest.mark.parametrize("path", ["/app/", "/app/login", "/", "/administration", "/api/anomalies"])
def test_pages_allow_nothing_unsafe(path):
    assert "unsafe" not in answer(page_with_script, path)["Content-Security-Policy"]


@pytest.mark.parametrize("path", ["/admin/", "/api/docs"])
def test_looser_policies_are_bound_to_their_paths_and_to_our_own_origin(path):
    allowed = policy(answer(page, path))
    assert allowed["style-src"] == "'self' 'unsafe-inline'"
    assert allowed["frame-ancestors"] == "'none'"
    assert not re.search(r"https?:|\*", answer(page, path)["Content-Security-Policy"])


def test_an_answer_that_is_no_page_may_load_nothing():
    assert answer(lambda request: JsonResponse({}))["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"


@pytest.mark.django_db
def test_the_product_sends_all_headers_of_a_strict_page(client):
    response = client.get("/app/login")
    assert response["X-Frame-Options"] == "DENY"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Referrer-Policy"] == "same-origin"
    assert response["Cross-Origin-Opener-Policy"] == "same-origin"
    assert response["Cross-Origin-Resource-Policy"] == "same-origin"
    assert response["Permissions-Policy"].startswith("camera=()")


@pytest.fixture
def lines():
    """What the product's own formatter writes, as one JSON object per line, at level debug."""
    config = logs.logging_config(form="json", level="DEBUG")
    formatter = {name: value for name, value in config["formatters"]["structured"].items() if name != "()"}
    handler, written = logging.Handler(), []
    handler.setFormatter(config["formatters"]["structured"]["()"](**formatter))
    handler.emit = lambda record: written.append(json.loads(handler.format(record)))
    root = logging.getLogger()
    level = root.level
    root.setLevel("DEBUG")
    root.addHandler(handler)
    yield written
    root.removeHandler(handler)
    root.setLevel(level)


def test_every_line_of_a_request_carries_its_id(lines):
    def view(request):
        logs.get_logger("metrics").info("structured", points=3)
        logging.getLogger("django.something").warning("classic %s", "words")
        return HttpResponse(status=404)

    answer(view, "/app/?key=hidden", x_request_id="trace-0123456789")
    told = [(line["event"], line["level"], line["request_id"]) for line in lines]
    assert told == [
        ("structured", "info", "trace-0123456789"),
        ("classic words", "warning", "trace-0123456789"),
        ("request", "info", "trace-0123456789"),
    ]
    assert {name: lines[2][name] for name in ("method", "path", "status")} == {"method": "GET", "path": "/app/", "status": 404}


@pytest.mark.parametrize(("path", "status", "level"), [
    ("/api/v1/write", 204, "debug"), ("/api/v1/write", 401, "info"), ("/flux/metric_data", 200, "debug"),
    ("/api/health", 200, "debug"), ("/app/", 200, "info"), ("/app/", 500, "error"),
])  # fmt: skip
def test_a_busy_path_that_succeeds_is_told_at_debug_only(lines, path, status, level):
    answer(lambda request: HttpResponse(status=status), path)
    assert [line["level"] for line in lines] == [level]


def test_secrets_are_masked_wherever_they_are(lines):
    token = "plb_0123abcd_Zm9vYmFyYmF6cXV4-0123456789"
    logs.get_logger("x").info(f"sent {token}", password="hunter2", key="abc", url="redis://user:pass@host/0", note=f"Bearer {token}")
    line = lines[0]
    assert (line["event"], line["password"], line["key"], line["note"]) == ("sent ***", "***", "***", "Bearer ***")
    assert line["url"] == "redis://***@host/0"


def test_an_exception_is_told_with_its_traceback(lines):
    try:
        1 / 0  # noqa: B018
    except ZeroDivisionError:
        logs.get_logger("x").exception("failed")
    assert lines[0]["exception"].endswith("ZeroDivisionError: division by zero")
