"""/doc and /doc/openapi: exactly the routes that exist, described by what validates them."""

import json
import os

import pytest
import yaml
from django.urls import URLPattern, get_resolver

from accounts.permissions import PERMISSIONS
from config.api.session import Endpoint, Kind
from config.api.session.doc import EXAMPLES, described, endpoints, type_words
from tests import factories
from tests.session_api.conftest import Api, data

# Root routes of other interfaces: pages, REST, ingestion.
OTHERS = ("", "admin/", "app", "api", "flux/", "problems/", "static/", "mcp", "vm/", "^")


def root_routes() -> set[str]:
    found = set()
    for pattern in get_resolver().url_patterns:
        route = str(pattern.pattern)
        if isinstance(pattern, URLPattern) and route and not route.startswith(OTHERS[1:]):
            found.add(route)
    return found


def test_every_root_route_is_an_endpoint_of_the_session_api():
    plain = {pattern.pattern._route for pattern in get_resolver().url_patterns if hasattr(getattr(pattern, "callback", None), "endpoint")}
    assert plain == root_routes()
    assert len(endpoints()) == len(plain)


def test_the_document_lists_exactly_the_routes_that_exist(api):
    listed = set(api.get("/doc/openapi").json()["paths"])
    assert listed == {one.path for one in endpoints()} - {"/doc/method/{method}"}
    assert {"/login", "/org/adminalert/{alert_code}", "/doc", "/doc/openapi", "/user/password", "/ping"} <= listed


def test_the_document_is_the_same_in_yaml(api):
    as_json, as_yaml = api.get("/doc/openapi"), api.get("/doc/openapi", {"format": "yaml"})
    assert (as_json["Content-Type"], as_yaml["Content-Type"]) == ("application/json", "application/yaml")
    assert yaml.safe_load(as_yaml.content) == as_json.json()
    assert as_json.json()["openapi"] == "3.1.1"
    assert api.get("/doc/openapi", {"format": "xml"}).status_code == 400


def test_operation_ids_are_unique_and_methods_those_that_are_taken(api):
    paths = api.get("/doc/openapi").json()["paths"]
    ids = [operation["operationId"] for methods in paths.values() for operation in methods.values()]
    assert len(ids) == len(set(ids))
    assert (set(paths["/login"]), set(paths["/user/info"]), set(paths["/user/password"])) == ({"post"}, {"get", "post"}, {"put"})
    fields = paths["/login"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert fields["required"] == ["email", "password"]
    assert fields["properties"]["remember"] == {
        "type": "boolean",
        "default": False,
        "description": fields["properties"]["remember"]["description"],
    }


def test_doc_links_every_method_by_group(api):
    page = api.get("/doc", accept="text/html").content.decode()
    for one in described():
        assert f'href="/doc/method{one.path}"' in page
        assert f"<h3>{one.group}</h3>" in page


@pytest.mark.parametrize("one", endpoints(), ids=lambda one: one.path)
def test_every_endpoint_says_what_it_does_and_who_may(one: Endpoint):
    assert one.summary.endswith(".")
    assert one.operation == "" or one.operation in PERMISSIONS
    assert len({parameter.name for parameter in one.parameters}) == len(one.parameters)
    assert all(type_words(parameter) for parameter in one.parameters)
    assert set(one.example) <= {parameter.name for parameter in one.parameters}


@pytest.mark.parametrize("one", described(), ids=lambda one: one.path)
def test_every_method_has_a_page_with_its_parameters(api, one: Endpoint):
    page = api.get("/doc/method" + one.path, accept="text/html").content.decode()
    assert f"<h1><code>{one.path}</code></h1>" in page
    assert page.count('<th scope="row">') == len(one.parameters)
    assert "curl " in page


def test_a_page_shows_code_as_code_and_the_example_as_one_types_it(api):
    page = api.get("/doc/method/login", accept="text/html").content.decode()
    assert "gets <code>two_factor_required</code>, and has to" in page
    assert "`" not in page
    assert "&quot;password&quot;: &quot;…&quot;" in page


def test_there_is_no_page_for_a_method_that_does_not_exist(api):
    data(api.get("/doc/method/login/debug"), 404)


# What differs from call to call, and what needs a mail or money first, has no recorded answer.
UNRECORDED = {
    "/login/validateclient", "/login/resetpassword", "/signup/verify", "/status", "/user/updatepassword", "/user/password", "/user/delete",
    "/misc/timezones", "/misc/phonecodes", "/login", "/billing/getcheckoutsession", "/billing/getportalsession",
}  # fmt: skip


def untold(value):
    """The times of an answer that have no words beside them, however deep."""
    if isinstance(value, dict):
        alone = {name for name in value if name.endswith("timestamp") and not {f"{name}_string", f"{name[:-9]}string"} & value.keys()}
        return alone.union(*map(untold, value.values()))
    return set().union(*map(untold, value)) if isinstance(value, list) else set()


def test_each_time_of_the_recorded_answers_has_its_words():
    recorded = json.loads(EXAMPLES.read_text())
    assert {path: alone for path, answer in recorded.items() if (alone := untold(answer))} == {}
    assert untold({"a": [{"last_timestamp": 1, "b_timestamp": 2, "b_string": ""}]}) == {"last_timestamp"}


def recordable() -> list[Endpoint]:
    return [one for one in described() if one.path not in UNRECORDED and one.produces == "application/json" and "openapi" not in one.path]


def shape(value):
    """The keys of an answer, however deep; of a list, of its first entry."""
    if isinstance(value, dict):
        return {name: shape(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return None


@pytest.mark.parametrize("one", recordable(), ids=lambda one: one.path)
def test_the_example_of_the_page_is_what_the_method_answers(one: Endpoint, datastore, admin, as_):
    """UPDATE_EXAMPLES=1 records the answers anew."""
    factories.make_anomaly(factories.make_metric(datastore, "staging.cpu"))
    type(admin.org).objects.update(is_demo=True)
    caller = as_(admin) if one.operation and one.path != "/org/adminalert/{alert_code}" else Api()
    said = dict(one.example)
    if "demo_org_id" in said:
        said["demo_org_id"] = admin.org_id
    path = one.path.format(**said)
    headers = {} if one.operation != "org.report_health" else {"x_auth_token": factories.make_org_token(admin.org)}
    writes = one.kind not in (Kind.READ, Kind.GET) and any(parameter.name in said for parameter in one.parameters)
    answer = caller.post(path, said, **headers) if writes or one.kind is Kind.WRITE else caller.get(path, said, **headers)
    data(answer)
    recorded = json.loads(EXAMPLES.read_text()) if EXAMPLES.exists() else {}
    if os.environ.get("UPDATE_EXAMPLES"):
        EXAMPLES.write_text(json.dumps(recorded | {one.path: answer.json()}, indent=1, sort_keys=True, ensure_ascii=False) + "\n")
        recorded = json.loads(EXAMPLES.read_text())
    assert shape(recorded[one.path]) == shape(answer.json())


def test_every_example_belongs_to_a_method():
    assert set(json.loads(EXAMPLES.read_text())) == {one.path for one in recordable()}
