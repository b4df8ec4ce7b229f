"""The range that a request asks for, and its times in the answer."""

from dataclasses import dataclass
from typing import Any, Final, get_args

import numpy as np
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request

from config.api.fields import parse_moment
from metrics.arrays import DAY_MS, Ints
from metrics.columns import HARD_MAX_POINTS, Aggregation, Window
from metrics.outlook import DEFAULT_S, MOST_S
from orgs.errors import FieldError, Invalid
from orgs.moments import unix_ms

# Clocks of senders run ahead by up to a day: without `until`, what they sent is shown too.
AHEAD_MS: Final = DAY_MS
YEAR_9999_MS: Final = 253_402_300_799_000

RANGE: Final = (
    OpenApiParameter(
        "from", OpenApiTypes.STR, description="First moment, ISO 8601 with offset or unix seconds; 24 hours before `until` without it."
    ),
    OpenApiParameter("until", OpenApiTypes.STR, description="End of the range, itself not in it; all that has been received without it."),
    OpenApiParameter("max_points", OpenApiTypes.INT, description=f"Roll up so that at most so many come, 1 to {HARD_MAX_POINTS:,}."),
    OpenApiParameter("step", OpenApiTypes.INT, description="Roll up in steps of so many seconds."),
    OpenApiParameter("times", OpenApiTypes.STR, enum=["iso", "unix"], description="How times are written; iso without it."),
)
AGGREGATION: Final = OpenApiParameter(
    "aggregation", OpenApiTypes.STR, enum=list(get_args(Aggregation)), description="What a step's value is; mean without it."
)
HORIZON: Final = OpenApiParameter(
    "horizon",
    OpenApiTypes.INT,
    description=f"Seconds after the newest point for which is told what is expected, 0 to {MOST_S:,}; {DEFAULT_S:,} without it.",
)
RANGE_NAMES: Final = tuple(parameter.name for parameter in RANGE)


@dataclass(frozen=True)
class Asked:
    window: Window
    aggregation: Aggregation
    is_unix: bool
    horizon_s: int

    @property
    def before_ms(self) -> int | None:
        """The end that was asked for; None when all is wanted that there is."""
        return None if self.window.ahead_ms else self.window.end_ms


def asked_of(request: Request) -> Asked:
    """What the query asks for. Raises Invalid naming every parameter that does not do."""
    reader = _Reader(request)
    asked = reader.asked()
    if reader.errors:
        raise Invalid("The range cannot be read like this.", errors=reader.errors)
    return asked


class _Reader:
    """Reads the query and gathers what is wrong with it."""

    def __init__(self, request: Request) -> None:
        self.query = request.query_params
        self.errors: list[FieldError] = []

    def asked(self) -> Asked:
        now_ms = unix_ms(timezone.now())
        until = self._moment("until")
        start = self._moment("from")
        if start is None:
            start = (now_ms if until is None else until) - DAY_MS
        ahead = AHEAD_MS if until is None else 0
        end = now_ms + ahead if until is None else until
        if end - ahead <= start:
            self._wrong("until", "out_of_range", "`until` has to be later than `from`.")
        max_points = self._count("max_points", HARD_MAX_POINTS)
        window = Window(start, end, max_points=max_points, step_ms=self._step(end - start), ahead_ms=ahead)
        horizon_s = self._count("horizon", MOST_S, minimum=0)
        return Asked(
            window,
            self._choice("aggregation", get_args(Aggregation)),
            self._choice("times", ("iso", "unix")) == "unix",
            DEFAULT_S if horizon_s is None else horizon_s,
        )

    def _moment(self, name: str) -> int | None:
        text = self.query.get(name, "")
        if not text:
            return None
        try:
            at_ms = round(1000 * float(text)) if text.isascii() and text.replace(".", "", 1).isdigit() else unix_ms(parse_moment(text))
            if 0 <= at_ms <= YEAR_9999_MS:
                return at_ms
            self._wrong(name, "out_of_range", "From 1970 to 9999.")
        except (ValueError, OverflowError) as exc:
            self._wrong(name, "invalid_time", str(exc))
        return None

    def _count(self, name: str, maximum: int, *, minimum: int = 1) -> int | None:
        text = self.query.get(name)
        if text is None:
            return None
        if text.isascii() and text.isdigit() and len(text) < 10 and minimum <= int(text) <= maximum:
            return int(text)
        self._wrong(name, "out_of_range", f"A whole number from {minimum} to {maximum:,}.")
        return None

    def _step(self, length_ms: int) -> int | None:
        step = self._count("step", 31_536_000)
        if step is not None and length_ms > 0 and length_ms / (1000 * step) > HARD_MAX_POINTS:
            self._wrong("step", "out_of_range", f"That would be more than {HARD_MAX_POINTS:,} steps.")
        return None if step is None else 1000 * step

    def _choice(self, name: str, words: tuple[str, ...]) -> Any:
        text = self.query.get(name, words[0])
        if text not in words:
            self._wrong(name, "invalid_choice", f"Use {', '.join(words)}.")
        return text

    def _wrong(self, name: str, code: str, msg: str) -> None:
        self.errors.append(FieldError(("query", name), code, msg))


def written(timestamps_ms: Ints, *, is_unix: bool) -> Any:
    """Times for JSON, as one array: unix seconds (whole where all are), or datetimes that the renderer writes in ISO 8601."""
    whole = not np.any(timestamps_ms % 1000)
    if is_unix:
        return timestamps_ms // 1000 if whole else timestamps_ms / 1000.0
    if whole:
        return timestamps_ms.astype("datetime64[ms]").astype("datetime64[s]")
    return [f"{text}Z" for text in np.datetime_as_string(timestamps_ms.astype("datetime64[ms]"), unit="ms")]
