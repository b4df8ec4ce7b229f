"""What of a scan's findings may be seen by everybody who sees the anomaly. Messages are masked whoever reads them."""

import re
from dataclasses import replace
from datetime import datetime
from typing import Final

from anomalies.services.scans.values import BadRow, Row, Scan, ShapeFailure, Suggestion

MASK: Final = "***MASKED***"
SHORT: Final = 4  # characters


def masked_row(scan: Scan, bad: BadRow) -> BadRow:
    """The same, with nothing of a masked column in its words."""
    if not scan.masked:
        return bad
    secrets = secrets_in(scan, bad.values)
    return replace(bad, message=masked_text(bad.message, secrets), suggestion=masked_suggestion(scan, bad.suggestion, secrets))


def masked_shape(scan: Scan, failure: ShapeFailure) -> ShapeFailure:
    """The same, with no value of a masked column of its sample in its words."""
    if not scan.masked:
        return failure
    secrets = sorted({text for row in failure.sample for text in secrets_in(scan, row)}, key=len, reverse=True)
    suggestion = masked_suggestion(scan, failure.suggestion, secrets)
    return replace(failure, message=masked_text(failure.message, secrets), suggestion=suggestion)


def secrets_in(scan: Scan, row: Row) -> list[str]:
    """How the values of masked columns may be written in a sentence, the longest first, so that none is left in part."""
    found = {text for place in scan.masked for text in ways_to_write(row[place])}
    return sorted(found, key=len, reverse=True)


def ways_to_write(value: object) -> set[str]:
    if value is None or value == "":
        return set()
    ways = {str(value), repr(value)}
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        ways |= {f"{value:,}", f"{value:.3f}", f"{value:g}", f"{value:,.2f}"}
    if isinstance(value, datetime):
        ways |= {value.isoformat(), f"{value:%Y-%m-%d %H:%M}"}
    return ways


def masked_text(text: str, secrets: list[str]) -> str:
    """`text` without the secrets, which come longest first. A short one is only taken for one where it stands alone."""
    if not secrets:
        return text
    return re.sub("|".join(alone(secret) if len(secret) < SHORT else re.escape(secret) for secret in secrets), MASK, text)


def alone(secret: str) -> str:
    """An `a` inside a word gives nothing away."""
    return rf"(?<!\w){re.escape(secret)}(?!\w)"


def masked_suggestion(scan: Scan, suggestion: Suggestion | None, secrets: list[str]) -> Suggestion | None:
    if suggestion is None:
        return None
    hides = any(scan.columns[place].name == suggestion.field for place in scan.masked)
    return replace(suggestion, value=MASK if hides else masked_text(suggestion.value, secrets))
