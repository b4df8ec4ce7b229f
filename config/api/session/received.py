"""What a request sent, wherever it put it: query, form, JSON, or the `data` block of a JSON body. One parser for every endpoint."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import orjson
from django.core.exceptions import BadRequest, RequestDataTooBig, SuspiciousOperation
from django.http import HttpRequest, QueryDict
from django.http.multipartparser import MultiPartParserError
from django.http.request import UnreadablePostError

from orgs.errors import Malformed, TooLarge

FORM: Final = "application/x-www-form-urlencoded"
MULTIPART: Final = "multipart/form-data"


@dataclass(frozen=True)
class Received:
    """The values by name, and the token that a JSON body carried in its `data` block."""

    values: Mapping[str, Any]
    body_token: str = ""

    def text(self, name: str) -> str:
        value = self.values.get(name, "")
        return value if isinstance(value, str) else ""


def received(request: HttpRequest) -> Received:
    """The body wins over the query, the `data` block over what is around it. Raises Malformed (400) and TooLarge (413)."""
    query = _query(request)
    if request.method not in ("POST", "PUT"):
        return Received(query)
    try:
        body = _body(request)
    except (RequestDataTooBig, UnreadablePostError) as exc:
        raise TooLarge("The body is too large.") from exc
    except (MultiPartParserError, BadRequest, SuspiciousOperation) as exc:
        raise Malformed("The form could not be read: it is damaged, or has too many fields.") from exc
    block = body.get("data")
    if not isinstance(block, dict):
        return Received(query | body)
    token = block.get("token")
    inside = {name: value for name, value in block.items() if name != "token"}
    return Received(query | {name: value for name, value in body.items() if name != "data"} | inside | _token(token), str(token or ""))


def _query(request: HttpRequest) -> dict[str, Any]:
    try:
        return _plain(request.GET)
    except (BadRequest, SuspiciousOperation) as exc:
        raise Malformed("The address has too many parameters, or some that cannot be read.") from exc


def rescued(request: HttpRequest) -> Received:
    """What can be told of a request that could not be read: its query, if that is not what is wrong with it."""
    with suppress(Malformed):
        return Received({name: str(value) for name, value in _query(request).items()})
    return Received({})


def _token(token: object) -> dict[str, object]:
    """The block's `token` is the org's; as a parameter it is only seen where an endpoint has one of that name."""
    return {} if token is None else {"token": token}


def _body(request: HttpRequest) -> dict[str, Any]:
    kind = (request.content_type or "").lower()
    if kind in (FORM, MULTIPART):
        # Django reads forms of a POST only.
        form = _plain(request.POST if request.method == "POST" else QueryDict(request.body, encoding="utf-8"))
        return form | _json_named_form(request, form)
    if not request.body.strip():
        return {}
    return _json(request.body)


def _json_named_form(request: HttpRequest, form: Mapping[str, Any]) -> dict[str, Any]:
    """Old clients send JSON and call it a form: then the whole document is the form's first name."""
    first = next(iter(form), "")
    return _json(request.body) if first.startswith("{") and request.content_type == FORM else {}


def _json(body: bytes) -> dict[str, Any]:
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError as exc:
        raise Malformed(f"The body is no JSON: line {exc.lineno}, column {exc.colno}.") from exc
    if not isinstance(found, dict):
        raise Malformed("The body must be a JSON object.")
    return found


def _plain(query: QueryDict) -> dict[str, Any]:
    """One value as text; a name that came several times as a list."""
    return {name: values if len(values) > 1 else values[0] for name, values in query.lists() if values}
