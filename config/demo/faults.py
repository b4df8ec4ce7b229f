"""Faults that the feeder plants in the live series, each labelled in `demo-faults.jsonl` so that what is found can be compared."""

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

from config.demo.catalogue import Source

FIRST_AFTER_MS: Final = 15_000
EVERY_MS: Final = 600_000


@dataclass(frozen=True)
class Fault:
    """One planted fault: which series, what is done to it, and from its first to its last point (unix milliseconds)."""

    metric: str
    kind: str  # spike | burst | level shift
    start_ms: int
    end_ms: int
    size: float = 1.0  # in widths of everything the series has shown, on top of its maximum: nobody doubts it

    def applies(self, metric: str, timestamp_ms: int) -> bool:
        return metric == self.metric and self.start_ms <= timestamp_ms <= self.end_ms

    def distort(self, value: float, source: Source) -> float:
        """Above anything the series has shown, whatever the usual value is."""
        return value + (1.0 + self.size) * (source.most - source.least)


LENGTHS: Final = {"spike": 1, "burst": 3, "level shift": 8}  # points


def planned(number: int, sources: list[Source], start_ms: int) -> Fault:
    """The `number`-th fault: series and kinds take turns, so that one series rests while the others are at fault."""
    source = sources[number % len(sources)]
    kind = list(LENGTHS)[number % len(LENGTHS)]
    # What was seen before surprises less: each round is larger than the last, in turns of three.
    size = 1.0 + 0.5 * (number // len(sources) % 3)
    return Fault(source.metric, kind, start_ms, start_ms + LENGTHS[kind] * source.step_ms - 1, size)


def record(path: Path, fault: Fault, timestamp_ms: int, value: float, usual: float) -> None:
    """Appends the label of a fault when its first point has been sent."""
    line = {**asdict(replace(fault, start_ms=timestamp_ms)), "value": value, "usual": usual}
    with path.open("a") as file:
        file.write(json.dumps(line) + "\n")
