"""From failed checks to the anomalies that they make: one per row, however many checks it fails, and one per check of the table."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from anomalies.models import Anomaly
from anomalies.services.fingerprints import canonical, record_fingerprint, shape_fingerprint
from anomalies.services.scans.masking import masked_row, masked_shape
from anomalies.services.scans.values import BadRow, Check, Row, RowFailures, Scan, ShapeFailure, Suggestion


@dataclass(frozen=True)
class Failure:
    """One check that an anomaly violates, in words that hide what is masked."""

    check: Check
    message: str
    suggestion: Suggestion | None = None


@dataclass(frozen=True)
class Candidate:
    """What will be one anomaly: its problem, the checks that fail, the number of rows, and some of them."""

    type: Anomaly.Type
    fingerprint: int
    failures: tuple[Failure, ...]
    count: int | None
    rows: tuple[Row, ...]

    @property
    def message(self) -> str:
        """What the first check says, and how many more say something."""
        more = len(self.failures) - 1
        first = self.failures[0].message
        return first if not more else f"{first} {more} more {'check fails' if more == 1 else 'checks fail'} on the same row."

    @property
    def description(self) -> str:
        """What was asserted, for people to add to."""
        return "\n".join(dict.fromkeys(failure.check.description for failure in self.failures if failure.check.description))

    @property
    def fields(self) -> frozenset[str]:
        """The columns in which something is wrong."""
        return frozenset(name for failure in self.failures for name in failure.check.fields)


@dataclass
class Group:
    """One row, and what it fails: while it is gathered."""

    failures: dict[int, Failure] = field(default_factory=dict)
    occurrences: dict[int, list[Row]] = field(default_factory=dict)

    def add(self, check: Check, bad: BadRow) -> None:
        self.failures.setdefault(check.id, Failure(check, bad.message, bad.suggestion))
        self.occurrences.setdefault(check.id, []).append(bad.values)

    @property
    def rows(self) -> list[Row]:
        """Every occurrence: as often as the check counts it that counts it most often."""
        return max(self.occurrences.values(), key=len)


def candidates_of(scan: Scan, *, rows: Sequence[RowFailures], shapes: Sequence[ShapeFailure]) -> list[Candidate]:
    """In order: records by their rows, then what is rolled up, then shapes."""
    limit = scan.options.rollup_threshold
    rolled = [failures for failures in rows if failures.count > limit]
    single = [failures for failures in rows if 0 < failures.count <= limit]
    as_shapes = [ShapeFailure(one.check_id, one.message, one.count, tuple(bad.values for bad in one.rows)) for one in rolled]
    return [*_records(scan, single), *(_shape(scan, failure) for failure in (*as_shapes, *shapes))]


def _records(scan: Scan, single: Sequence[RowFailures]) -> Iterator[Candidate]:
    groups: dict[bytes, Group] = {}
    for failures in sorted(single, key=lambda one: one.check_id):
        check = scan.check_of[failures.check_id]
        for bad in failures.rows:
            groups.setdefault(row_key(scan, bad.values), Group()).add(check, masked_row(scan, bad))
    for key, group in groups.items():
        yield Candidate(
            type=Anomaly.Type.RECORD,
            fingerprint=record_fingerprint(scan.container_id, key=key, check_ids=group.failures),
            failures=tuple(group.failures.values()),
            count=len(group.rows),
            rows=tuple(group.rows[: scan.options.source_record_limit]),
        )


def row_key(scan: Scan, row: Row) -> bytes:
    """What a row is known by: its identifiers, or else every value, with the names of their columns."""
    return b"".join(canonical(scan.columns[place].name) + canonical(row[place]) for place in scan.key_places)


def _shape(scan: Scan, failure: ShapeFailure) -> Candidate:
    masked, check = masked_shape(scan, failure), scan.check_of[failure.check_id]
    return Candidate(
        type=Anomaly.Type.SHAPE,
        fingerprint=shape_fingerprint(scan.container_id, check_ids=[check.id], high_water=scan.high_water),
        failures=(Failure(check, masked.message, masked.suggestion),),
        count=failure.count,
        rows=failure.sample[: scan.options.source_record_limit],
    )


def conclusive(scan: Scan, *, rows: Sequence[RowFailures]) -> Mapping[Anomaly.Type, frozenset[int]]:
    """By type, the checks of which this scan has seen everything that fails them: what of theirs it did not find is mended.

    Of a check that was rolled up, or of which not all rows were read, single rows may still fail unseen.
    """
    all_ids = frozenset(scan.check_of)
    partly = {one.check_id for one in rows if one.count > scan.options.rollup_threshold or len(one.rows) < one.count}
    return {Anomaly.Type.RECORD: all_ids - partly, Anomaly.Type.SHAPE: all_ids}
