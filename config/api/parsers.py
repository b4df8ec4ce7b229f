"""JSON in."""

from collections.abc import Mapping
from typing import IO, Any, Final

import orjson
from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser
from rest_framework.request import Request

from orgs.errors import TooLarge

# A bulk change of 10,000 anomalies with a sentence each fits well.
MAX_BYTES: Final = 10_000_000


class JsonParser(BaseParser):
    """Strict JSON: no NaN, one document, UTF-8 only. Raises ParseError (400) with the place of the mistake, TooLarge (413)."""

    media_type = "application/json"

    def parse(self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None) -> Any:
        body = stream.read(MAX_BYTES + 1)
        if len(body) > MAX_BYTES:
            raise TooLarge(f"A body has at most {MAX_BYTES:,} bytes.")
        try:
            return orjson.loads(body)
        except orjson.JSONDecodeError as exc:
            raise ParseError(f"The body is no JSON: line {exc.lineno}, column {exc.colno}.") from exc


class BodyRequest(Request):
    """A change without a body is a mistake, not a change of nothing. An operation that takes no body does not look for one."""

    def _parse(self) -> Any:
        if self.method in ("PUT", "PATCH") and self.stream is None:
            raise ParseError("The body is empty. Send what to change, as a JSON object.")
        return super()._parse()  # type: ignore[misc]  # the stubs leave out what is not public


class CloudEventParser(JsonParser):
    """A CloudEvent in structured mode: JSON under a name of its own."""

    media_type = "application/cloudevents+json"
