"""The detector over a file of `timestamp,value`, as `manage.py replay` does it. Needs no server.

A file is history: it says when its points were, not when they came, so silence is not judged in it.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from metrics.detection import engine

HEADER: Final = ("timestamp", "value")
COLUMNS: Final = ("timestamp", "value", "yhat", "lower", "upper", "score", "alert")
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
ALERT: Final = engine.OPEN | engine.ESCALATE
PART: Final = ALERT | engine.EXTEND


class BadFile(ValueError):
    """The file is not what it should be; the message names the line."""


@dataclass(frozen=True, kw_only=True)
class Series:
    """The rows of a file: texts as they were, times in unix milliseconds, values with NaN for gaps; all of shape (n,)."""

    texts: tuple[str, ...]
    raw_values: tuple[str, ...]
    timestamps_ms: NDArray[np.int64]
    values: NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Replay:
    """What the detector says of a series: verdicts in order, and for each the number of its row (of a bin: of its last point)."""

    series: Series
    verdicts: NDArray[np.void]
    rows: NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Alert:
    """One alert from its start to its end (None while it lasts), told at the value farthest from its forecast.

    Times are as the file writes them, `score` is the highest, 0 to 100, `detectors` hold each detector's surprise.
    """

    start: str
    end: str | None
    peak: str
    value: float
    expected: float
    lower: float
    upper: float
    score: float
    detectors: dict[str, float]


def parse_time(text: str) -> int:
    """Unix milliseconds of unix seconds, `YYYY-MM-DD HH:MM:SS` or another ISO 8601 form; UTC when no offset is given.

    Raises: ValueError for anything else, and for years outside 1..9999.
    """
    try:
        seconds = float(text)
    except ValueError:
        moment = datetime.fromisoformat(text)
    else:
        moment = EPOCH + timedelta(milliseconds=round(seconds * 1000)) if math.isfinite(seconds) else _refuse(text)
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (aware - EPOCH) // timedelta(milliseconds=1)


def _refuse(text: str) -> datetime:
    raise ValueError(text)


def write_time(time_ms: int, *, like: str) -> str:
    """`time_ms` in the form of the timestamp `like`."""
    moment = EPOCH + timedelta(milliseconds=time_ms)
    try:
        float(like)
    except ValueError:
        separator = "T" if "T" in like else " "
        zone = datetime.fromisoformat(like).tzinfo
        text = (moment.astimezone(zone) if zone else moment.replace(tzinfo=None)).isoformat(sep=separator)
        return text.replace("+00:00", "Z") if like.endswith("Z") else text
    return f"{time_ms / 1000:.15g}"


def read(lines: Iterable[str]) -> Series:
    """The rows of a CSV file with the header `timestamp,value`; further columns are not looked at, an empty value is a gap.

    Raises: BadFile, with the number of the line, when the header, a time or a value cannot be read, or there is no row at all.
    """
    reader = csv.reader(lines)
    try:
        places = _columns(next(reader, []))
        rows = [_row(row, places, reader.line_num) for row in reader if row]
    except csv.Error as error:
        raise BadFile(f"line {reader.line_num}: {error}") from error
    if not rows:
        raise BadFile(f"line {reader.line_num + 1}: the file has no data")
    texts, raw_values, times, values = zip(*rows, strict=True)
    return Series(texts=texts, raw_values=raw_values, timestamps_ms=np.array(times, np.int64), values=np.array(values, np.float64))


def _columns(header: list[str]) -> list[int]:
    names = [name.strip().lower().lstrip("\ufeff") for name in header]
    if any(name not in names for name in HEADER):
        raise BadFile("line 1: expected a header with the columns timestamp and value")
    return [names.index(name) for name in HEADER]


def _row(row: list[str], places: list[int], line: int) -> tuple[str, str, int, float]:
    if len(row) <= max(places):
        raise BadFile(f"line {line}: expected a timestamp and a value, got {','.join(row)[:80]!r}")
    text, raw = (row[place].strip() for place in places)
    try:
        time_ms = parse_time(text)
    except (ValueError, OverflowError) as error:
        raise BadFile(f"line {line}: {text[:40]!r} is no timestamp (YYYY-MM-DD HH:MM:SS, ISO 8601 or unix seconds)") from error
    try:
        return text, raw, time_ms, float(raw) if raw else math.nan
    except ValueError as error:
        raise BadFile(f"line {line}: {raw[:40]!r} is no number") from error


def replay(series: Series, *, sensitivity: str = "normal") -> Replay:
    """Every point of the series through the production engine, in the order of the file."""
    states = engine.new_states(1)
    engine.set_sensitivity(states, [0], sensitivity)
    rows = np.zeros(len(series.values), np.int64)
    verdicts = engine.advance(states, rows, series.timestamps_ms, series.values, series.timestamps_ms, backfill=True)
    return Replay(series=series, verdicts=verdicts, rows=_rows_of(verdicts, series.timestamps_ms))


def _rows_of(verdicts: NDArray[np.void], times_ms: NDArray[np.int64]) -> NDArray[np.int64]:
    """A point's own verdict has its time; that of a closed bin is older than the point that closed it, and belongs to the row before."""
    rows = np.empty(len(verdicts), np.int64)
    following = 0
    for place, time_ms in enumerate(verdicts["timestamp_ms"].tolist()):
        if following < len(times_ms) and time_ms == times_ms[following]:
            rows[place] = following
            following += 1
        else:
            rows[place] = following - 1
    return rows


def alerts(found: Replay) -> Iterator[Alert]:
    """The alerts in the order of their starts."""
    events = found.verdicts[found.verdicts["event"] != 0]
    for start_ms in sorted({int(one["episode_ms"]) for one in events}):
        yield _alert(found.series, events[events["episode_ms"] == start_ms], start_ms)


def _alert(series: Series, events: NDArray[np.void], start_ms: int) -> Alert:
    like = series.texts[0]
    within = events[events["event"] & PART != 0]
    # Not the most surprising point: shapes and means stay strange for as long as the excursion is in their window. And not the way back.
    off = within["value"] - within["yhat"]
    top = within[np.argmax(off * events[-1]["direction"] if events[-1]["direction"] else np.abs(off))]
    is_over = bool(events[-1]["event"] & engine.CLOSE)
    return Alert(
        start=write_time(start_ms, like=like),
        end=write_time(int(within[-1]["timestamp_ms"]), like=like) if is_over else None,
        peak=write_time(int(top["timestamp_ms"]), like=like),
        value=float(top["value"]),
        expected=float(top["yhat"]),
        lower=float(top["lower"]),
        upper=float(top["upper"]),
        score=shown_score(within["score"].max()),
        detectors=_detectors(top["detectors"]),
    )


def shown_score(score: float) -> float:
    """A score of 0 to 100 as people read it."""
    return round(float(score), 2)


def _detectors(surprises: NDArray[np.float32]) -> dict[str, float]:
    """Those that were surprised, strongest first."""
    named = [(name, round(float(one), 2)) for name, one in zip(engine.FEATURES, surprises, strict=True) if one > 0]
    return dict(sorted(named, key=lambda item: -item[1]))


def table(found: Replay) -> Iterator[list[Any]]:
    """One row of `COLUMNS` per row of the file. `score` is that of the alerts, 0 to 100, 0 where nothing was scored; `alert` is 1
    where one starts or escalates.

    The forecast and the band are empty where there is none.
    """
    count = len(found.series.values)
    cells = {name: np.full(count, np.nan) for name in ("yhat", "lower", "upper")}
    scores, starts = np.zeros(count), np.zeros(count, np.int64)
    has_band = ~np.isnan(found.verdicts["yhat"])
    for name, column in cells.items():
        column[found.rows[has_band]] = found.verdicts[name][has_band]
    scored = found.verdicts["status"] == engine.SCORED
    scores[found.rows[scored]] = found.verdicts["score"][scored]
    starts[found.rows[found.verdicts["event"] & ALERT != 0]] = 1
    for i in range(count):
        band = ["" if math.isnan(column[i]) else repr(float(column[i])) for column in cells.values()]
        yield [found.series.texts[i], found.series.raw_values[i], *band, repr(shown_score(scores[i])), int(starts[i])]
