"""Sentences, weights and fingerprints: plain values in, plain values out."""

import math
from dataclasses import replace

import numpy as np
import pytest

from anomalies.services import findings_of, metric_fingerprint, metric_weight
from anomalies.services.findings import Detector, Peak, higher
from anomalies.services.wording import number, sentence
from metrics.detection import engine
from metrics.detection.layout import CLOSE, ESCALATE, EXTEND, OPEN

NOON_MS = 1_772_366_400_000


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (39_197.4, "39,197"), (1000.0, "1,000"), (999.96, "1000"), (12.345, "12.35"), (0.012346, "0.01235"), (0.0, "0"), (-3.0, "-3"),
        (1.5e16, "1.5e+16"), (0.00001234, "1.23e-05"), (None, "no value"), (math.nan, "no value"), (math.inf, "no value"),
    ],
)  # fmt: skip
def test_numbers_are_written_as_people_write_them(value, text):
    assert number(value) == text


RANGE = Peak(0, 60, 39_197, 22_000, 18_204, 26_850)
LOW = Peak(0, 60, 9, 22, 18, 26)


@pytest.mark.parametrize(
    ("kind", "peak", "direction", "lasted_s", "text"),
    [
        ("spike", RANGE, "up", 0, "39,197 where 18,204 to 26,850 were expected: 46 % too high."),
        ("spike", replace(RANGE, value=27_000), "up", 150, "27,000 where 18,204 to 26,850 were expected, for 2 min."),
        ("spike", replace(RANGE, value=268_500), "up", 0, "268,500 where 18,204 to 26,850 were expected: 10 times the highest expected."),
        ("spike", replace(RANGE, value=53_700), "up", 0, "53,700 where 18,204 to 26,850 were expected: 2 times the highest expected."),
        ("spike", Peak(0, 60, 101, 50, 20, 100), "up", 0, "101 where 20 to 100 were expected: 1 % too high."),
        ("spike", Peak(0, 60, 100.9, 50, 20, 100), "up", 0, "100.9 where 20 to 100 were expected."),
        ("spike", replace(RANGE, value=0), "down", 0, "0 where 18,204 to 26,850 were expected: 100 % too low."),
        ("spike", replace(RANGE, value=-5), "down", 0, "-5 where 18,204 to 26,850 were expected."),
        ("spike", Peak(0, 60, 20, 22, 18, 26), "up", 0, "20 is within 18 to 26, but unlike this series at such a time."),
        ("spike", Peak(0, 60, 20), "up", 0, "20, unlike anything seen before."),
        ("level shift", LOW, "down", 7200, "The level moved down: 9 where 18 to 26 were expected: 50 % too low, for 2 h."),
        ("shape", Peak(0, 60, 20, 22, 18, 26), "up", 0, "An unusual shape: 20 is within 18 to 26, but unlike this series at such a time."),
        ("flat", Peak(0, 60, 42, 42, 18, 66), "up", 90000, "Stuck at 42: the value has not changed for longer than ever before, for 1 d."),
        ("silence", Peak(0, 60), "down", 0, "No points since 2026-03-01 12:00 UTC."),
        ("silence", Peak(0, 60), "down", 300, "No points since 2026-03-01 12:00 UTC, for 5 min."),
    ],
)  # fmt: skip
def test_the_sentence_says_what_a_colleague_would_say(kind, peak, direction, lasted_s, text):
    assert sentence(kind, peak=peak, direction=direction, started_ms=NOON_MS, lasted_s=lasted_s) == text


@pytest.mark.parametrize(
    ("score", "duration_s", "total"), [(0, 0, 1), (43, 0, 1), (50, 0, 2), (79.9, 0, 7), (80, 0, 8), (100, 3600, 9), (100, 1e9, 10)]
)
def test_an_excursion_weighs_one_to_ten(score, duration_s, total):
    assert metric_weight(score, duration_s=duration_s).total == total


def test_the_parts_add_up_to_the_weight():
    weight = metric_weight(90, duration_s=4000, tags=-3)
    assert weight.breakdown == {"score": 8, "duration": 1, "tags": -3}
    assert weight.total == 6


def test_fingerprints_are_the_same_for_ever_and_fit_in_json():
    assert metric_fingerprint(17, direction="up") == 7112160613277188
    everything = {metric_fingerprint(i, direction=d, pattern=p) for i in range(300) for d in ("up", "down", "") for p in (None, 1, 2)}
    assert len(everything) == 300 * 9
    assert all(0 <= one < 2**53 for one in everything)


def verdicts(*rows: tuple[int, int, float, int]) -> np.ndarray:
    """From (row, minute, score, event)."""
    made = np.zeros(len(rows), engine.VERDICT)
    for verdict, (row, minute, score, event) in zip(made, rows, strict=True):
        verdict["row"], verdict["timestamp_ms"], verdict["score"], verdict["event"] = row, minute * 60_000, score, event
        verdict["value"] = score  # with a forecast of 0: the higher the score, the farther off
        verdict["episode_ms"], verdict["direction"], verdict["detectors"][:2] = 60_000, 1, (0.5, 2.5)
    return made


def found(made: np.ndarray, backfill: list[bool] | None = None):
    ended = made["timestamp_ms"] - 1
    return findings_of(made, series=made["row"] + 100, ended_ms=ended, backfill=np.array(backfill or [False] * len(made)))


def test_verdicts_of_one_excursion_are_one_finding():
    made = verdicts((1, 1, 60, OPEN), (0, 1, 50, OPEN), (1, 2, 0, 0), (1, 3, 90, ESCALATE), (1, 4, 70, EXTEND), (1, 9, 20, CLOSE))
    first, second = found(made)
    assert (first.series, second.series) == (100, 101)
    assert (second.opened, second.first_ms, second.last_ms, second.ended_ms) == (True, 60_000, 240_000, 539_999)
    assert (second.peak.at_ms, second.peak.score, second.escalated_ms, second.escalated_peak.score) == (180_000, 90.0, 180_000, 90.0)
    assert [(one.name, one.score) for one in second.peak.detectors] == [("time_of_day", 2.5), ("residual", 0.5)]
    assert (first.ended_ms, first.escalated_ms) == (None, None)


def test_an_excursion_that_goes_on_after_its_end_lasts():
    (one,) = found(verdicts((0, 1, 60, OPEN), (0, 6, 20, CLOSE), (0, 8, 55, EXTEND)))
    assert (one.ended_ms, one.last_ms) == (None, 480_000)


def test_the_calm_point_that_ends_it_is_no_peak():
    (one,) = found(verdicts((0, 6, 99, CLOSE)))
    assert (one.peak, one.first_ms, one.last_ms, one.ended_ms) == (None, 0, 0, 359_999)


def test_of_two_that_are_as_surprising_the_first_one_speaks():
    first, second = (Peak(at, 70.0, 10.0 + at, 1.0, 0.5, 1.5, (Detector(name, "", 3.0),)) for at, name in ((1, "residual"), (2, "shape_8")))
    assert higher(first, second, "up") == replace(second, detectors=first.detectors)


def test_history_and_present_are_told_apart():
    past, present = found(verdicts((0, 1, 60, OPEN), (0, 2, 70, EXTEND)), [True, False])
    assert (past.backfilled, past.opened, present.backfilled, present.opened) == (True, True, False, False)
