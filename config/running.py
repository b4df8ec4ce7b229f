"""Who runs the product in a home: a lock that the kernel frees with its holder, with the holder's pid inside."""

import contextlib
import fcntl
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final, TextIO

STOP_TIMEOUT_S: Final = 60.0
# Whoever only asks holds the lock too, for a moment; a start waits for that to pass.
ASKING_S: Final = 1.0
# The lock is held, and the pid is not in the file yet, or no longer. Never to be signalled: 0 is one's own process group.
NOT_KNOWN: Final = 0


class AlreadyRunningError(Exception):
    """Another process runs the product in this home; its pid is the argument."""


@contextlib.contextmanager
def sole_runner(home: Path) -> Iterator[None]:
    """Holds the home for this process. Raises AlreadyRunningError."""
    home.mkdir(parents=True, exist_ok=True)
    with open(home / "up.pid", "a+") as file:
        if not _lock(file):
            raise AlreadyRunningError(_read_pid(home))
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield
        file.truncate(0)


def _lock(file: TextIO) -> bool:
    deadline = time.monotonic() + ASKING_S
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        else:
            return True


def runner_pid(home: Path) -> int | None:
    """The process that runs the product in this home, None if none does; what a killed one has left behind counts for nothing.

    NOT_KNOWN for the moment in which one starts or ends.
    """
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
    deadline = time.monotonic() + STOP_TIMEOUT_S
    while (pid := runner_pid(home)) == NOT_KNOWN:
        _pause(deadline, "the process that starts does not say which one it is")
    if pid is None:
        return False
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
    while runner_pid(home) in (pid, NOT_KNOWN):
        _pause(deadline, f"process {pid} does not stop")
    return True


def _pause(deadline: float, reason: str) -> None:
    if time.monotonic() > deadline:
        raise TimeoutError(reason)
    time.sleep(0.1)


def _read_pid(home: Path) -> int:
    return int((home / "up.pid").read_text() or NOT_KNOWN)
