"""From the detector's verdicts to what they say about each excursion. Pure: arrays in, plain values out."""

import itertools
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from metrics.detection.layout import CLOSE, ESCALATE, EXTEND, FEATURES, KINDS, LABELS, OPEN

ALERTING: Final = OPEN | ESCALATE | EXTEND
DIRECTIONS: Final = {1: "up", -1: "down", 0: ""}
SIGNS: Final = {"up": 1, "down": -1}


@dataclass(frozen=True)
class Detector:
    """One of the detectors that saw it, with its own surprise (the power of ten of how rare it is)."""

    name: str
    label: str
    score: float


@dataclass(frozen=True)
class Peak:
    """The point of an excursion that is farthest from what was expected, with the score and the detectors of the most surprising one.

    The two differ: after a spike the windows that hold it stay surprised. None where the detector has no value, as in silence.
    """

    at_ms: int
    score: float
    value: float | None = None
    expected: float | None = None
    lower: float | None = None
    upper: float | None = None
    detectors: tuple[Detector, ...] = ()

    def distance(self, direction: str) -> float:
        """How far the value is from what was expected, in the excursion's direction; not positive on the way back or where unknown."""
        if self.value is None or self.expected is None:
            return 0.0
        return SIGNS[direction] * (self.value - self.expected) if direction else abs(self.value - self.expected)


@dataclass(frozen=True)
class Finding:
    """What one step of detection says about one excursion of one series.

    `ended_ms` is set when the excursion is over at the end of the step, and None while it lasts. `peak` is None when the step
    saw only its end; `first_ms` and `last_ms` are the times of the first and last points that were part of it (0 when none was).
    `escalated_ms` is the first moment in the step at which it grew much worse, and `escalated_peak` the peak since. `direction` is where it
    goes at the end of the step: one that grows much worse on the other side turns.
    """

    series: int
    kind: str
    episode_ms: int
    direction: str
    opened: bool
    peak: Peak | None
    ended_ms: int | None
    first_ms: int = 0
    last_ms: int = 0
    escalated_ms: int | None = None
    escalated_peak: Peak | None = None
    backfilled: bool = False


def findings_of(
    verdicts: NDArray[np.void], *, series: NDArray[np.int64], ended_ms: NDArray[np.int64], backfill: NDArray[np.bool_]
) -> list[Finding]:
    """One finding per series and excursion of which `verdicts` holds an event, ordered by series, kind and start; two of an excursion
    that began in imported history and goes on live, history first.

    verdicts : ndarray[VERDICT] of shape (n,), each series' in order of time; `series`, `ended_ms` and `backfill` of shape (n,) say
    whose verdict it is, when an excursion that it closes ended, and whether it comes from imported history.
    """
    some = np.flatnonzero(verdicts["event"])
    columns = (series[some], verdicts["kind"][some], verdicts["episode_ms"][some], ~backfill[some], some)
    keys = sorted(zip(*(column.tolist() for column in columns), strict=True))
    return [
        finding_of(who, kind, episode, [(verdicts[place], int(ended_ms[place])) for *_, place in group], backfilled=not is_live)
        for (who, kind, episode, is_live), group in itertools.groupby(keys, key=lambda key: key[:4])
    ]


def finding_of(series: int, kind: int, episode_ms: int, seen: list[tuple[Any, int]], *, backfilled: bool) -> Finding:
    escalation = next((place for place, (verdict, _) in enumerate(seen) if verdict["event"] & ESCALATE), None)
    alerting = [int(verdict["timestamp_ms"]) for verdict, _ in seen if verdict["event"] & ALERTING]
    last, ended_ms = seen[-1]
    direction = DIRECTIONS[int(last["direction"])]
    return Finding(
        series=series,
        kind=KINDS[kind],
        episode_ms=episode_ms,
        direction=direction,
        opened=any(verdict["event"] & OPEN for verdict, _ in seen),
        peak=peak_of((verdict for verdict, _ in seen), direction),
        ended_ms=ended_ms if last["event"] & CLOSE else None,
        first_ms=min(alerting, default=0),
        last_ms=max(alerting, default=0),
        escalated_ms=None if escalation is None else int(seen[escalation][0]["timestamp_ms"]),
        escalated_peak=None if escalation is None else peak_of((verdict for verdict, _ in seen[escalation:]), direction),
        backfilled=backfilled,
    )


def peak_of(verdicts: Iterable[Any], direction: str) -> Peak | None:
    """The peak of those that are part of the excursion; None when there are none."""
    top: Peak | None = None
    for verdict in verdicts:
        if verdict["event"] & ALERTING:
            top = higher(top, peak_at(verdict), direction)
    return top


def peak_at(verdict: Any) -> Peak:
    return Peak(
        at_ms=int(verdict["timestamp_ms"]),
        score=round(float(verdict["score"]), 2),
        value=finite(verdict["value"]),
        expected=finite(verdict["yhat"]),
        lower=finite(verdict["lower"]),
        upper=finite(verdict["upper"]),
        detectors=tuple(detectors_of(verdict["detectors"])),
    )


def higher(first: Peak | None, second: Peak, direction: str) -> Peak:
    """The peak of both: place and value of the one farther off, score and detectors of the more surprising one; of equals the first."""
    if first is None:
        return second
    far = second if second.distance(direction) > first.distance(direction) else first
    loud = second if second.score > first.score else first
    return replace(far, score=loud.score, detectors=loud.detectors)


def detectors_of(surprises: NDArray[np.float32]) -> Iterator[Detector]:
    """Those that were surprised at all, strongest first."""
    for place in np.argsort(-np.nan_to_num(surprises, nan=-math.inf), kind="stable").tolist():
        if surprises[place] > 0:
            yield Detector(name=FEATURES[place], label=LABELS[FEATURES[place]], score=round(float(surprises[place]), 2))


def finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
