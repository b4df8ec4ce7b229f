"""What a scan says: about itself, about the checks that it ran, and about what fails them. Plain values, without a database."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

ROLLUP_MAX: Final = 1000
ROWS_MAX: Final = 10_000

# A row's values, in the order of the scan's columns: None, bool, int, float, Decimal, str, bytes, date, time, datetime, UUID, list, dict.
Row = tuple[object, ...]


@dataclass(frozen=True)
class Column:
    """One field of the table. `type` is one of Unknown, Integral, Fractional, Boolean, String, Date, Timestamp."""

    name: str
    type: str = "Unknown"
    masked: bool = False


@dataclass(frozen=True)
class Check:
    """A quality check as it ran. `tag_ids` are its own tags and those that it inherits; `description` says in words what it asserts."""

    id: int
    rule_type: str
    fields: tuple[str, ...] = ()
    description: str = ""
    tag_ids: tuple[int, ...] = ()
    default_assignee_id: int | None = None


@dataclass(frozen=True)
class Options:
    """What the scan was told to make of what it finds."""

    rollup_threshold: int = 100  # a check that more rows fail becomes one anomaly for all of them; 1 to 1,000
    source_record_limit: int = 10  # rows that are kept per anomaly; 1 to 10,000
    archive_duplicate_anomalies: bool = True  # what is open already is recorded as its duplicate
    reactivate_recurring_anomalies: bool = False  # what was archived is opened again
    auto_resolve_passed_anomalies: bool = True  # what a full scan no longer finds is resolved

    def __post_init__(self) -> None:
        if not 1 <= self.rollup_threshold <= ROLLUP_MAX:
            raise ValueError(f"rollup_threshold is 1 to {ROLLUP_MAX}, not {self.rollup_threshold}.")
        if not 1 <= self.source_record_limit <= ROWS_MAX:
            raise ValueError(f"source_record_limit is 1 to {ROWS_MAX}, not {self.source_record_limit}.")


@dataclass(frozen=True)
class Scan:
    """One pass over one container, or over one partition of it.

    `checks` are all that ran to their end, whether they failed or not. `identifiers` names the columns that identify a row, if the
    container declares any; `high_water` is the greatest value of its incremental identifier in what was scanned, if it has one.
    """

    org_id: int
    container_id: int
    columns: tuple[Column, ...]
    checks: tuple[Check, ...]
    is_full: bool = True
    identifiers: tuple[str, ...] = ()
    high_water: object = None
    container_scan_id: int | None = None
    partition_scan_id: int | None = None
    options: Options = field(default_factory=Options)

    def __post_init__(self) -> None:
        names = {column.name for column in self.columns}
        named = {*self.identifiers, *(name for check in self.checks for name in check.fields)}
        if named - names:
            raise ValueError(f"The table has no column {', '.join(sorted(named - names))}.")

    @cached_property
    def check_of(self) -> Mapping[int, Check]:
        return {check.id: check for check in self.checks}

    @cached_property
    def masked(self) -> tuple[int, ...]:
        """The places of the columns whose values only Editors may see."""
        return tuple(place for place, column in enumerate(self.columns) if column.masked)

    @cached_property
    def key_places(self) -> tuple[int, ...]:
        """The places of the columns by which two rows are the same row, in order of their names."""
        keys = self.identifiers or tuple(column.name for column in self.columns)
        place_of = {column.name: place for place, column in enumerate(self.columns)}
        return tuple(place_of[name] for name in sorted(keys))


@dataclass(frozen=True)
class Suggestion:
    """What would mend it: which field, to which value, and how sure that is, 0 to 1."""

    field: str
    value: str
    score: float | None = None


@dataclass(frozen=True)
class BadRow:
    """One row that fails one check, and the sentence that says how."""

    values: Row
    message: str
    suggestion: Suggestion | None = None


@dataclass(frozen=True)
class RowFailures:
    """The rows that fail one check of rows: `count` in all, and those that were read, at least one more than the roll-up threshold if
    there are more. `message` says it of all of them, in case they are rolled up."""

    check_id: int
    count: int
    rows: tuple[BadRow, ...]
    message: str


@dataclass(frozen=True)
class ShapeFailure:
    """The table, or a field of it, fails a check as a whole. `count` rows are why, where rows are; `sample` are some of them."""

    check_id: int
    message: str
    count: int | None = None
    sample: tuple[Row, ...] = ()
    suggestion: Suggestion | None = None
