"""How much an anomaly weighs, and how that came about."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Final

SCORE_BASE: Final = 45.0  # a score of 43 to 50 is where alerts begin, by sensitivity
SCORE_STEP: Final = 5.0
SCORE_MAX: Final = 8  # reached at 80, a surprise of one in ten thousand million
LASTING_S: Final = (3600.0, 6 * 3600.0)  # an hour, and most of a working day, count one each

HEAVY_RULES: Final = frozenset({
    "entityResolution", "expectedSchema", "matchesPattern", "predictedBy", "satisfiesExpression", "containsSocialSecurityNumber",
    "timeDistributionSize", "userDefinedFunction", "dataDiff", "metric", "aggregationComparison", "isAddress",
})  # fmt: skip
MIDDLE_RULES: Final = frozenset({
    "anyNotNull", "between", "betweenTimes", "containsCreditCard", "containsEmail", "equalTo", "equalToField", "existsIn", "notExistsIn",
    "expectedValues", "greaterThanField", "lessThanField", "notFuture", "requiredValues", "unique", "containsUrl", "minPartitionSize",
    "isCreditCard", "volumetric",
})  # fmt: skip


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


def rule_weight(rule_type: str) -> int:
    """1 to 3: how much it matters that a rule is broken."""
    return 3 if rule_type in HEAVY_RULES else 2 if rule_type in MIDDLE_RULES else 1


def checks_weight(rule_types: Iterable[str]) -> Mapping[str, int]:
    """By rule, what the failed checks of these types add to a weight."""
    parts: dict[str, int] = {}
    for rule_type in rule_types:
        parts[rule_type] = parts.get(rule_type, 0) + rule_weight(rule_type)
    return parts


@dataclass(frozen=True)
class Retagged:
    """A weight after its tags changed."""

    total: int
    breakdown: Mapping[str, int]


def retagged(total: int, breakdown: Mapping[str, int], *, points: int) -> Retagged:
    """The weight `total`, of which `breakdown` says the parts, with tags that add up to `points` now. Of any type of anomaly."""
    return Retagged(total - breakdown.get("tags", 0) + points, {**breakdown, "tags": points})
