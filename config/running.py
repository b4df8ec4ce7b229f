"""Who runs the product in a home: a lock that the kernel frees with its holder, with the holder's pid inside."""

import contextlib
import fcntl
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

STOP_TIMEOUT_S: Final = 15.0


class AlreadyRunningError(Exception):
    """Another process runs the product in this home; its pid is the argument."""


@contextlib.contextmanager
def sole_runner(home: Path) -> Iterator[None]:
    """Holds the home for this process. Raises AlreadyRunningError."""
    home.mkdir(parents=True, exist_ok=True)
    with open(home / "up.pid", "a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyRunningError(_read_pid(home)) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield
        file.truncate(0)


def runner_pid(home: Path) -> int | None:
    """The process that runs the product in this home, if one does; what a killed one has left behind counts for nothing."""
    try:
        with open(home / "up.pid") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _read_pid(home)
    except FileNotFoundError:
        pass
    return None


def stop_runner(home: Path) -> bool:
    """Asks the running product to stop and waits for it; False when none runs. Raises TimeoutError when it does not stop."""
    pid = runner_pid(home)
    if pid is None:
        return False
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_TIMEOUT_S
    while runner_pid(home) == pid:
        if time.monotonic() > deadline:
            raise TimeoutError(f"process {pid} does not stop")
        time.sleep(0.1)
    return True


def _read_pid(home: Path) -> int:
    return int((home / "up.pid").read_text() or 0)
