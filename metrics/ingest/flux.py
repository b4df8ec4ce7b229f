"""Flux JSON: one point or `metrics[]`, as body or as query parameters. Bytes in, points out, nothing else touched.

`{"key": K, "metric": "a.b", "timestamp": 1760000000, "value": 1.5, "fill": "true"}` or `{"key": K, "metrics": [{"metric", "timestamp",
"value"}, ...]}`; `{"key": K, "validate_key": true}` asks whether the key is good; `test` asks what would happen.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qs

import orjson

from metrics.ingest.batch import SAMPLE_LIMIT, BadRequest, Batch, Refusal, batch_of
from metrics.ingest.scalars import Unusable, read_name, read_time_ms, read_value, shown_name

_TRUE: Final = {"true", "1", "yes", "on"}


@dataclass(frozen=True)
class Message:
    """A Flux request before its points are looked at."""

    key: str
    validate_key: bool
    is_test: bool
    is_fill: bool
    points: list[Any]


def parse_body(body: bytes) -> Message:
    """JSON, or a form whose fields are those of a point or whose only text is the JSON. Raises BadRequest."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        document = _lenient(body)
        if document is None:
            document = _form(body)
    if not isinstance(document, dict):
        raise BadRequest("The body must be one JSON object.")
    return parse_fields(document)


def parse_fields(fields: Mapping[str, Any]) -> Message:
    """The message that a JSON object, a form or a query string holds. Raises BadRequest when `metrics` is no list, or too long."""
    points = fields.get("metrics", [fields])
    if not isinstance(points, list):
        raise BadRequest("metrics: a list of points is needed.")
    if len(points) > SAMPLE_LIMIT:
        raise BadRequest(f"metrics: at most {SAMPLE_LIMIT} points per request.", status=413)
    key = fields.get("key")
    return Message(
        key=key if isinstance(key, str) else "",
        validate_key=_is_true(fields.get("validate_key")),
        is_test=_is_true(fields.get("test")),
        is_fill=_is_true(fields.get("fill")),
        points=points,
    )


def parse_points(message: Message, *, now_ms: int) -> Batch:
    """The message's points in its order; what cannot be used is refused with its place, the rest is kept."""
    good: list[tuple[int, str, int, float]] = []
    refused = []
    for place, point in enumerate(message.points):
        try:
            good.append((place, *_point(point, now_ms=now_ms)))
        except Unusable as error:
            refused.append(Refusal(place, _metric_of(point), error.code, str(error)))
    return batch_of(good, refused)


def _point(point: object, *, now_ms: int) -> tuple[str, int, float]:
    if not isinstance(point, Mapping):
        raise Unusable("point_invalid", "A point must be an object with metric, timestamp and value.")
    return read_name(point.get("metric")), read_time_ms(point.get("timestamp"), now_ms=now_ms), read_value(point.get("value"))


def _metric_of(point: object) -> str:
    return shown_name(point.get("metric"))[:200] if isinstance(point, Mapping) else ""


def _is_true(flag: object) -> bool:
    return flag is True or isinstance(flag, str) and flag.strip().lower() in _TRUE or flag == 1


def _form(body: bytes) -> object:
    """A form's fields. curl -d sends JSON as a form, some clients as a field's name or value: then that JSON is the document."""
    try:
        fields = {name: values[-1] for name, values in parse_qs(body.decode(), keep_blank_values=True, max_num_fields=100).items()}
    except ValueError:
        raise BadRequest("The body is neither JSON nor a form.") from None
    for text in (*fields.values(), *fields):
        if text.startswith("{"):
            return _json(text)
    if "key" not in fields and "metric" not in fields:
        raise BadRequest("The body is neither JSON nor a form.")
    return {**fields, "metrics": _json(fields["metrics"])} if "metrics" in fields else fields


def _lenient(body: bytes) -> object:
    """JSON as other writers make it, with NaN, numbers beyond a double and half characters: one bad point must not cost the others.
    None when it is none."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _json(text: str) -> object:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        raise BadRequest("The body is not valid JSON.") from None
