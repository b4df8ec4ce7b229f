"""The Numenta Anomaly Benchmark (NAB 1.1) on the labelled series in ``tests/data/nab``.

``python -m tests.bench nab`` prints the scores of the production engine at its `high` sensitivity: one gate for the three profiles.

References: Lavin & Ahmad (2015), "Evaluating Real-time Anomaly Detection Algorithms", equations 1 to 4; constants from NAB 1.1's
``config/profiles.json`` and ``nab/sweeper.py``.
"""

from __future__ import annotations

import csv
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from metrics.detection import engine
from tests.bench.figures import Figure, at_least, measured

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

DATA: Final = Path(__file__).resolve().parents[1] / "data" / "nab"


class Profile(NamedTuple):
    """What one application thinks a hit, a false alarm and a miss are worth."""

    hit: float
    false_alarm: float
    miss: float


PROFILES: Final = {
    "standard": Profile(1.0, 0.11, 1.0),
    "low_fp": Profile(1.0, 0.22, 1.0),
    "low_fn": Profile(1.0, 0.11, 2.0),
}
PROBATION: Final = 0.15
PROBATION_POINTS: Final = 5000


@dataclass(frozen=True, kw_only=True)
class Labelled:
    """One series of the benchmark: arrays of shape (n,), `window` is the number of the point's window or -1 outside."""

    name: str
    timestamps_ms: NDArray[np.int64]
    values: NDArray[np.float64]
    weight: NDArray[np.float64]
    window: NDArray[np.int64]
    windows: int
    scored: NDArray[np.bool_]


class Result(NamedTuple):
    """A score (100 = perfect, 0 = silent detector), windows hit, windows in all, points reported outside every window."""

    score: float
    hit: int
    windows: int
    false_points: int


def sigmoid(position: float) -> float:
    """What an alert is worth at `position` (0 = the window's right edge, -1 = its left edge, in window widths)."""
    return -1.0 if position > 3.0 else 2.0 / (1.0 + math.exp(5.0 * position)) - 1.0


def weights(count: int, edges: Sequence[tuple[int, int]]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """The worth of an alert at each of `count` points and the number of its window, given the windows' first and last index."""
    weight, window = np.full(count, -1.0), np.full(count, -1)
    for number, (left, right) in enumerate(edges):
        width = right - left + 1.0
        for i in range(left, right + 1):
            weight[i], window[i] = sigmoid(-(right - i + 1) / width) / sigmoid(-1.0), number
        following = edges[number + 1][0] if number + 1 < len(edges) else count
        for i in range(right + 1, following):
            weight[i] = sigmoid((i - right) / (width - 1.0))
    return weight, window


def to_ms(text: str) -> int:
    """Unix milliseconds of `YYYY-MM-DD HH:MM:SS[.ffffff]`, taken as UTC."""
    return int(np.datetime64(text.strip().replace(" ", "T"), "ms").astype(np.int64))


def read(path: Path, spans: Sequence[Sequence[str]], *, name: str) -> Labelled:
    """One labelled series from its file and its windows (first and last timestamp of each)."""
    with path.open(newline="") as file:
        rows = list(csv.reader(file))[1:]
    times = np.array([to_ms(row[0]) for row in rows], dtype=np.int64)
    edges = [(int(np.flatnonzero(times == to_ms(a))[0]), int(np.flatnonzero(times == to_ms(b))[0])) for a, b in spans]
    weight, window = weights(len(rows), edges)
    probation = min(math.floor(PROBATION * len(rows)), PROBATION * PROBATION_POINTS)
    values = np.array([float(row[1]) for row in rows])
    scored = np.arange(len(rows)) >= probation
    return Labelled(name=name, timestamps_ms=times, values=values, weight=weight, window=window, windows=len(spans), scored=scored)


def load(folder: Path = DATA) -> list[Labelled]:
    """Every series under `folder` with its windows, by name."""
    spans: dict[str, list[list[str]]] = json.loads((folder / "combined_windows.json").read_text())
    return [read(folder / "data" / name, spans[name], name=name) for name in sorted(spans)]


def score(series: Sequence[Labelled], alerts: Sequence[NDArray[np.bool_]], profile: Profile) -> Result:
    """The NAB score of `alerts` (one boolean array per series): the earliest hit of a window counts, every false point costs."""
    total, hit, false_points, windows = 0.0, 0, 0, 0
    for one, alert in zip(series, alerts, strict=True):
        outside = alert & one.scored & (one.window < 0)
        false_points += int(outside.sum())
        total += float(one.weight[outside].sum()) * profile.false_alarm
        windows += one.windows
        for number in range(one.windows):
            worth = one.weight[alert & one.scored & (one.window == number)]
            hit += bool(worth.size)
            total += float(worth.max()) * profile.hit + profile.miss if worth.size else 0.0
    return Result(100.0 * total / ((profile.hit + profile.miss) * max(windows, 1)), hit, windows, false_points)


@dataclass(frozen=True, kw_only=True)
class Detected:
    """What the engine said of one series: arrays of shape (n,); the band is NaN where there is none."""

    alerts: NDArray[np.bool_]
    lower: NDArray[np.float64]
    upper: NDArray[np.float64]


def detect(one: Labelled, *, sensitivity: str = "high") -> Detected:
    """Alerts (starts and escalations) and band of the production engine, point after point, over one series."""
    states = engine.new_states(1)
    engine.set_sensitivity(states, [0], sensitivity)
    count = len(one.values)
    verdicts = engine.advance(
        states, np.zeros(count, np.int64), one.timestamps_ms, one.values, one.timestamps_ms, backfill=np.ones(count, np.bool_)
    )
    places = np.searchsorted(one.timestamps_ms, verdicts["timestamp_ms"])
    alerts = np.zeros(count, np.bool_)
    alerts[places[verdicts["event"] & (engine.OPEN | engine.ESCALATE) > 0]] = True
    lower, upper = np.full(count, np.nan), np.full(count, np.nan)
    lower[places], upper[places] = verdicts["lower"], verdicts["upper"]
    return Detected(alerts=alerts, lower=lower, upper=upper)


def coverage(series: Sequence[Labelled], found: Sequence[Detected]) -> float:
    """Mean over the series of the share of points inside the band, without the windows and the probation, in per cent."""
    shares = []
    for one, of in zip(series, found, strict=True):
        usual = one.scored & (one.window < 0) & ~np.isnan(of.lower)
        shares.append(np.mean((one.values >= of.lower)[usual] & (one.values <= of.upper)[usual]))
    return 100.0 * float(np.mean(shares))


TARGETS: Final = {"standard": 73.4, "low_fp": 60.1, "low_fn": 79.9}


def run() -> dict[str, Figure]:
    """A score per profile with one gate, of all series and of each half by name; windows hit, false points, coverage of the band."""
    series = load()
    found = [detect(one) for one in series]
    figures: dict[str, Figure] = {}
    for name, profile in PROFILES.items():
        whole = score(series, [of.alerts for of in found], profile)
        figures[f"NAB {name}"] = at_least(whole.score, "of 100", TARGETS[name])
        for fold in range(2):
            half = score(series[fold::2], [of.alerts for of in found[fold::2]], profile)
            figures[f"NAB {name}, half {fold + 1}"] = measured(half.score, "of 100")
    result = score(series, [of.alerts for of in found], PROFILES["standard"])
    figures["NAB windows hit"] = measured(result.hit, f"of {result.windows}")
    figures["NAB false points"] = measured(result.false_points, "points")
    figures["band coverage, nominal 99 %"] = measured(coverage(series, found), "%")
    return figures
