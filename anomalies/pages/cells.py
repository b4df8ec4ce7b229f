"""The small piece of a table beside a record anomaly: the wrong cell, and its neighbours, of the first row that was kept."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from anomalies.conditions import among
from anomalies.models import Anomaly, SourceRow
from anomalies.services.scans.masking import MASK
from config.database.prepared import Query

SHOWN: Final = 3
LONGEST: Final = 14

_FIRST_ROWS: Final[Query[Any]] = Query(
    lambda anomalies: (
        SourceRow.objects.filter(among(anomalies, "anomaly"))
        .order_by("anomaly", "place")
        .distinct("anomaly")
        .values_list("anomaly", "anomaly__source_table__fields", "values")
    ),
    anomalies=[30_059, 30_061],
)


@dataclass(frozen=True)
class Cell:
    """One value as text. `field` is its column's name."""

    field: str
    text: str
    is_wrong: bool


def cells_of(anomalies: Iterable[Anomaly]) -> dict[int, tuple[Cell, ...]]:
    """By anomaly, for those of which rows are kept. One query, for the record anomalies of a page."""
    wanted = [anomaly.pk for anomaly in anomalies if anomaly.type == Anomaly.Type.RECORD]
    found = _FIRST_ROWS.all(anomalies=wanted) if wanted else ()
    return {pk: around_the_wrong(fields, values) for pk, fields, values in found if fields}


def around_the_wrong(fields: list[Mapping[str, Any]], values: list[Any]) -> tuple[Cell, ...]:
    """At most SHOWN cells: from the one before the first wrong one on."""
    cells = [
        Cell(field["name"], MASK if field["masked"] else as_text(value), field["anomalous"])
        for field, value in zip(fields, values, strict=False)
    ]
    first = next((place for place, cell in enumerate(cells) if cell.is_wrong), 0)
    start = max(0, min(first - 1, len(cells) - SHOWN))
    return tuple(cells[start : start + SHOWN])


def as_text(value: Any) -> str:
    text = "null" if value is None else str(value)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
