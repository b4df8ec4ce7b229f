"""Keeps a set of programs running: restarts what dies, prefixes what they say, stops all of them in time.

Knows nothing of what the programs are (`config/programs.py`). One thread, because the tie by which the kernel ends a child with its
parent belongs to the thread that started it.
"""

import contextlib
import ctypes
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final

STOP_WITHIN_S: Final = 4.0
POLL_S: Final = 0.1
FIRST_DELAY_S: Final = 0.5
LONGEST_DELAY_S: Final = 30.0
# A program that ran this long was well: its next death starts the delays from the beginning.
HEALTHY_AFTER_S: Final = 30.0
LATEST_READY_S: Final = 15.0
MARK: Final = "PLUMBLINE_SUPERVISED"
OWN_NAME: Final = "plumbline"
COLORS: Final = (36, 33, 32, 35, 34, 96, 93, 92, 95, 94)
PR_SET_PDEATHSIG: Final = 1


@dataclass(frozen=True)
class Program:
    """One command to keep running.

    Programs that are not `first` wait until the product answers (or long enough in vain). One that is to run `once` is not started again
    after it has succeeded; one that comes `after` another waits until that one has succeeded or has failed twice.
    """

    name: str
    command: tuple[str, ...]
    first: bool = False
    once: bool = False
    after: str = ""


@dataclass
class Child:
    """A program's current process, and when to start the next one if it has none."""

    program: Program
    color: int
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    due: float = 0.0
    failures: int = 0
    done: bool = False
    unfinished: bytes = field(default=b"", repr=False)

    @property
    def runs(self) -> bool:
        return self.process is not None

    @property
    def is_settled(self) -> bool:
        return self.done or self.failures > 1


class Supervisor:
    """Runs until SIGINT or SIGTERM; a second one ends it at once.

    `watch` is called about every second (embedded servers are kept alive there); `is_ready` until it first says yes, and then
    `when_ready` once. `mark` is put into the environment of all children and identifies them should this process be killed.
    """

    def __init__(
        self,
        programs: Sequence[Program],
        *,
        mark: str,
        output: BinaryIO | None = None,
        colors: bool = False,
        watch: Callable[[], None] = lambda: None,
        is_ready: Callable[[], bool] = lambda: True,
        when_ready: Callable[[], None] = lambda: None,
    ) -> None:
        self.children = [Child(program, COLORS[number % len(COLORS)]) for number, program in enumerate(programs)]
        self.mark = mark
        self.output = output or sys.stdout.buffer
        self.colors = colors
        self.watch, self.is_ready, self.when_ready = watch, is_ready, when_ready
        self.width = max(len(name) for name in (OWN_NAME, *(program.name for program in programs)))
        self.selector = selectors.DefaultSelector()
        self.signals = 0
        self.ready = False
        self.next_watch = 0.0

    def run(self) -> None:
        with self._signals_handled():
            end_leftovers(self.mark)
            self.begun = time.monotonic()
            try:
                while not self.signals:
                    self._turn()
            finally:
                self._stop()

    def say(self, words: str, name: str = OWN_NAME, color: int = 97) -> None:
        prefix = f"{name:<{self.width}} | "
        line = f"\x1b[{color}m{prefix}\x1b[0m{words}\n" if self.colors else f"{prefix}{words}\n"
        try:
            self.output.write(line.encode(errors="replace"))
            self.output.flush()
        except BrokenPipeError:
            self.signals += 1  # whoever read our output has gone

    @contextlib.contextmanager
    def _signals_handled(self) -> Iterator[None]:
        def note(number: int, frame: object) -> None:
            self.signals += 1

        before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
        yield
        for number, handler in before.items():
            signal.signal(number, handler)

    def _turn(self) -> None:
        now = time.monotonic()
        if now >= self.next_watch:
            self.watch()
            self.next_watch = time.monotonic() + 1.0
        self._greet(now)
        for child in self.children:
            if self._may_start(child, now):
                self._start(child)
        self._listen()
        for child in self.children:
            self._notice_death(child)

    def _may_start(self, child: Child, now: float) -> bool:
        open_to_all = self.ready or now > self.begun + LATEST_READY_S
        waits_for = [other for other in self.children if other.program.name == child.program.after]
        return (
            not (child.runs or child.done)
            and now >= child.due
            and (child.program.first or open_to_all)
            and all(other.is_settled for other in waits_for)
        )

    def _greet(self, now: float) -> None:
        if not self.ready and self.is_ready():
            self.ready = True
            self.when_ready()

    def _start(self, child: Child) -> None:
        child.process = subprocess.Popen(  # noqa: PLW1509  single-threaded, so code between fork and exec is safe
            child.program.command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, MARK: self.mark},
            preexec_fn=_die_with_parent(os.getpid()),
        )
        assert child.process.stdout is not None  # noqa: S101  for the type checker
        os.set_blocking(child.process.stdout.fileno(), False)
        child.started = time.monotonic()
        self.selector.register(child.process.stdout, selectors.EVENT_READ, child)

    def _listen(self) -> None:
        for key, _ in self.selector.select(POLL_S):
            child: Child = key.data
            data = os.read(key.fd, 65536)
            if not data:
                self.selector.unregister(key.fileobj)
                time.sleep(0.01)  # a program that has closed its output is about to end
            self._print(child, data)

    def _print(self, child: Child, data: bytes) -> None:
        *lines, child.unfinished = (child.unfinished + data).split(b"\n")
        for line in lines:
            self.say(line.decode(errors="replace"), child.program.name, child.color)

    def _notice_death(self, child: Child) -> None:
        process = child.process
        if process is None or process.poll() is None:
            return
        lived = time.monotonic() - child.started
        self._bury(child)
        if child.program.once and process.returncode == 0:
            child.done = True
            return
        child.failures = 1 if lived > HEALTHY_AFTER_S else child.failures + 1
        delay = min(FIRST_DELAY_S * 2 ** (child.failures - 1), LONGEST_DELAY_S)
        child.due = time.monotonic() + delay
        self.say(f"{child.program.name} ended ({_fate(process.returncode)}); starts again in {delay:g} s")

    def _bury(self, child: Child) -> None:
        """Ends what the dead process left of its group, reads its last words and closes its pipe."""
        process = child.process
        assert process is not None and process.stdout is not None  # noqa: S101, PT018  for the type checker
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        with contextlib.suppress(BlockingIOError, ValueError):
            self._print(child, os.read(process.stdout.fileno(), 65536))
        with contextlib.suppress(KeyError, ValueError):
            self.selector.unregister(process.stdout)
        process.stdout.close()
        child.process = None

    def _stop(self) -> None:
        """SIGTERM to all, SIGKILL to those that are left after STOP_WITHIN_S or at a second signal."""
        asked, deadline = self.signals, time.monotonic() + STOP_WITHIN_S
        self.say("stopping")
        self._signal_all(signal.SIGTERM)
        while self._living() and time.monotonic() < deadline and self.signals <= max(asked, 1):
            self._listen()
        self._signal_all(signal.SIGKILL)
        for child in self._living():
            if child.process:
                child.process.wait()
        for child in self.children:
            if child.runs:
                self._bury(child)

    def _living(self) -> list[Child]:
        return [child for child in self.children if child.process and child.process.poll() is None]

    def _signal_all(self, number: int) -> None:
        for child in self._living():
            if child.process:
                child.process.send_signal(number)


def _die_with_parent(parent: int) -> Callable[[], None] | None:
    """What a child does before its program starts: asks Linux for a SIGTERM when the supervisor ends in any way."""
    if not sys.platform.startswith("linux"):
        return None
    prctl = ctypes.CDLL(None).prctl

    def prepare() -> None:
        prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it ended before the wish was known
            os._exit(1)

    return prepare


def end_leftovers(mark: str) -> None:
    """Kills the children, and theirs, of a supervisor of the same mark that was killed: they would hold its port and its queues."""
    wanted = f"{MARK}={mark}".encode()
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if int(folder.name) != os.getpid() and wanted in (folder / "environ").read_bytes().split(b"\0"):
                os.kill(int(folder.name), signal.SIGKILL)


def _fate(code: int) -> str:
    return f"exit code {code}" if code >= 0 else signal.Signals(-code).name
