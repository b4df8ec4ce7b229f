"""The rows of the source that show what is wrong: which columns are seen, what is masked, and their being shown on request."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlencode

import orjson
from django.http import QueryDict

from anomalies.models import Anomaly
from anomalies.services.scans.masking import MASK
from anomalies.services.scans.values import ROWS_MAX
from anomalies.services.sources import SourceField, SourceRecords, source_records
from orgs.errors import DomainError

LIMITS: Final = (10, 100, 1000)
TEXT_SHOWN: Final = 200


@dataclass(frozen=True)
class Cell:
    text: str
    is_anomalous: bool
    is_masked: bool
    is_null: bool


@dataclass(frozen=True)
class Column:
    """A column that there is, and whether it is seen."""

    name: str
    type: str
    is_anomalous: bool
    is_masked: bool
    is_seen: bool


@dataclass(frozen=True)
class Size:
    label: str
    address: str
    current: bool


@dataclass(frozen=True)
class Asked:
    """What the reader wants to see: columns by name (empty: all), only the anomalous ones, how many rows."""

    columns: frozenset[str]
    only_anomalous: bool
    limit: int
    list_address: str

    @classmethod
    def read(cls, params: QueryDict) -> "Asked":
        """What an address says wrongly is left out rather than refused."""
        limit = params.get("rows", "")
        return cls(
            columns=frozenset(params.getlist("column")),
            only_anomalous=params.get("columns") == "anomalous",
            limit=int(limit) if limit in map(str, LIMITS) else LIMITS[0],
            list_address=params.get("list", ""),
        )

    def address(self, *, limit: int | None = None, only_anomalous: bool | None = None) -> str:
        """As `read` reads it, with "?"."""
        only = self.only_anomalous if only_anomalous is None else only_anomalous
        pairs = [("list", self.list_address)] if self.list_address else []
        pairs += [("columns", "anomalous")] if only else [("column", name) for name in sorted(self.columns)]
        return f"?{urlencode([*pairs, ('rows', str(limit or self.limit))])}"


@dataclass(frozen=True)
class Records:
    """The table as it is shown. `trouble` says why there is none."""

    columns: tuple[Column, ...] = ()
    rows: tuple[tuple[Cell, ...], ...] = ()
    total: int = 0
    cached_at: datetime | None = None
    sizes: tuple[Size, ...] = ()
    only: str = ""
    every: str = ""
    is_only: bool = False
    here: str = ""
    masked: tuple[str, ...] = ()
    is_revealed: bool = False
    download: str = ""
    trouble: str = ""

    @property
    def seen(self) -> tuple[Column, ...]:
        return tuple(column for column in self.columns if column.is_seen)


def records_for(found: Anomaly, asked: Asked, *, refresh: bool = False, unmasked: bool = False) -> Records:
    """The rows of a record or shape anomaly; why they cannot be shown where they cannot."""
    try:
        kept = source_records(found, refresh=refresh)
        rows = list(kept.shown(limit=asked.limit, unmasked=unmasked))
    except DomainError as refused:
        return Records(trouble=refused.detail)
    return shown(found, kept, rows, asked, unmasked=unmasked)


def shown(found: Anomaly, kept: SourceRecords, rows: Sequence[Sequence[Any]], asked: Asked, *, unmasked: bool) -> Records:
    # What is wrong comes first: a narrow screen shows no more.
    order = sorted(range(len(kept.fields)), key=lambda place: (not kept.fields[place].anomalous, place))
    places = [place for place in order if is_seen(kept.fields[place], asked, kept.fields)]
    limits = [limit for limit in LIMITS if limit == LIMITS[0] or kept.total > LIMITS[LIMITS.index(limit) - 1]]
    return Records(
        columns=tuple(
            Column(field.name, field.type, field.anomalous, field.masked, place in places)
            for place, field in ((place, kept.fields[place]) for place in order)
        ),
        rows=tuple(tuple(cell_of(row[place], kept.fields[place], unmasked=unmasked) for place in places) for row in rows),
        total=kept.total,
        cached_at=kept.cached_at,
        sizes=tuple(Size(f"{limit:,}", asked.address(limit=limit), limit == asked.limit) for limit in limits) if len(limits) > 1 else (),
        only=asked.address(only_anomalous=True),
        every=asked.address(only_anomalous=False),
        is_only=asked.only_anomalous,
        here=asked.address(),
        masked=tuple(kept.masked_names),
        is_revealed=unmasked,
        download=f"/api/anomalies/{found.pk}/source-record/download?limit={ROWS_MAX}",
    )


def is_seen(field: SourceField, asked: Asked, fields: Sequence[SourceField]) -> bool:
    """Names that there are not, and a choice without any column, choose nothing."""
    if asked.only_anomalous:
        return field.anomalous or not any(one.anomalous for one in fields)
    known = asked.columns & {one.name for one in fields}
    return not known or field.name in known


def cell_of(value: Any, field: SourceField, *, unmasked: bool) -> Cell:
    is_masked = field.masked and not unmasked
    return Cell(MASK if is_masked else text_of(value), field.anomalous, is_masked, value is None and not is_masked)


def text_of(value: Any) -> str:
    text = "null" if value is None else value if isinstance(value, str) else orjson.dumps(value).decode()
    return text if len(text) <= TEXT_SHOWN else f"{text[:TEXT_SHOWN]}…"


def single_values(records: Records | None) -> dict[str, str]:
    """Of a single row, its seen values by field; of more or none, nothing."""
    if records is None or len(records.rows) != 1:
        return {}
    return {column.name: cell.text for column, cell in zip(records.seen, records.rows[0], strict=True)}
