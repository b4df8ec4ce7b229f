"""How much an anomaly weighs, and how that came about."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Final

SCORE_BASE: Final = 45.0  # a score of 43 to 50 is where alerts begin, by sensitivity
SCORE_STEP: Final = 5.0
SCORE_MAX: Final = 8  # reached at 80, a surprise of one in ten thousand million
LASTING_S: Final = (3600.0, 6 * 3600.0)  # an hour, and most of a working day, count one each


@dataclass(frozen=True)
class Weight:
    """The parts that add up to a weight; score and duration together make 1 to 10."""

    score: int
    duration: int
    tags: int

    @property
    def total(self) -> int:
        return self.score + self.duration + self.tags

    @property
    def breakdown(self) -> dict[str, int]:
        return asdict(self)


def metric_weight(score: float, *, duration_s: float, tags: int = 0) -> Weight:
    """The weight of an excursion of a series. `score` 0..100, `tags` the sum of its tags' modifiers."""
    steps = math.floor((score - SCORE_BASE) / SCORE_STEP) + 1
    lasting = sum(duration_s >= limit for limit in LASTING_S)
    return Weight(score=min(max(steps, 1), SCORE_MAX), duration=lasting, tags=tags)


@dataclass(frozen=True)
class Retagged:
    """A weight after its tags changed."""

    total: int
    breakdown: Mapping[str, int]


def retagged(total: int, breakdown: Mapping[str, int], *, points: int) -> Retagged:
    """The weight `total`, of which `breakdown` says the parts, with tags that add up to `points` now. Of any type of anomaly."""
    return Retagged(total - breakdown.get("tags", 0) + points, {**breakdown, "tags": points})
