"""`manage.py replay`: files in, alerts and scores out, no server."""

import csv
import io
import json
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from django.core.management import CommandError, call_command
from hypothesis import given, settings
from hypothesis import strategies as st

from metrics import replay
from metrics.detection import engine
from tests.metrics.detection.series import MINUTE, START, daily, times

ROOT = Path(__file__).resolve().parents[2]
COUNT, FAULT = 700, 600


def values_with_fault():
    values = daily(COUNT)
    values[FAULT : FAULT + 3] += 150.0
    return values


def plain(time_ms):
    return str(np.datetime64(time_ms, "ms").astype("datetime64[s]")).replace("T", " ")


FORMS = {
    "plain": plain,
    "iso": lambda time_ms: plain(time_ms).replace(" ", "T") + "Z",
    "offset": lambda time_ms: plain(time_ms + 120 * MINUTE).replace(" ", "T") + "+02:00",
    "unix": lambda time_ms: str(time_ms // 1000),
}


def write(path, form, values=None, at=None):
    values = values_with_fault() if values is None else values
    at = times(COUNT) if at is None else at
    cells = ["" if math.isnan(value) else repr(float(value)) for value in values]
    path.write_text("timestamp,value\n" + "".join(f"{form(one)},{cell}\n" for one, cell in zip(at.tolist(), cells, strict=True)))
    return path


def run(path, **options):
    out = io.StringIO()
    call_command("replay", str(path), stdout=out, **options)
    return [json.loads(line) for line in out.getvalue().splitlines()]


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS.keys())
def test_one_line_per_alert_with_times_in_the_form_of_the_file(tmp_path, form):
    alerts = run(write(tmp_path / "a.csv", form))
    assert len(alerts) == 1
    alert = alerts[0]
    assert list(alert) == ["start", "end", "peak", "value", "expected", "lower", "upper", "score", "detectors"]
    assert alert["start"] == form(int(times(COUNT)[FAULT]))
    peaks = {form(int(times(COUNT)[place])): place for place in range(FAULT, FAULT + 60)}
    assert alert["value"] == values_with_fault()[peaks[alert["peak"]]]
    assert alert["end"] in peaks
    assert alert["lower"] < alert["expected"] < alert["upper"]
    assert 50.0 <= alert["score"] < 100.0
    assert alert["detectors"]["residual"] > 2.0
    assert list(alert["detectors"].values()) == sorted(alert["detectors"].values(), reverse=True)


def test_an_alert_that_lasts_has_no_end(tmp_path):
    alerts = run(write(tmp_path / "a.csv", plain, values_with_fault()[: FAULT + 2], times(FAULT + 2)))
    assert [alert["end"] for alert in alerts] == [None]


def scores(path, tmp_path, **options):
    run(path, scores=tmp_path / "out.csv", **options)
    with (tmp_path / "out.csv").open(newline="") as file:
        return list(csv.reader(file))


def test_scores_have_one_row_per_row_of_the_file(tmp_path):
    values = values_with_fault()
    values[[200, 300, 301]] = np.nan
    rows = scores(write(tmp_path / "a.csv", plain, values), tmp_path)
    assert rows[0] == ["timestamp", "value", "yhat", "lower", "upper", "score", "alert"]
    assert [row[0] for row in rows[1:]] == [plain(one) for one in times(COUNT).tolist()]
    assert rows[201] == [plain(int(times(COUNT)[200])), "", "", "", "", "0.0", "0"]
    assert rows[1][2:] == ["", "", "", "0.0", "0"]
    assert next(place for place, row in enumerate(rows[1:]) if row[6] == "1") == FAULT
    assert 50.0 < float(rows[1 + FAULT][5]) < 100.0


def test_a_point_has_the_score_of_its_alert(tmp_path):
    path = write(tmp_path / "a.csv", plain)
    (alert,) = run(path)
    within = [row for row in scores(path, tmp_path)[1:] if alert["start"] <= row[0] <= alert["end"]]
    assert max(float(row[5]) for row in within) == alert["score"]


def test_scores_keep_the_order_of_the_surprise(tmp_path):
    with write(tmp_path / "a.csv", plain).open() as file:
        found = replay.replay(replay.read(file))
    rows = list(replay.table(found))
    scored = found.verdicts["status"] == engine.SCORED
    by_surprise = found.rows[scored][np.argsort(found.verdicts["surprise"][scored], kind="stable")]
    in_order = [float(rows[place][5]) for place in by_surprise]
    assert in_order == sorted(in_order)
    assert 0.0 <= in_order[0] < in_order[-1] < 100.0


def test_scores_of_a_prefix_are_the_prefix_of_the_scores(tmp_path):
    whole = scores(write(tmp_path / "a.csv", plain), tmp_path)
    part = scores(write(tmp_path / "b.csv", plain, values_with_fault()[:630], times(630)), tmp_path)
    assert part == whole[:631]


def test_an_irregular_file_has_one_row_per_row_too(tmp_path):
    at = START + np.cumsum(np.random.default_rng(5).integers(1, 1200, 1000)) * 1000
    rows = scores(write(tmp_path / "a.csv", plain, daily(1000), at), tmp_path)
    assert len(rows) == 1001
    assert sum(row[2] != "" for row in rows) > 250


def test_sensitivity_decides_what_is_reported(tmp_path):
    path = write(tmp_path / "a.csv", plain, daily(3000, noise=6.0), times(3000))
    counts = [len(run(path, sensitivity=name)) for name in ("low", "normal", "high")]
    assert counts == sorted(counts)


def test_unsorted_rows_are_kept_and_not_scored(tmp_path):
    at = times(COUNT).copy()
    at[500] = at[400]
    rows = scores(write(tmp_path / "a.csv", plain, at=at), tmp_path)
    assert rows[501][2:] == ["", "", "", "0.0", "0"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1: expected a header with the columns timestamp and value"),
        ("time,value\n1,2\n", "line 1: expected a header with the columns timestamp and value"),
        ("timestamp,value\n", "line 2: the file has no data"),
        ("timestamp,value\n2014-01-01 00:00:00,1\nyesterday,2\n", "line 3: 'yesterday' is no timestamp"),
        ("timestamp,value\n2014-01-01 00:00:00,1\n2014-01-01 00:05:00,two\n", "line 3: 'two' is no number"),
        ("timestamp,value\n2014-01-01 00:00:00\n", "line 2: expected a timestamp and a value"),
        ("timestamp,value\n1e300,1\n", "line 2: '1e300' is no timestamp"),
        ("timestamp,value\nnan,1\n", "line 2: 'nan' is no timestamp"),
        ("timestamp,value\n2014-13-01 00:00:00,1\n", "line 2: '2014-13-01 00:00:00' is no timestamp"),
    ],
)
def test_nonsense_is_refused_with_its_line(tmp_path, text, message):
    path = tmp_path / "a.csv"
    path.write_text(text)
    with pytest.raises(CommandError) as refused:
        run(path)
    assert message in str(refused.value)


def test_files_that_cannot_be_read_or_written_are_named(tmp_path):
    with pytest.raises(CommandError, match="cannot be read"):
        run(tmp_path / "none.csv")
    (tmp_path / "binary.csv").write_bytes(b"timestamp,value\n\xff\xfe,1\n")
    with pytest.raises(CommandError, match="not a text file"):
        run(tmp_path / "binary.csv")
    with pytest.raises(CommandError, match="cannot be written"):
        run(write(tmp_path / "a.csv", plain), scores=tmp_path / "none" / "out.csv")


def test_further_columns_and_quotes_do_not_matter():
    series = replay.read(['"Value",note,"Timestamp"\n', '"1.5","a, b",10\n', "\n", ",,20.25\n"])
    assert series.timestamps_ms.tolist() == [10_000, 20_250]
    assert series.values[0] == 1.5
    assert np.isnan(series.values[1])


@settings(max_examples=200)
@given(text=st.text(max_size=200))
def test_any_text_is_read_or_refused(text):
    try:
        series = replay.read(io.StringIO("timestamp,value\n" + text))
    except replay.BadFile as error:
        assert "line " in str(error)[:5]  # noqa: PT017  both outcomes are right
    else:
        assert len(series.texts) == len(series.values) > 0


@given(time_ms=st.integers(-(10**12), 4 * 10**12).map(lambda one: one // 1000 * 1000))
@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS.keys())
def test_a_written_time_reads_as_itself(form, time_ms):
    text = form(time_ms)
    assert replay.parse_time(text) == time_ms
    assert replay.write_time(time_ms, like=text) == text


def test_the_command_needs_no_server_and_starts_quickly(tmp_path):
    path = write(tmp_path / "a.csv", plain)
    nowhere = {"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none", "REDIS_URL": "redis://127.0.0.1:1/0"}
    command = [sys.executable, str(ROOT / "manage.py"), "replay", str(path)]

    def go():
        before = os.times()
        done = subprocess.run(command, env=os.environ | nowhere, capture_output=True, text=True, check=True, cwd=tmp_path)
        after = os.times()
        used = after.children_user - before.children_user + after.children_system - before.children_system
        return done.stdout, done.stderr, used

    go()
    out, said, used_s = go()
    assert (len(out.splitlines()), said) == (1, "")
    assert used_s < 3.0  # of processor time: the machine may be busy


def test_a_reader_that_goes_away_is_no_fault(tmp_path):
    write(tmp_path / "a.csv", plain)
    command = [sys.executable, str(ROOT / "manage.py"), "replay", str(tmp_path / "a.csv"), "--scores", str(tmp_path / "scores.csv")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path) as process:
        process.stdout.close()
        assert (process.stderr.read(), process.wait(240)) == ("", 0)
    assert len((tmp_path / "scores.csv").read_text().splitlines()) == COUNT + 1


@pytest.mark.parametrize(("is_compiled", "lines"), [(False, 1), (True, 0)])
def test_a_first_start_says_that_it_compiles(tmp_path, monkeypatch, is_compiled, lines):
    monkeypatch.setattr(engine, "is_compiled", lambda: is_compiled)
    out, said = io.StringIO(), io.StringIO()
    call_command("replay", str(write(tmp_path / "a.csv", plain)), stdout=out, stderr=said)
    assert [line.startswith("compiling the detector once") for line in said.getvalue().splitlines()] == [True] * lines
    assert len(out.getvalue().splitlines()) == 1


def test_code_is_compiled_once_its_cache_is_there(tmp_path, monkeypatch):
    monkeypatch.delitem(sys.modules, "metrics.detection.kernels", raising=False)
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    assert not engine.is_compiled()
    folder = engine._cache() / "of-a-module"
    folder.mkdir(parents=True)
    (folder / "kernels.advance-310.py311.nbi").touch()
    assert engine.is_compiled()


@pytest.mark.parametrize("named", ["in.csv", "./in.csv", "link.csv"])
def test_the_file_that_is_read_is_never_written_over(tmp_path, named):
    path = write(tmp_path / "in.csv", plain)
    (tmp_path / "link.csv").symlink_to(path)
    before = path.read_bytes()
    with pytest.raises(CommandError, match="is the file that is read"):
        call_command("replay", str(path), scores=tmp_path / named)
    assert path.read_bytes() == before
