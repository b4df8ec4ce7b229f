"""The failed measure of a table over time: this anomaly and the earlier ones of the same check, as bars with a table beside them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db.models import Q

from accounts.models import User
from anomalies.models import Anomaly, FailedCheck

SHOWN: Final = 24
BAR: Final = 14
GAP: Final = 6
HEIGHT: Final = 96
LEAST: Final = 3.0  # so that a bar of nearly nothing is seen
# A date or a version has several dots, and is no number.
NUMBER: Final = r"(?<![\w.,])(-?\d[\d,]{0,30}(?:\.\d{1,30})?)(?![\d,]*\.?\d)"
SHARE: Final = re.compile(rf"{NUMBER}\s?%", re.ASCII)
EXPECTED: Final = re.compile(rf"{NUMBER}[^\d]*? where (?:at least |at most |about )?{NUMBER}[^\d]* (?:was|were) expected", re.ASCII)
FIGURE: Final = re.compile(NUMBER, re.ASCII)


@dataclass(frozen=True)
class Measure:
    """What a check measured: the value, its unit, and what it should have been, where the sentence says that."""

    value: float
    unit: str
    expected: float | None = None


@dataclass(frozen=True)
class Occurrence:
    """One scan's failure."""

    id: int
    at: datetime
    measure: Measure | None
    words: str
    status: str
    is_this: bool
    x: int
    y: float
    height: float


@dataclass(frozen=True)
class History:
    """The measure over time, the oldest first."""

    occurrences: tuple[Occurrence, ...]
    unit: str
    top: float
    width: int
    expected: float | None
    expected_y: float

    @property
    def has_figures(self) -> bool:
        """Whether there is anything to draw: some checks fail without a number."""
        return any(one.measure for one in self.occurrences)


def history_of(anomaly: Anomaly, user: User, checks: Sequence[FailedCheck]) -> History:
    """One query: the newest of the same problem up to this one, and of the same check in the same table. Of type shape alone."""
    ids = [check.quality_check_id for check in checks if check.quality_check_id is not None]
    same = Q(fingerprint=anomaly.fingerprint) if anomaly.fingerprint is not None else Q(pk=anomaly.pk)
    if ids:
        same |= Q(
            container=anomaly.container_id, pk__in=FailedCheck.objects.filter(org=user.org_id, quality_check_id__in=ids).values("anomaly")
        )
    rows = Anomaly.objects.visible_to(user).filter(same, type=Anomaly.Type.SHAPE, created__lte=anomaly.created)
    newest = list(rows.order_by("-created", "-pk")[:SHOWN])
    found = list(reversed(newest)) if anomaly in newest else [*reversed(newest[: SHOWN - 1]), anomaly]
    return drawn(found, anomaly)


def drawn(found: Sequence[Anomaly], this: Anomaly) -> History:
    measures = [measure_of(one) for one in found]
    own = measure_of(this)
    unit = own.unit if own else ""
    values = [one.value if one is not None and one.unit == unit else 0.0 for one in measures]
    expected = own.expected if own else None
    top = max([*map(abs, values), abs(expected or 0.0)]) or 1.0
    heights = [max(LEAST, round(HEIGHT * abs(value) / top, 1)) for value in values]
    occurrences = tuple(
        Occurrence(
            one.pk, one.created, measure, words_of(measure), one.status, one.pk == this.pk, at * (BAR + GAP), round(HEIGHT - high, 1), high
        )
        for at, (one, measure, high) in enumerate(zip(found, measures, heights, strict=True))
    )
    line = round(HEIGHT - HEIGHT * abs(expected) / top, 1) if expected is not None else 0.0
    return History(occurrences, unit, top, max(len(found) * (BAR + GAP) - GAP, BAR), expected, line)


def measure_of(anomaly: Anomaly) -> Measure | None:
    """From the sentence of the check: a share in percent, or a value with what was expected; else how many rows were wrong."""
    if share := SHARE.search(anomaly.message):
        return Measure(number(share[1]), "%")
    if against := EXPECTED.search(anomaly.message):
        return Measure(number(against[1]), "", number(against[2]))
    if anomaly.anomalous_records_count is not None:
        return Measure(float(anomaly.anomalous_records_count), "rows")
    figure = FIGURE.search(anomaly.message)
    return Measure(number(figure[1]), "") if figure else None


def number(text: str) -> float:
    return float(text.replace(",", ""))


def words_of(measure: Measure | None) -> str:
    if measure is None:
        return "no figure"
    value = f"{measure.value:,.0f}" if float(measure.value).is_integer() else f"{measure.value:,.4g}"
    return f"{value} {measure.unit}".strip()
