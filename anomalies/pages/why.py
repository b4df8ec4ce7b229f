"""Why an anomaly fired, in words and numbers: what the detectors saw, which checks fail, and what its weight is made of."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from anomalies.models import Anomaly, FailedCheck

WIDTH: Final = 100
REASONS_SHOWN: Final = 5
CHECKS_SHOWN: Final = 50
SHORT_NAMES: Final = {
    "residual": "Off the forecast",
    "time_of_day": "Unusual for this time of day",
    "mean_12": "Level over the last 12 points",
    "mean_40": "Level over the last 40 points",
    "shape_8": "New shape (8 points)",
    "shape_32": "New shape (32 points)",
    "shape_64": "New shape (64 points)",
    "flat_line": "Flat for too long",
    "silence": "Silent for too long",
}
# What each rule asks of a value, of a row, or of the table.
EXPECTED: Final = {
    "notNull": "a value", "anyNotNull": "a value in one of the fields", "requiredValues": "every required value at least once",
    "expectedValues": "one of the expected values", "notExistsIn": "a value that is not on the list", "existsIn": "a value of the list",
    "matchesPattern": "text that matches the pattern", "between": "a value within its bounds", "betweenTimes": "a time within its bounds",
    "notNegative": "0 or more", "positive": "more than 0", "maxValue": "at most the greatest value", "minValue": "at least the least value",
    "maxLength": "a text no longer than allowed", "minLength": "a text no shorter than allowed", "notFuture": "a time that has been",
    "afterDateTime": "a time after the bound", "beforeDateTime": "a time before the bound", "unique": "each value once",
    "distinctCount": "a known number of different values", "minPartitionSize": "enough rows", "maxPartitionSize": "no more rows than usual",
    "volumetric": "about as many rows as usual", "freshness": "data that are new enough", "expectedSchema": "the known fields and types",
    "fieldCount": "a known number of fields", "sum": "a known sum", "isType": "a value of the type", "isCreditCard": "a card number",
    "isAddress": "an address", "containsEmail": "an e-mail address", "containsUrl": "an address of the web",
    "greaterThanField": "more than the other field", "lessThanField": "less than the other field",
    "equalToField": "the other field's value",
    "equalTo": "the one value", "satisfiesExpression": "that the expression holds", "dataDiff": "the same as in the other table",
    "timeDistributionSize": "as many rows per time as usual", "aggregationComparison": "sums that agree", "metric": "a usual measure",
}  # fmt: skip
WORDS: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


@dataclass(frozen=True)
class Reason:
    """One detector that fired: its name, what that means, its surprise, and how far its bar goes (0..WIDTH)."""

    name: str
    meaning: str
    score: str
    width: int


@dataclass(frozen=True)
class Failure:
    """One failed check: rule, fields, what it says, what was expected, what was found where, and what would mend it.

    `asserts` is the check in words, `found_by` the query of the list of everything that it found; both may be empty.
    """

    rule: str
    fields: tuple[str, ...]
    message: str
    expected: str
    found: tuple[tuple[str, str], ...]
    suggestion: str
    sureness: str
    asserts: str = ""
    found_by: str = ""


@dataclass(frozen=True)
class Part:
    """One part of the weight."""

    name: str
    value: int


def reasons_of(detectors: Sequence[Mapping[str, Any]]) -> tuple[Reason, ...]:
    """The detectors' scores as bars, the strongest the longest."""
    strongest = max((float(detector["score"]) for detector in detectors), default=0.0) or 1.0
    return tuple(
        Reason(
            SHORT_NAMES.get(detector["name"], detector["name"].replace("_", " ")),
            detector.get("label", ""),
            f"{float(detector['score']):.1f}",
            round(WIDTH * float(detector["score"]) / strongest),
        )
        for detector in detectors[:REASONS_SHOWN]
    )


def failures_of(checks: Iterable[FailedCheck], values: Mapping[str, str]) -> tuple[Failure, ...]:
    """The failed checks, of which `fields` were fetched. `values` are those of the one row of a record anomaly, by field."""
    return tuple(failure_of(check, values) for check in checks)


def failure_of(check: FailedCheck, values: Mapping[str, str]) -> Failure:
    names = tuple(field.name for field in check.fields.all())
    suggestion = f"{check.suggested_field} = {check.suggested_value}" if check.suggested_field else check.suggested_value
    return Failure(
        rule=rule_words(check.rule_type),
        fields=names,
        message=check.message,
        expected=EXPECTED.get(check.rule_type, ""),
        found=tuple((name, values[name]) for name in names if name in values),
        suggestion=suggestion,
        sureness="" if check.suggested_score is None else f"{check.suggested_score:.0%} sure".replace("%", " %"),
        asserts=check.description,
        found_by="" if check.quality_check_id is None else f"quality_check={check.quality_check_id}&archived=include",
    )


def rule_words(rule_type: str) -> str:
    """ "not null" for notNull."""
    return WORDS.sub(" ", rule_type).lower()


def parts_of(anomaly: Anomaly) -> tuple[Part, ...]:
    """What the weight is made of."""
    return tuple(Part(part_words(name), value) for name, value in anomaly.weight_breakdown.items() if value)


def part_words(name: str) -> str:
    return rule_words(name).replace("_", " ")
