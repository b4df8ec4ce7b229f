"""The sentence that says what is wrong, as a colleague would say it."""

import math
from typing import Final

from anomalies.services.findings import Peak
from orgs.moments import from_unix_ms

UNITS: Final = (("d", 86400.0), ("h", 3600.0), ("min", 60.0))
SMALLEST_SHARE: Final = 0.01


def sentence(kind: str, *, peak: Peak, direction: str, started_ms: int, lasted_s: float) -> str:
    """What the series did, against what was expected, and for how long. Plain text, without the series' name."""
    if kind == "silence":
        return f"No points since {clock(started_ms)}{lasting(lasted_s)}."
    if kind == "flat":
        return f"Stuck at {number(peak.value)}: the value has not changed for longer than ever before{lasting(lasted_s)}."
    return f"{opening(kind, direction)}{against(peak)}{lasting(lasted_s)}."


def described(message: str, peak: Peak) -> str:
    """What is known when it opens, for people to add to: the sentence and what the strongest detectors saw."""
    return " ".join([message, *(detector.label for detector in peak.detectors[:2])])


def opening(kind: str, direction: str) -> str:
    if kind == "level shift":
        return f"The level moved {direction}: " if direction else "The level moved: "
    return "An unusual shape: " if kind == "shape" else ""


def against(peak: Peak) -> str:
    """The value and the range it should have been in; where it is in that range, that it was unusual all the same."""
    value = number(peak.value)
    if peak.lower is None or peak.upper is None or peak.value is None:
        return f"{value}, unlike anything seen before"
    expected = f"{number(peak.lower)} to {number(peak.upper)}"
    if peak.lower <= peak.value <= peak.upper:
        return f"{value} is within {expected}, but unlike this series at such a time"
    return f"{value} where {expected} were expected{beyond(peak.value, peak.lower, peak.upper)}"


def beyond(value: float, lower: float, upper: float) -> str:
    """How far outside, where a share says something: not across zero, and not below one in a hundred."""
    if value > upper > 0:
        too_high = value / upper - 1
        return f": {number(value / upper)} times the highest expected" if too_high >= 1 else percent(too_high, "high")
    return percent(1 - value / lower, "low") if 0 <= value < lower else ""


def percent(share: float, word: str) -> str:
    return f": {100 * share:.0f} % too {word}" if share >= SMALLEST_SHARE else ""


def lasting(seconds: float) -> str:
    for unit, size in UNITS:
        if seconds >= size:
            return f", for {math.floor(seconds / size)} {unit}"
    return ""


def clock(at_ms: int) -> str:
    return f"{from_unix_ms(at_ms):%Y-%m-%d %H:%M} UTC"


def number(value: float | None) -> str:
    """At most four significant digits below ten thousand, whole with thousands separators above: `0.01234`, `12.3`, `39,197`."""
    if value is None or not math.isfinite(value):
        return "no value"
    size = abs(value)
    if size >= 1e15 or 0 < size < 1e-4:
        return f"{value:.3g}"
    if size >= 1000:
        return f"{value:,.0f}"
    return f"{value:.4g}"
