"""The OpenAPI document, made from the views: ids, tags, and every error that an operation can give."""

from typing import Any, Final

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import ResolvedComponent

from accounts.permissions import PERMISSIONS
from config.api.problems import CONTENT_TYPE, PROBLEMS

# Of operations that ask nobody who they are; they say themselves what else they answer.
OPEN: Final = (405, 500)
ALWAYS: Final = (401, 403, 405, 422, 429, 500, 503)
OF_ONE_THING: Final = (404,)
OF_BODIES: Final = (400, 409, 412, 413, 415)

PROBLEM: Final[dict[str, Any]] = {
    "type": "object",
    "description": "RFC 9457 problem details. Branch on `type` and `code`, never on the words.",
    "required": ["type", "title", "status", "detail", "instance"],
    "properties": {
        "type": {"type": "string", "format": "uri-reference"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "One sentence that a person can act on."},
        "instance": {"type": "string", "description": "The request id; the log has it too."},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["loc", "code", "msg"],
                "properties": {
                    "loc": {"type": "array", "items": {"oneOf": [{"type": "string"}, {"type": "integer"}]}},
                    "code": {"type": "string"},
                    "msg": {"type": "string"},
                },
            },
        },
    },
    "example": {
        "type": "/problems/invalid",
        "title": "Invalid values",
        "status": 422,
        "detail": "Some values do not do; `errors` names them.",
        "instance": "01jd4c6e0v5m8q2t",
        "errors": [{"loc": ["body", "status"], "code": "invalid_choice", "msg": '"Done" is not a valid choice.'}],
    },
}
IDEMPOTENCY_KEY: Final = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "Up to 255 characters. The same request sent again within 24 hours is answered alike and done once.",
    "schema": {"type": "string", "maxLength": 255},
}
THING: Final = {
    "description": "The number; of an anomaly, the UUID as well.",
    "schema": {"type": "string", "pattern": "^([0-9]+|[0-9a-fA-F-]{32,36})$"},
}
IF_MATCH: Final = {
    "name": "If-Match",
    "in": "header",
    "required": False,
    "description": "The ETag that was read: 412 if the thing has changed since.",
    "schema": {"type": "string"},
}
IF_NONE_MATCH: Final = {
    "name": "If-None-Match",
    "in": "header",
    "required": False,
    "description": "The ETag that you have: 304 without a body if the thing is still that.",
    "schema": {"type": "string"},
}
NOT_MODIFIED: Final = {"description": "You have this version."}


class PlumblineSchema(AutoSchema):
    """Ids are `<resource>_<action>`, tags the first word after /api/; errors follow from the method and the address."""

    def _get_paginator(self) -> Any:
        # What hangs on one thing is a plain array; only lists come in the envelope.
        return super()._get_paginator() if getattr(self.view, "action", None) == "list" else None  # type: ignore[no-untyped-call]  # untyped in drf-spectacular

    def get_tags(self) -> list[str]:
        return [self._tokenize_path()[0].removesuffix(".json")]

    def get_operation_id(self) -> str:
        action = getattr(self.view, "action", None) or self.method.lower()
        resource = getattr(self.view, "resource", None) or self._tokenize_path()[0].replace("-", "_")
        return f"{resource}_{action}"

    def _tokenize_path(self) -> list[str]:
        return [part for part in self.path.removeprefix("/api").split("/") if part and "{" not in part]

    def get_operation(self, *args: Any, **kwargs: Any) -> dict[str, Any] | None:
        operation = super().get_operation(*args, **kwargs)
        if operation is None:
            return None
        if self.method == "GET" and getattr(self.view, "action", None) == "retrieve":
            operation["responses"].setdefault("304", NOT_MODIFIED)
        operation["responses"].update({str(status): self._error(status) for status in self._errors()})
        operation["responses"] = dict(sorted(operation["responses"].items()))
        parameters = [self._thing(found["name"]) if found["in"] == "path" else found for found in operation.get("parameters", ())]
        operation["parameters"] = parameters + self._headers() + ([IF_NONE_MATCH] if "304" in operation["responses"] else [])
        return operation

    def _thing(self, name: str) -> dict[str, Any]:
        """What one word of an address may be: a reference, or what the view says in `words`."""
        said: dict[str, Any] = getattr(self.view, "words", {}).get(name, THING)
        return {"name": name, "in": "path", "required": True, **said}

    def _errors(self) -> list[int]:
        if not self.view.authentication_classes:
            return list(OPEN)
        found = [
            *ALWAYS,
            *(OF_ONE_THING if "{" in self.path else ()),
            *(OF_BODIES if self.method in ("POST", "PUT", "PATCH", "DELETE") else ()),
        ]
        return sorted(set(found) | set(getattr(self.view, "extra_errors", ())))

    def _headers(self) -> list[dict[str, Any]]:
        is_conditional = getattr(self.view, "action", None) in getattr(self.view, "conditional", ())
        return ([IDEMPOTENCY_KEY] if self.method == "POST" else []) + ([IF_MATCH] if is_conditional else [])

    def _get_request_body(self, direction: str = "request") -> dict[str, Any] | None:
        """Also of a DELETE that takes one: it may always be left out where the address names the thing."""
        if self.method != "DELETE" or getattr(self.view, "action", None) not in getattr(self.view, "deletes_with_body", ()):
            return super()._get_request_body(direction)  # type: ignore[no-untyped-call, no-any-return]  # untyped in drf-spectacular
        self.method = "POST"  # the library gives no body to other methods
        try:
            body: dict[str, Any] = super()._get_request_body(direction)  # type: ignore[no-untyped-call]  # untyped in drf-spectacular
        finally:
            self.method = "DELETE"
        return {**body, "required": "{" not in self.path}

    def _error(self, status: int) -> dict[str, Any]:
        component = ResolvedComponent(  # type: ignore[no-untyped-call]  # untyped in drf-spectacular
            name="Problem", type=ResolvedComponent.SCHEMA, schema=PROBLEM, object="problem"
        )
        self.registry.register_on_missing(component)
        return {"description": PROBLEMS[status][1], "content": {CONTENT_TYPE: {"schema": component.ref}}}


class TokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # untyped in drf-spectacular
    target_class = "config.api.authentication.TokenAuthentication"
    name = ["bearer", "orgToken"]  # noqa: RUF012 - the library's attribute

    def get_security_requirement(self, auto_schema: AutoSchema) -> list[dict[str, list[Any]]]:
        """One or the other; an org token only where the permission table lets it."""
        need = PERMISSIONS.get(getattr(auto_schema.view, "operation", None) or "")
        return [{"bearer": []}, {"orgToken": []}] if need is not None and need.org_token else [{"bearer": []}]

    def get_security_definition(self, auto_schema: AutoSchema) -> list[dict[str, Any]]:
        return [
            {
                "type": "http",
                "scheme": "bearer",
                "description": "A personal token (`plb_…`) acts as its user; an org token reads metrics and anomalies.",
            },
            {"type": "apiKey", "in": "header", "name": "X-Auth-Token", "description": "An org token; reads metrics and anomalies."},
        ]


class SessionScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # untyped in drf-spectacular
    target_class = "config.api.authentication.SessionAuthentication"
    name = "session"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, Any]:
        return {
            "type": "apiKey",
            "in": "cookie",
            "name": "session_id",
            "description": "The dashboard's session; writes need the CSRF header too.",
        }


class IngestKeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # untyped in drf-spectacular
    target_class = "metrics.api.imports.IngestKeyAuthentication"
    name = "ingestKey"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, Any]:
        description = "An ingest key writes points into its datastore and reads how its imports go; nothing else."
        return {"type": "http", "scheme": "bearer", "description": description}
