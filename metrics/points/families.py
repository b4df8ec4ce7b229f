"""The two kinds of rows that are logged, folded and read alike: points, and the detector's verdicts about them."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

# Series per hour chunk: neighbours share a row, so a fold each minute rewrites few rows, and a row's fixed cost is spread over many points.
BLOCK_BITS: Final = 6
BLOCK: Final = 1 << BLOCK_BITS


class Rule(IntEnum):
    """What two points of one series at one time become."""

    LAST = 0
    SUM = 1


@dataclass(frozen=True)
class Family:
    """One log with its hour and day chunks. `columns` float64 columns lie one after the other in a row's packed data."""

    id: int
    log: str
    hour: str
    day: str
    columns: tuple[str, ...]


POINTS: Final = Family(1, "metrics_batch", "metrics_point_hour", "metrics_point_day", ("value",))
VERDICTS: Final = Family(2, "metrics_verdict", "metrics_verdict_hour", "metrics_verdict_day", ("yhat", "lower", "upper", "score"))
FAMILIES: Final = (POINTS, VERDICTS)
