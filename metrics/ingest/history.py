"""Lines of history -> points: NDJSON or CSV, pure. A bad line is refused with its number, the others are kept."""

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

import orjson

from metrics.ingest.batch import BadRequest, Batch, Refusal, batch_of
from metrics.ingest.scalars import Unusable, read_name, read_time_ms, read_value

LINE_LIMIT: Final = 64 * 1024
FIELDS: Final = ("metric", "timestamp", "value")


class Form(Enum):
    """How a file of history is written."""

    NDJSON = "application/x-ndjson"
    CSV = "text/csv"


@dataclass(frozen=True)
class Header:
    """Where the three fields stand in a CSV line."""

    metric: int
    timestamp: int
    value: int


def form_of(content_type: str) -> Form:
    """The form that a Content-Type names. Raises BadRequest 415 for another."""
    try:
        return Form(content_type.partition(";")[0].strip().lower())
    except ValueError:
        raise BadRequest("Send application/x-ndjson, or text/csv with the header metric,timestamp,value.", status=415) from None


def parse_header(line: bytes) -> Header:
    """The header of a CSV file. Raises BadRequest when one of the three fields is missing."""
    try:
        names = [name.strip().lower() for name in next(csv.reader([line.decode("utf-8-sig")]), [])]
        return Header(*(names.index(field) for field in FIELDS))
    except (ValueError, csv.Error):
        raise BadRequest("The first line must be the header metric,timestamp,value.", status=422) from None


def parse_lines(lines: Iterable[bytes], *, first: int, header: Header | None, now_ms: int) -> Batch:
    """The points of consecutive lines, oldest first, those of one time in the order of the lines. Empty lines are nothing.

    `first` is the number of the first line; a refusal's index is the line's number. `header` is that of a CSV file, None for NDJSON.
    """
    good: list[tuple[int, str, int, float]] = []
    refused = []
    for number, line in enumerate(lines, first):
        if not line.strip():
            continue
        try:
            good.append((number, *_point(line, header, now_ms=now_ms)))
        except Unusable as error:
            refused.append(Refusal(number, "", error.code, str(error)))
    good.sort(key=lambda point: point[2])
    return batch_of(good, refused)


def _point(line: bytes, header: Header | None, *, now_ms: int) -> tuple[str, int, float]:
    if len(line) > LINE_LIMIT:
        raise Unusable("line_too_long", f"The line is longer than {LINE_LIMIT} bytes.")
    fields = _json_fields(line) if header is None else _csv_fields(line, header)
    return read_name(fields.get("metric")), read_time_ms(fields.get("timestamp"), now_ms=now_ms), read_value(fields.get("value"))


def _json_fields(line: bytes) -> dict[str, Any]:
    try:
        fields = orjson.loads(line)
    except orjson.JSONDecodeError:
        raise Unusable("line_invalid", "The line is not JSON.") from None
    if not isinstance(fields, dict):
        raise Unusable("line_invalid", "The line is not a JSON object.")
    return fields


def _csv_fields(line: bytes, header: Header) -> dict[str, Any]:
    try:
        cells = next(csv.reader([line.decode()], strict=True), [])
        return {field: cells[getattr(header, field)] for field in FIELDS}
    except (UnicodeDecodeError, csv.Error, IndexError):
        raise Unusable("line_invalid", "The line does not have the fields of the header.") from None
