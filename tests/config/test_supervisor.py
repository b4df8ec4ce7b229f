"""The supervisor, with small programs in place of the product's."""

import fcntl
import os
import re
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from config.environment import BASE_DIR
from config.running import runner_pid, sole_runner
from config.supervisor import MARK, STOP_WITHIN_S
from tests.product import CROWDED_S, wait_until

PYTHON = sys.executable


def supervise(folder: Path, programs: str, *, patience_s: float = STOP_WITHIN_S, **options: str) -> subprocess.Popen:
    """Starts a supervisor of (name, Python code) pairs in a process of its own; its output goes to `folder`/out."""
    arguments = ", ".join(f"{name}={code}" for name, code in options.items())
    script = f"""
        from config.running import AlreadyRunningError, sole_runner
        from config import supervisor
        from config.supervisor import Program, Supervisor
        from pathlib import Path
        import sys
        supervisor.STOP_WITHIN_S = {patience_s}
        programs = [Program(name, (sys.executable, "-u", "-c", code), *more) for name, code, *more in {programs}]
        try:
            with sole_runner(Path({str(folder)!r})):
                Supervisor(programs, mark={str(folder)!r}, {arguments}).run()
        except AlreadyRunningError as error:
            sys.exit(f"running: {{error}}")
    """
    with open(folder / "out", "a") as out:
        return subprocess.Popen([PYTHON, "-c", textwrap.dedent(script)], cwd=BASE_DIR, stdout=out, stderr=out, start_new_session=True)


@pytest.fixture
def start(tmp_path):
    started = []

    def run(programs: list[tuple[str, str]], **options: Any) -> subprocess.Popen:
        started.append(supervise(tmp_path, repr(programs), **options))
        return started[-1]

    yield run
    for process in started:
        process.kill()
        process.wait()
    for pid in marked(tmp_path):
        os.kill(pid, signal.SIGKILL)


def marked(folder: Path) -> list[int]:
    """The living processes that a supervisor of this folder has started, and theirs."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if f"{MARK}={folder}".encode() in (entry / "environ").read_bytes().split(b"\0"):
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def wait_for(folder: Path, pattern: str, *, count: int = 1) -> list[str]:
    """The matches in the output, once there are `count`."""
    deadline = time.monotonic() + CROWDED_S
    while len(found := re.findall(pattern, (folder / "out").read_text())) < count:
        assert time.monotonic() < deadline, f"no {pattern!r} in:\n{(folder / 'out').read_text()}"
        time.sleep(0.05)
    return found


SLEEPS = "import os, time; print('pid', os.getpid()); time.sleep(600)"
STUBBORN = "import os, signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('pid', os.getpid()); time.sleep(600)"
PARENT = f"import subprocess, sys, time; subprocess.Popen([sys.executable, '-u', '-c', {SLEEPS!r}]); time.sleep(600)"


def test_lines_carry_the_name_of_their_program(start, tmp_path):
    start([("a", "print('one'); print('two'); import time; time.sleep(600)"), ("longer", "print('three'); import time; time.sleep(600)")])
    said = wait_for(tmp_path, r"(?m)^(?:a|longer) +\| (?:one|two|three)$", count=3)
    assert sorted(said) == ["a         | one", "a         | two", "longer    | three"]


def test_a_program_that_is_killed_is_started_again_and_the_others_are_left_alone(start, tmp_path):
    start([("a", SLEEPS), ("b", SLEEPS)])
    first = {name: int(pid) for name, pid in wait_for(tmp_path, r"(\w) .*pid (\d+)", count=2)}
    os.kill(first["a"], signal.SIGKILL)
    assert wait_for(tmp_path, r"a ended \((.*)\); starts again in (.*) s") == [("SIGKILL", "0.5")]
    again = wait_for(tmp_path, r"(\w) .*pid (\d+)", count=3)[2]
    assert again[0] == "a"
    assert sorted(marked(tmp_path)) == sorted([int(again[1]), first["b"]])


def test_a_program_that_keeps_dying_is_started_ever_more_slowly(start, tmp_path):
    start([("a", "raise SystemExit(3)")])
    assert wait_for(tmp_path, r"a ended \((exit code 3)\); starts again in (.*) s", count=3)[:3] == [
        ("exit code 3", delay) for delay in ("0.5", "1", "2")
    ]


def test_the_last_words_of_a_program_are_not_lost(start, tmp_path):
    start([("a", "import sys; sys.stdout.write('x' * 50000 + '\\nlast words\\n'); sys.stdout.flush(); import os; os._exit(1)")])
    assert wait_for(tmp_path, r"a +\| (last words)") == ["last words"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_everything_within_ten_seconds(start, tmp_path, number):
    supervisor = start([("a", SLEEPS), ("stubborn", STUBBORN), ("parent", PARENT)])
    wait_for(tmp_path, r"pid (\d+)", count=3)
    supervisor.send_signal(number)
    assert supervisor.wait(CROWDED_S) == 0
    assert STOP_WITHIN_S < 10
    assert marked(tmp_path) == []


def test_a_second_signal_stops_at_once(start, tmp_path):
    supervisor = start([("stubborn", STUBBORN)], patience_s=3600.0)
    wait_for(tmp_path, r"pid (\d+)")
    supervisor.send_signal(signal.SIGINT)
    wait_for(tmp_path, "stopping")
    supervisor.send_signal(signal.SIGINT)
    supervisor.wait(CROWDED_S)
    assert marked(tmp_path) == []


def test_children_end_when_the_supervisor_is_killed(start, tmp_path):
    supervisor = start([("a", SLEEPS), ("b", SLEEPS)])
    wait_for(tmp_path, r"pid (\d+)", count=2)
    supervisor.kill()
    wait_until(lambda: marked(tmp_path) == [], what="no program is left")


def test_what_a_killed_supervisor_left_is_ended_by_the_next(start, tmp_path):
    killed = start([("stubborn", STUBBORN)])
    left = int(wait_for(tmp_path, r"pid (\d+)")[0])
    killed.kill()
    killed.wait()
    assert marked(tmp_path) == [left]
    start([("a", SLEEPS)])
    new = int(wait_for(tmp_path, r"pid (\d+)", count=2)[1])
    assert marked(tmp_path) == [new]


def test_a_second_runner_of_the_same_home_is_refused_and_names_the_first(start, tmp_path):
    first = start([("a", SLEEPS)])
    wait_for(tmp_path, r"pid (\d+)")
    assert start([("b", SLEEPS)]).wait(CROWDED_S) == 1
    assert wait_for(tmp_path, r"running: (\d+)") == [str(first.pid)]
    assert runner_pid(tmp_path) == first.pid
    first.kill()
    first.wait()
    assert runner_pid(tmp_path) is None
    start([("c", SLEEPS)])
    assert len(wait_for(tmp_path, r"pid (\d+)", count=2)) == 2


def test_stop_waits_for_the_pid_of_a_runner_that_just_starts(tmp_path):
    script = f"from config.running import stop_runner; from pathlib import Path; print(stop_runner(Path({str(tmp_path)!r})))"
    with open(tmp_path / "up.pid", "w") as lock, subprocess.Popen(["sleep", "600"], start_new_session=True) as runner:
        fcntl.flock(lock, fcntl.LOCK_EX)
        stop = subprocess.Popen([PYTHON, "-c", script], cwd=BASE_DIR, stdout=subprocess.PIPE, text=True, start_new_session=True)
        time.sleep(1)
        assert (stop.poll(), runner.poll()) == (None, None)
        lock.write(str(runner.pid))
        lock.flush()
        assert runner.wait(CROWDED_S) == -signal.SIGTERM
        lock.close()
        assert (stop.communicate(timeout=CROWDED_S)[0], stop.returncode) == ("True\n", 0)


def test_somebody_who_asks_does_not_keep_the_product_from_starting(tmp_path):
    with open(tmp_path / "up.pid", "a+") as asking:
        fcntl.flock(asking, fcntl.LOCK_SH)
        release = threading.Timer(0.2, asking.close)
        release.start()
        with sole_runner(tmp_path):
            assert runner_pid(tmp_path) == os.getpid()
        release.join()


def test_programs_wait_for_the_first_ones_to_answer(start, tmp_path):
    flag = tmp_path / "answers"
    start([("a", SLEEPS)], is_ready=f"lambda: Path({str(flag)!r}).exists()", when_ready="lambda: print('it answers', flush=True)")
    time.sleep(2)
    assert "pid" not in (tmp_path / "out").read_text()
    flag.touch()
    wait_for(tmp_path, r"pid (\d+)")
    assert (tmp_path / "out").read_text().index("it answers") < (tmp_path / "out").read_text().index("pid")


def test_a_watch_is_called_again_and_again(start, tmp_path):
    start([("a", SLEEPS)], watch="lambda: print('watched', flush=True)")
    assert wait_for(tmp_path, "watched", count=3) == ["watched"] * 3


def test_what_comes_after_a_program_that_runs_once_waits_for_its_success(start, tmp_path):
    flag = tmp_path / "may succeed"
    tries = f"import pathlib, time; print('tries'); time.sleep(0.2); exit(not pathlib.Path({str(flag)!r}).exists())"
    start([("once", tries, False, True), ("later", SLEEPS, False, False, "once")])
    wait_for(tmp_path, "tries")
    flag.touch()
    wait_for(tmp_path, r"later .*pid (\d+)")
    time.sleep(1.5)
    said = (tmp_path / "out").read_text()
    assert said.count("tries") in (1, 2)
    assert said.rindex("tries") < said.index("later     | pid")


def test_what_comes_after_a_program_that_fails_twice_starts_all_the_same(start, tmp_path):
    start([("once", "exit(1)", False, True), ("later", SLEEPS, False, False, "once")])
    wait_for(tmp_path, r"later .*pid (\d+)")
    assert len(re.findall("once ended", (tmp_path / "out").read_text())) == 2
