"""Names, times and values as people and agents write them: text or numbers in, our units out, or a reason why not."""

import math
import re
from datetime import datetime
from typing import Final

from metrics.models import NAME_LIMIT
from orgs.moments import unix_ms

EARLIEST_MS: Final = 946_684_800_000  # 2000-01-01: an older time is a unit mistake, not history
LATEST_AHEAD_MS: Final = 24 * 3_600_000
# Seconds reach this in the year 5138; numbers above it are milliseconds.
_MILLISECONDS_FROM: Final = 1e11
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")


class Unusable(ValueError):
    """A field that cannot be used; the code is for programs, the text for people."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code


def read_name(name: object) -> str:
    """A series name of 1 to 4096 characters without control characters. Raises Unusable."""
    if not isinstance(name, str) or not name.strip():
        raise Unusable("name_missing", "metric: a name is needed.")
    if len(name) > NAME_LIMIT:
        raise Unusable("name_too_long", f"metric: the name has {len(name)} characters; at most {NAME_LIMIT} are kept.")
    if _CONTROL.search(name):
        raise Unusable("name_invalid", "metric: the name holds control characters.")
    if shown_name(name) != name:
        raise Unusable("name_invalid", "metric: the name holds half a character (a lone surrogate).")
    return name


def shown_name(name: object) -> str:
    """What an answer may repeat of a name: no more than a name may have, all of them whole; empty for what is no text."""
    return name[:NAME_LIMIT].encode(errors="replace").decode() if isinstance(name, str) else ""


def read_value(value: object) -> float:
    """A finite number, also written as text. Raises Unusable."""
    if value is None or (isinstance(value, str) and not value.strip()):
        raise Unusable("value_missing", "value: it is missing or empty. For a gap, send no point.")
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise Unusable("value_missing", "value: a number is needed.")
    try:
        number = _number(value)
    except (ValueError, OverflowError):
        raise Unusable("value_invalid", "value: this is not a number.") from None
    if not math.isfinite(number):
        raise Unusable("value_invalid", "value: a finite number is needed.")
    return number


def read_time_ms(timestamp: object, *, now_ms: int) -> int:
    """Unix seconds (milliseconds from 1e11 on), as number or text, or ISO 8601 with an offset -> unix milliseconds. Raises Unusable."""
    milliseconds = _milliseconds(timestamp)
    if reason := time_problem(milliseconds, now_ms=now_ms):
        raise Unusable("timestamp_out_of_range", reason)
    return milliseconds


def time_problem(milliseconds: int, *, now_ms: int) -> str:
    """Why a time cannot be stored; empty when it can."""
    if milliseconds < EARLIEST_MS:
        return "timestamp: before 2000-01-01; unix seconds are expected."
    if milliseconds > now_ms + LATEST_AHEAD_MS:
        return "timestamp: more than one day in the future."
    return ""


def _number(number: float | str) -> float:
    """Raises ValueError also for what Python alone takes for a number: `1_000`, and digits of other scripts."""
    if isinstance(number, str) and ("_" in number or not number.isascii()):
        raise ValueError(number)
    return float(number)


def _milliseconds(timestamp: object) -> int:
    if isinstance(timestamp, bool) or not isinstance(timestamp, (int, float, str)):
        raise Unusable("timestamp_missing", "timestamp: unix seconds are needed.")
    try:
        number = _number(timestamp)
    except (ValueError, OverflowError):
        return _iso_milliseconds(str(timestamp))
    if not math.isfinite(number):
        raise Unusable("timestamp_invalid", "timestamp: this is not a time.")
    return round(number if abs(number) >= _MILLISECONDS_FROM else number * 1000)


def _iso_milliseconds(text: str) -> int:
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise Unusable("timestamp_invalid", "timestamp: neither unix seconds nor an ISO 8601 time.") from None
    if moment.tzinfo is None:
        raise Unusable("timestamp_invalid", "timestamp: an ISO 8601 time needs an offset, such as Z.")
    return unix_ms(moment)
