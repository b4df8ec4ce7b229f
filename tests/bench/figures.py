"""One measured figure and the target it is held to."""

import statistics
from collections.abc import Callable
from typing import TypedDict


class Figure(TypedDict):
    """`holds` is None for a figure that has no target: a peer or a physical limit of the same run."""

    value: float
    unit: str
    target: str
    holds: bool | None


def at_least(value: float, unit: str, target: float) -> Figure:
    return Figure(value=value, unit=unit, target=f">= {target:g}", holds=bool(value >= target))


def at_most(value: float, unit: str, target: float) -> Figure:
    return Figure(value=value, unit=unit, target=f"<= {target:g}", holds=bool(value <= target))


def measured(value: float, unit: str) -> Figure:
    """A figure to compare with, such as a peer's in the same run."""
    return Figure(value=value, unit=unit, target="", holds=None)


def median_of(runs: int, measure: Callable[[], float]) -> float:
    return statistics.median(measure() for _ in range(runs))
