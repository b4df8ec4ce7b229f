"""The picture of usage by day: numbers in, places of bars out, no Django. The box is 10 wide per day and HEIGHT high."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from billing.usage import Day

HEIGHT: Final = 100.0
STEP: Final = 10.0
BAR: Final = 8.0
# A quota that is more than so many times what is used would make the bars too small to see: it is told instead of drawn.
FAR: Final = 5
LEAST_TOP: Final = 4
NICE: Final = (10, 20, 40, 50, 80, 100)  # their halves are whole


@dataclass(frozen=True)
class Bar:
    """One day; places in the box."""

    x: float
    y: float
    height: float
    is_over: bool
    day: date
    used: int
    limit: int


@dataclass(frozen=True)
class UsageChart:
    """`top` is the number at the upper edge; `quota` is path data, empty where the quota lies beyond it."""

    width: float
    top: int
    bars: tuple[Bar, ...]
    quota: str
    since: date
    until: date

    @property
    def middle(self) -> int:
        return self.top // 2

    @property
    def days(self) -> tuple[Bar, ...]:
        """For the table: newest first."""
        return tuple(reversed(self.bars))


def usage_chart(days: tuple[Day, ...], *, since: date, until: date) -> UsageChart:
    """The picture from `since` to `until`, both included; `days` ascending. A day without a record has no bar."""
    top = top_of(days)
    bars = tuple(_bar(day, since, top) for day in days)
    quota = "".join(f"M{_x(day.day, since):g} {_y(day.limit, top):.2f}h{STEP:g}" for day in days if day.limit <= top)
    return UsageChart(((until - since).days + 1) * STEP, top, bars, quota, since, until)


def top_of(days: tuple[Day, ...]) -> int:
    """A round number above all that is drawn, and above the quota unless that is far away."""
    peak = max((day.used for day in days), default=0)
    quotas = [day.limit for day in days if day.limit <= FAR * max(peak, 1)]
    return ceiling(max([LEAST_TOP, peak, *quotas]))


def ceiling(value: int) -> int:
    """The least round number that is not below `value`, which is at least LEAST_TOP."""
    if value <= 10:
        return next(number for number in (4, 8, 10) if number >= value)
    scale = int("1" + "0" * (len(str(value - 1)) - 2))
    return next(number * scale for number in NICE if number * scale >= value)


def _bar(day: Day, since: date, top: int) -> Bar:
    y = _y(day.used, top)
    return Bar(_x(day.day, since) + (STEP - BAR) / 2, round(y, 2), round(HEIGHT - y, 2), day.used > day.limit, day.day, day.used, day.limit)


def _x(day: date, since: date) -> float:
    return (day - since) / timedelta(days=1) * STEP


def _y(value: int, top: int) -> float:
    return HEIGHT * (1 - value / top)
