"""A process that is stuck is ended, even where Python itself has no say any more."""

import subprocess
import sys

import pytest

from config.environment import BASE_DIR

STUCK = """
import ctypes, time
from anomalies.watchdog import process_ended_after

def stuck_here():
    {how}

with process_ended_after(0.5):
    stuck_here()
print("went on")
"""


@pytest.mark.parametrize(
    "how",
    [
        pytest.param("time.sleep(600)", id="waiting"),
        pytest.param("ctypes.PyDLL(None).sleep(600)", id="in code that keeps the interpreter to itself"),
    ],
)
def test_what_does_not_end_takes_its_process_with_it(how):
    done = subprocess.run(
        [sys.executable, "-c", STUCK.format(how=how)], cwd=BASE_DIR, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert "in stuck_here" in done.stderr


def test_what_ends_in_time_goes_on():
    done = subprocess.run(
        [sys.executable, "-c", STUCK.format(how="pass").replace("0.5", "300")],
        cwd=BASE_DIR,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "went on\n", "")
