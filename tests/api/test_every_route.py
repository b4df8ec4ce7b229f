"""Tests about the API as a whole: no route escapes the base class, the permission table or the OpenAPI document."""

import re
from pathlib import Path

import pytest
import yaml
from django.core.management import call_command
from django.urls import URLPattern, get_resolver
from drf_spectacular.generators import SchemaGenerator

from accounts.models import Level
from accounts.permissions import PERMISSIONS
from config.api.views import OrgViewSet
from tests.api.conftest import ApiClient

ROOT = Path(__file__).parents[2]
# Why these do not derive from the base.
EXEMPT = {
    "api/health": "alive or not, for probes without a token",
    "api/status": "the same, part by part",
    "api/openapi.json": "describes the API to clients that have no token yet",
    "api/docs": "reads the description",
    "api/redoc": "reads the description",
    "api/^(?P<rest>.*)$": "what no route takes: 404",
    "api": "404",
    "api/v1/write": "remote write: an ingest key, not a person",
    "api/v1/push": "remote write",
    "api/prom/push": "remote write",
    "api/ingest/events": "counts of web pages: a public key, not a person",
}
# Open to everybody, and in the document all the same.
PROBES = {"/api/health", "/api/status"}


def routes(patterns=None, prefix=""):
    """Every address with its view; a resolver's own prefix included."""
    for pattern in get_resolver().url_patterns if patterns is None else patterns:
        here = prefix + str(pattern.pattern)
        if isinstance(pattern, URLPattern):
            yield here, pattern.callback
        else:
            yield from routes(pattern.url_patterns, here)


def api_routes():
    return [(address, view) for address, view in routes() if address.startswith("api") and address not in EXEMPT]


def test_there_are_routes_to_look_at():
    assert len(api_routes()) >= 12


@pytest.mark.parametrize(("address", "view"), api_routes(), ids=[address for address, _ in api_routes()])
def test_a_route_derives_from_the_base_and_every_action_is_in_the_permission_table(address, view):
    assert issubclass(view.cls, OrgViewSet)
    for method, action in view.actions.items():
        assert view.cls.operations[action] in PERMISSIONS, (address, method, action)
        writes = method in ("post", "put", "patch", "delete")
        assert PERMISSIONS[view.cls.operations[action]].writes is writes, (address, method, action)


@pytest.mark.parametrize(("address", "view"), api_routes(), ids=[address for address, _ in api_routes()])
def test_no_action_answers_without_a_caller(db, address, view):
    path = "/" + re.sub(r"<str:\w+>", "1", address)
    for method in tuple(view.actions):
        assert getattr(ApiClient(), method)(path).status_code == 401, (method, path)


def unconditional():
    """Every change that looks at no version."""
    actions = [(address, view.cls, *one) for address, view in api_routes() for one in view.actions.items()]
    return [(address, method) for address, cls, method, action in actions if method != "get" and action not in cls.conditional]


@pytest.mark.parametrize(("address", "method"), unconditional())
def test_a_change_that_looks_at_no_version_refuses_if_match_and_does_nothing(as_, admin, address, method):
    answer = getattr(as_(admin), method)("/" + re.sub(r"<str:\w+>", "1", address), {}, headers={"If-Match": '"some"'})
    assert (answer.status_code, answer.json()["type"]) == (412, "/problems/stale-version"), answer.content
    assert answer.json()["detail"] == "Nothing was changed: this call has no version that If-Match could name. Send it without that header."


def test_the_document_has_if_match_where_it_is_looked_at():
    plain = {(re.sub(r"<str:(\w+)>", r"{\1}", "/" + address), method) for address, method in unconditional()}
    for path, methods in document()["paths"].items():
        for method in methods.keys() - {"get"}:
            told = "If-Match" in [one["name"] for one in methods[method].get("parameters", ())]
            assert told is ((path, method) not in plain), (path, method)


# What the session API lets machines of the org tell it: deploys, and trouble with its data.
TOLD_BY_MACHINES = {"org.mark", "org.report_health"}


def test_an_org_token_can_be_given_nothing_that_writes_or_needs_more_than_viewer():
    for name, need in PERMISSIONS.items():
        if need.org_token:
            assert not need.writes or name in TOLD_BY_MACHINES, name
            assert (need.level or Level.REPORTER) <= Level.VIEWER, name


def document() -> dict:
    return yaml.safe_load((ROOT / "docs" / "openapi.yaml").read_text())


def test_the_committed_document_is_what_the_code_says(tmp_path):
    made = tmp_path / "openapi.yaml"
    call_command("spectacular", "--validate", "--fail-on-warn", "--file", str(made))
    assert made.read_text() == (ROOT / "docs" / "openapi.yaml").read_text(), "make schema writes it anew"


def test_every_operation_has_an_id_a_tag_a_summary_and_its_errors():
    found = [(path, method, one) for path, methods in document()["paths"].items() for method, one in methods.items()]
    ids = [one["operationId"] for _, _, one in found]
    assert len(ids) == len(set(ids)) >= 13
    for path, method, one in found:
        assert one["tags"], path
        assert one["summary"], path
        expected = {"405", "500"} if path in PROBES else {"401", "403", "405", "422", "429", "500", "503"}
        expected |= {"404"} if "{id}" in path else set()
        expected |= {"400", "409", "412", "413", "415"} if method != "get" else set()
        assert expected <= set(one["responses"]), (path, method)
        for status in expected:
            assert list(one["responses"][status]["content"]) == ["application/problem+json"]


def test_the_ways_to_authenticate_are_alternatives_and_org_tokens_are_offered_where_they_work():
    paths = document()["paths"]
    assert paths["/api/anomalies"]["get"]["security"] == [{"bearer": []}, {"orgToken": []}, {"session": []}]
    assert paths["/api/operations"]["get"]["security"] == [{"bearer": []}, {"session": []}]
    assert paths["/api/anomalies/{id}"]["put"]["security"] == [{"bearer": []}, {"session": []}]


def test_a_single_thing_can_be_asked_for_by_its_version():
    for path in ("/api/anomalies/{id}", "/api/metrics/{id}", "/api/org", "/api/anomalies/{id}/image"):
        described = document()["paths"][path]["get"]
        assert "304" in described["responses"], path
        assert "If-None-Match" in [parameter["name"] for parameter in described["parameters"]], path
    assert "304" not in document()["paths"]["/api/metrics"]["get"]["responses"]


def test_the_probes_are_described_as_open_to_everybody():
    for path in PROBES:
        assert document()["paths"][path]["get"]["security"] == [{}]


def test_the_import_shows_both_forms_of_a_file_and_its_answer():
    described = document()["paths"]["/api/metrics/import"]["post"]
    assert all(form["examples"] for form in described["requestBody"]["content"].values())
    assert described["responses"]["202"]["content"]["application/json"]["examples"]


def test_every_get_with_json_has_an_example():
    for path, methods in document()["paths"].items():
        content = methods.get("get", {}).get("responses", {}).get("200", {}).get("content", {})
        if "application/json" in content:
            assert content["application/json"].get("examples"), path


def test_the_document_and_its_readers_are_served_to_everyone(db):
    client = ApiClient()
    served = client.get("/api/openapi.json")
    assert (served.status_code, served.json()["openapi"]) == (200, "3.1.1")
    assert set(served.json()["paths"]) == set(document()["paths"])
    for path in ("/api/docs", "/api/redoc"):
        page = client.get(path)
        assert page.status_code == 200
        assert "http://" not in page.content.decode()
        assert "https://" not in page.content.decode()


def test_every_route_of_the_base_is_in_the_document():
    described = {re.sub(r"\{(\w+)\}", r"<str:\1>", path).lstrip("/") for path in SchemaGenerator().get_schema(public=True)["paths"]}
    assert {address for address, _ in api_routes()} | {path.lstrip("/") for path in PROBES} == described
