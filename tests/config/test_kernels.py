"""The kernels are compiled once per version, by whoever comes first."""

import subprocess
import sys

import pytest

from config import kernels
from config.environment import BASE_DIR


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "numba"))
    return tmp_path / "numba"


def run() -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-m", "config.kernels"], cwd=BASE_DIR, stderr=subprocess.PIPE, text=True)


def test_what_is_compiled_is_left_alone(cache):
    cache.mkdir()
    (cache / "compiled").write_text(kernels.digest())
    with run() as process:
        assert process.communicate(timeout=60)[1] == ""
    assert sorted(path.name for path in cache.iterdir()) == ["compiled", "lock"]


def test_the_digest_changes_with_a_source(monkeypatch, tmp_path):
    before = kernels.digest()
    (tmp_path / "metrics/detection").mkdir(parents=True)
    (tmp_path / "metrics/detection/kernels.py").write_text("changed")
    monkeypatch.setattr(kernels, "BASE_DIR", tmp_path)
    after = kernels.digest()
    assert after != before
    (tmp_path / "metrics/detection/kernels.py").write_text("changed again")
    assert kernels.digest() not in {before, after}


def test_the_sources_that_hold_kernels_are_all_watched():
    watched = {path for pattern in kernels.SOURCES for path in BASE_DIR.glob(pattern)}
    holding = {path for path in (BASE_DIR / "metrics").rglob("*.py") if "njit" in path.read_text()}
    assert holding <= watched
    assert len(holding) >= 2


@pytest.mark.chaos
def test_two_that_start_at_once_compile_once(cache):
    with run() as one, run() as two:
        said = sorted(process.communicate(timeout=600)[1] for process in (one, two))
    assert said[0] == ""
    assert said[1].startswith("compiling the detector")
    assert (cache / "compiled").read_text() == kernels.digest()
