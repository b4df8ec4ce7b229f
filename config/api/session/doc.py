"""The documents of the session API: pages to read and an OpenAPI document, made from the routes that exist."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

from django.conf import settings
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.urls import URLPattern, get_resolver
from drf_spectacular.renderers import OpenApiYamlRenderer

from config.api.renderers import to_json
from config.api.session.calls import Call
from config.api.session.endpoint import Endpoint, Kind, endpoint
from config.api.session.envelope import WORDS
from config.api.session.parameters import AnyPath, Choice, Parameter

EXAMPLES: Final = Path(__file__).with_name("examples.json")
DOCUMENT_OF_METHOD: Final = "/doc/method/{method}"


def endpoints() -> list[Endpoint]:
    """Every endpoint that has a route, in the order of their paths."""
    return sorted({one.path: one for one in _routed(get_resolver().url_patterns)}.values(), key=lambda one: one.path)


def _routed(patterns: list[Any]) -> Iterator[Endpoint]:
    for pattern in patterns:
        if isinstance(pattern, URLPattern) and isinstance(found := getattr(pattern.callback, "endpoint", None), Endpoint):
            yield found


def described() -> list[Endpoint]:
    """Without the pages of single methods, which are part of /doc."""
    return [one for one in endpoints() if one.path != DOCUMENT_OF_METHOD]


@endpoint("/doc", produces="text/html")
def doc(call: Call) -> HttpResponse:
    """This documentation: every method by group, and what all of them share."""
    groups: dict[str, list[Endpoint]] = {}
    for one in described():
        groups.setdefault(one.group, []).append(one)
    return render(call.request, "doc/index.html", {"groups": groups, "host": settings.BASE_URL})


@endpoint(DOCUMENT_OF_METHOD, produces="text/html", parameters=(AnyPath(name="method", in_path=True),))
def doc_method(call: Call, *, method: str) -> HttpResponse:
    """One method: its parameters, who may call it, an example."""
    found = next((one for one in described() if one.path == f"/{method}"), None)
    if found is None:
        raise Http404
    shown = {"one": found, "paragraphs": found.description.split("\n\n"), "rows": rows(found), "example": example_of(found)}
    return render(call.request, "doc/method.html", shown)


def rows(one: Endpoint) -> list[dict[str, Any]]:
    """The parameters as the page shows them."""
    return [
        {
            "name": parameter.name,
            "type": type_words(parameter),
            "required": parameter.required or parameter.in_path,
            "default": "" if parameter.default in (None, ()) else json.dumps(parameter.default),
            "help": parameter.help,
            "writes": parameter.writes and one.kind is Kind.BOTH,
        }
        for parameter in one.parameters
    ]


def type_words(parameter: Parameter) -> str:
    """The type in a few words: "integer 1 to 1000", "one of asc, desc"."""
    schema = parameter.schema()
    if choices := schema.get("enum"):
        return f"one of {', '.join(choices)}"
    if schema["type"] == "array":
        return f"list of {schema['items']['type']}s"
    if schema.get("format") == "unix-time":
        return "unix seconds"
    if "minimum" in schema:
        return f"integer {schema['minimum']} to {schema['maximum']}" if schema["maximum"] < 10**9 else "integer"
    return str(schema.get("format", schema["type"]))


def example_of(one: Endpoint) -> dict[str, str]:
    """A call as curl makes it, and the answer that a test recorded."""
    recorded = json.loads(EXAMPLES.read_text()).get(one.path) if EXAMPLES.exists() else None
    answer = "" if recorded is None else json.dumps(recorded, indent=2, ensure_ascii=False)
    return {"request": curl(one), "answer": answer}


def curl(one: Endpoint) -> str:
    address = settings.BASE_URL + one.path.format(**{p.name: one.example.get(p.name, p.name) for p in one.parameters if p.in_path})
    sent = {name: value for name, value in one.example.items() if not any(p.in_path and p.name == name for p in one.parameters)}
    header = f" \\\n  -H '{credential(one)}'" if one.operation else ""
    if one.kind is Kind.WRITE or any(p.writes and p.name in sent for p in one.parameters):
        body = json.dumps(sent, ensure_ascii=False)
        return f"curl -X POST '{address}'{header} \\\n  -H 'Content-Type: application/json' \\\n  -d '{body}'"
    return f"curl '{address}{'?' + urlencode(sent) if sent else ''}'{header}"


def credential(one: Endpoint) -> str:
    need = one.need
    return "X-Auth-Token: $ORG_TOKEN" if need is not None and need.org_token else "X-Session-Id: $SESSION_ID"


@endpoint("/doc/openapi", parameters=(Choice(name="format", choices=("json", "yaml"), default="json", help="The form of the document."),))
def doc_openapi(call: Call, *, format: str) -> HttpResponse:
    """The OpenAPI 3.1 document of the session API."""
    document = openapi()
    if format == "yaml":
        return HttpResponse(OpenApiYamlRenderer().render(document), content_type="application/yaml")  # type: ignore[no-untyped-call]  # of the library
    return HttpResponse(to_json(document), content_type="application/json")


def openapi() -> dict[str, Any]:
    return {
        "openapi": "3.1.1",
        "info": {"title": "Plumbline session API", "version": settings.VERSION},
        "servers": [{"url": settings.BASE_URL}],
        "paths": {one.path: {method.lower(): operation(one, method) for method in one.kind.methods} for one in described()},
        "components": {"schemas": SCHEMAS, "securitySchemes": SECURITY},
    }


def operation_id(one: Endpoint, method: str) -> str:
    return f"{method.lower()}_{'_'.join(re.findall('[a-z]+', one.path))}"


def operation(one: Endpoint, method: str) -> dict[str, Any]:
    found: dict[str, Any] = {
        "operationId": operation_id(one, method),
        "tags": [one.group],
        "summary": one.summary,
        "parameters": [_parameter(p) for p in one.parameters if p.in_path or (method == "GET" and not p.writes)],
        "responses": _responses(one, method),
        "security": _security(one),
    }
    if one.description:
        found["description"] = one.description
    if method == "POST" and (fields := [p for p in one.parameters if not p.in_path]):
        found["requestBody"] = _body(fields)
    return found


def _parameter(parameter: Parameter) -> dict[str, Any]:
    found = {
        "name": parameter.name,
        "in": "path" if parameter.in_path else "query",
        "required": parameter.required or parameter.in_path,
        "description": parameter.help,
        "schema": _schema(parameter),
    }
    return found | ({"style": "form", "explode": False} if parameter.schema()["type"] == "array" else {})


def _schema(parameter: Parameter) -> dict[str, Any]:
    plain = parameter.default not in (None, ())
    return parameter.schema() | ({"default": parameter.default} if plain else {})


def _body(fields: list[Parameter]) -> dict[str, Any]:
    properties = {p.name: _schema(p) | ({"description": p.help} if p.help else {}) for p in fields}
    required = [p.name for p in fields if p.required]
    schema = {"type": "object", "properties": properties} | ({"required": required} if required else {})
    kinds = ("application/json", "application/x-www-form-urlencoded")
    return {"required": bool(required), "content": {kind: {"schema": schema} for kind in kinds}}


def _responses(one: Endpoint, method: str) -> dict[str, Any]:
    content: Mapping[str, Any] = {one.produces: {"schema": {"$ref": "#/components/schemas/Envelope"}}}
    if one.produces != "application/json":
        content = {one.produces: {"schema": {"type": "string"}}}
    writes = method == "POST" and one.kind in (Kind.WRITE, Kind.BOTH)
    codes = [400, 500, 503, *((401, 403) if one.operation else (403,) if writes else ()), *((404,) if "{" in one.path else ())]
    errors = {str(code): {"description": WORDS[code], "content": ERROR_CONTENT} for code in sorted(codes)}
    return {"200": {"description": one.summary, "content": content}} | errors


def _security(one: Endpoint) -> list[dict[str, list[str]]]:
    if one.need is None:
        return []
    session: list[dict[str, list[str]]] = [{"sessionHeader": []}, {"sessionParameter": []}, {"sessionCookie": []}]
    return session + ([{"orgToken": []}] if one.need.org_token else [])


ERROR_CONTENT: Final = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
_STATUS: Final = {
    "type": "object",
    "properties": {
        "created_timestamp": {"type": "integer"},
        "created_string": {"type": "string"},
        "duration": {"type": "number"},
        "language": {"type": "string"},
        "timezone": {"type": "object", "properties": {"timezone_type": {"type": "integer"}, "timezone": {"type": "string"}}},
        "code": {"type": "integer"},
        "oldest_cached_component_age": {"type": "integer"},
        "session_id": {"type": "string"},
        "org_onboarding_status_id": {"type": ["integer", "null"]},
        "api_host": {"type": "string"},
        "user_onboarding_flags": {"type": "object", "additionalProperties": {"type": "boolean"}},
    },
}
_ERRORS: Final = {"type": "object", "additionalProperties": {"type": "array", "items": {"type": "string"}}}
SCHEMAS: Final = {
    "Status": _STATUS,
    "Envelope": {
        "type": "object",
        "required": ["status", "data"],
        "properties": {"status": {"$ref": "#/components/schemas/Status"}, "data": {"type": "object"}},
    },
    "Error": {
        "type": "object",
        "required": ["status", "data"],
        "properties": {
            "status": {"$ref": "#/components/schemas/Status"},
            "data": {"type": "object", "properties": {"message": {"type": "string"}, "errors": _ERRORS}},
        },
    },
}
SECURITY: Final = {
    "sessionHeader": {"type": "apiKey", "in": "header", "name": "X-Session-Id"},
    "sessionParameter": {"type": "apiKey", "in": "query", "name": "session_id"},
    "sessionCookie": {"type": "apiKey", "in": "cookie", "name": "session_id"},
    "orgToken": {"type": "apiKey", "in": "header", "name": "X-Auth-Token"},
}
