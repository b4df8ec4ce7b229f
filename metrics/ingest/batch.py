"""What parsers hand to the intake: points as arrays, and what they had to refuse with the reason."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from metrics.arrays import Floats, Ints

# A request is bounded before it is read, and again before it is unpacked.
BODY_LIMIT = 16 * 2**20
UNPACKED_LIMIT = 64 * 2**20
# Read into objects of some 60 bytes for 3 of text, and before anybody is known: the key stands inside.
JSON_LIMIT = 8 * 2**20
SAMPLE_LIMIT = 500_000


class BadRequest(Exception):
    """A body that no part of can be used, with the HTTP status that says so to the sender: 400, 413 or 415."""

    def __init__(self, message: str, *, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Series:
    """A series as its sender calls it: the canonical name, and the labels it was made from, if any."""

    name: str
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Refusal:
    """A point or series that is not stored. `index` is its place in the request; `points` how many points it cost."""

    index: int
    metric: str
    code: str
    reason: str
    points: int = 1


@dataclass(frozen=True)
class Batch:
    """Points of one request in its order: point i belongs to `series[index[i]]`.

    `index` and `timestamps_ms` (unix milliseconds) int64, `values` float64, `places` int64 (each point's place in the request), all of
    shape (n,).
    """

    series: list[Series]
    index: Ints
    timestamps_ms: Ints
    values: Floats
    places: Ints
    refused: list[Refusal]


def batch_of(points: list[tuple[int, str, int, float]], refused: list[Refusal]) -> Batch:
    """A batch of (place, name, unix milliseconds, value)."""
    numbers: dict[str, int] = {}
    index = [numbers.setdefault(name, len(numbers)) for _, name, _, _ in points]
    return Batch(
        series=[Series(name) for name in numbers],
        index=np.array(index, np.int64),
        timestamps_ms=np.array([point[2] for point in points], np.int64),
        values=np.array([point[3] for point in points], np.float64),
        places=np.array([point[0] for point in points], np.int64),
        refused=refused,
    )
