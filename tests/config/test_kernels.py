"""The kernels are compiled once per version, by whoever comes first."""

import re
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
        assert process.communicate(timeout=600)[1] == ""
    assert sorted(path.name for path in cache.iterdir()) == ["compiled", "lock"]


def test_the_digest_changes_with_a_source(monkeypatch, tmp_path):
    before = kernels.digest()
    changed = tmp_path / "kernels.py"
    changed.write_text("changed")
    monkeypatch.setattr(kernels, "sources", lambda: [changed])
    after = kernels.digest()
    assert after != before
    changed.write_text("changed again")
    assert kernels.digest() not in {before, after}


def test_the_sources_that_hold_kernels_and_what_they_import_are_all_watched():
    watched = set(kernels.sources())
    holding = {path for path in (BASE_DIR / "metrics").rglob("*.py") if re.search(r"^@(njit|inline|kernel)|njit\(", path.read_text(), re.M)}
    assert holding <= watched
    assert len(holding) >= 12
    for path in watched:
        for name in re.findall(r"^from (metrics\.detection\.\w+) import|^from metrics\.detection import (\w+)", path.read_text(), re.M):
            module = "".join(name).removeprefix("metrics.detection.")
            assert BASE_DIR / f"metrics/detection/{module}.py" in watched, (path, module)


@pytest.mark.chaos
def test_two_that_start_at_once_compile_once(cache):
    with run() as one, run() as two:
        said = sorted(process.communicate(timeout=600)[1] for process in (one, two))
    assert said[0] == ""
    assert said[1].startswith("compiling the detector")
    assert (cache / "compiled").read_text() == kernels.digest()
