"""The rows of the source that stay with an anomaly: in values that JSON can hold, those of masked columns sealed."""

import math
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any, Final

import orjson

from anomalies.models import Anomaly, SourceRow, SourceTable
from anomalies.services.scans.merging import Candidate
from anomalies.services.scans.values import Row, Scan
from orgs.moments import iso_exact
from orgs.sealing import seal

PURPOSE: Final = "source row"
# What a cell of a spreadsheet holds at most; whoever needs more of one value looks at the source.
CELL_LIMIT: Final = 32_767
EXACT: Final = 2**53
ROWS_PER_STATEMENT: Final = 5_000


def keep_rows(scan: Scan, made: Sequence[tuple[Anomaly, Candidate]], *, at: datetime) -> None:
    """Stores the rows of new anomalies. Two statements, and one more per 5,000 rows."""
    kept = [(anomaly, candidate) for anomaly, candidate in made if candidate.rows]
    SourceTable.objects.bulk_create(
        SourceTable(org_id=scan.org_id, anomaly=anomaly, fields=fields_of(scan, candidate), total=len(candidate.rows), created=at)
        for anomaly, candidate in kept
    )
    rows = (row for anomaly, candidate in kept for row in _rows_of(scan, anomaly, candidate))
    SourceRow.objects.bulk_create(rows, batch_size=ROWS_PER_STATEMENT)


def fields_of(scan: Scan, candidate: Candidate) -> list[dict[str, object]]:
    wrong = candidate.fields
    return [
        {"name": column.name, "type": column.type, "masked": column.masked, "anomalous": column.name in wrong} for column in scan.columns
    ]


def _rows_of(scan: Scan, anomaly: Anomaly, candidate: Candidate) -> Iterator[SourceRow]:
    for place, row in enumerate(candidate.rows):
        yield SourceRow(org_id=scan.org_id, anomaly=anomaly, place=place, values=open_values(scan, row), sealed=sealed_values(scan, row))


def open_values(scan: Scan, row: Row) -> list[Any]:
    hidden = set(scan.masked)
    return [None if place in hidden else plain(value) for place, value in enumerate(row)]


def sealed_values(scan: Scan, row: Row) -> bytes | None:
    return seal(orjson.dumps([plain(row[place]) for place in scan.masked]), purpose=PURPOSE) if scan.masked else None


def plain(value: object) -> Any:
    """The value as JSON and PostgreSQL can hold it: exact numbers, times in ISO 8601; what has no such form becomes its text."""
    match value:
        case None | bool():
            return value
        case int():
            return value if abs(value) < EXACT else str(value)
        case float():
            return value if math.isfinite(value) else str(value)
        case Decimal():
            return _number(value)
        case datetime():
            return iso_exact(value) if value.tzinfo else value.isoformat()
        case date() | time():
            return value.isoformat()
        case bytes() | bytearray() | memoryview():
            return clean(f"0x{bytes(value).hex()}")
        case dict():
            return {clean(str(name)): plain(inner) for name, inner in value.items()}
        case list() | tuple():
            return [plain(inner) for inner in value]
        case _:
            return clean(str(value))


def as_kept(value: Any) -> Any:
    """A value of `plain` as it comes back from PostgreSQL, which writes a large float as a whole number."""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= EXACT:
        return float(value)
    if isinstance(value, list):
        return [as_kept(inner) for inner in value]
    return {name: as_kept(inner) for name, inner in value.items()} if isinstance(value, dict) else value


def _number(value: Decimal) -> float | int | str:
    """A JSON number where that says exactly the same."""
    if not value.is_finite():
        return str(value)
    if value == value.to_integral_value():
        return plain(int(value)) if abs(value) < EXACT else str(value)
    return float(value) if Decimal(repr(float(value))) == value else str(value)


def clean(text: str) -> str:
    """Text that PostgreSQL stores, cut to what a cell of a spreadsheet holds."""
    text = text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()
    return text if len(text) <= CELL_LIMIT else f"{text[: CELL_LIMIT - 1]}…"
