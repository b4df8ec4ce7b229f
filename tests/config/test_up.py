"""`manage.py up` with the real product: it starts, heals, refuses a second one, stops."""

import json
import os
import signal
import subprocess
import time
from http.client import HTTPException
from pathlib import Path

import pytest

from config.environment import BASE_DIR
from tests.product import CROWDED_S, PYTHON, UP, new_product, wait_until


@pytest.fixture(scope="module")
def product():
    with new_product() as product:
        product.start()
        yield product


def status(product):
    return product.get("/api/status")[1]


def all_well(product):
    try:
        return status(product)["status"] == "ok"
    except (OSError, HTTPException):
        return False


def test_everything_comes_up(product):
    wait_until(lambda: all_well(product), what="status ok")
    told = status(product)
    assert sorted(told["workers"]) == ["default", "detect.0", "detect.1"]
    assert told["version"] == "0.1.0"


def test_without_the_demo_it_says_how_to_make_the_first_admin(product):
    assert f"Plumbline is at {product.url}" in product.out.read_text()
    assert f"PLUMBLINE_HOME={product.home} .venv/bin/python manage.py createadmin" in product.out.read_text()
    assert not (product.home / "demo.json").exists()


def test_the_first_admin_can_log_in(product):
    said = product.manage("createadmin", "ann@example.com", "--org", "Ann's", "--name", "Ann", "--random-password")
    assert said.splitlines()[0] == "ann@example.com is an admin of Ann's."
    password = said.splitlines()[1].removeprefix("Password: ")
    check = f"from django.contrib.auth import authenticate as a; u = a(username='ann@example.com', password={password!r})"
    assert product.manage("shell", "--no-imports", "-c", f"{check}; print(u.role, u.org.slug, u.is_staff)") == "admin anns False\n"
    assert "exists already" in product.manage("createadmin", "ANN@example.com", "--random-password", fails=True)


def test_a_second_up_in_the_same_home_says_that_one_is_running(product):
    second = subprocess.run(UP, cwd=BASE_DIR, env=product.variables, capture_output=True, text=True, check=False, timeout=240)
    assert second.returncode == 1
    assert f"already running in this home (process {product.process.pid})" in second.stderr
    assert product.answers()


def test_a_taken_port_is_said_and_nothing_starts(product):
    with new_product(PORT=str(product.port)) as other:
        said = other.manage("up", "--prepare", fails=True)
        assert f"port {product.port} is not free" in said
        wait_until(lambda: other.pids("") == [], what="no process is left")
        wait_until(lambda: not any(list(other.place.data.rglob(one)) for one in ("postmaster.pid", "redis.sock")), what="no server is left")


@pytest.mark.parametrize("pattern", ["granian", "queues=detect.0", "queues=default", "celery.* beat"])
def test_whatever_is_killed_comes_back(product, pattern):
    wait_until(lambda: product.pids(pattern), what=f"{pattern} runs")
    killed = product.kill(pattern)
    wait_until(lambda: set(product.pids(pattern)) - set(killed) and product.answers(), what=f"{pattern} runs again")
    wait_until(lambda: not set(killed) & set(product.pids(pattern)), what="the kernel has ended what was killed")


def listeners(product) -> int:
    """How many sockets wait for connections on the product's port: each web worker has one of its own."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(row[3] == "0A" and row[1].endswith(f":{product.port:04X}") for row in rows)


def has_ended(pid: int) -> bool:
    """Whether the kernel has taken everything from the process, its sockets among it: the last of its threads holds them."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        return state in "ZX" and len(list(Path(f"/proc/{pid}/task").iterdir())) == 1
    except OSError:
        return True


def test_a_dead_web_worker_is_replaced_and_no_request_fails_meanwhile(product):
    wait_until(lambda: listeners(product) == 2, what="both workers serve")
    parent, *workers = product.pids("granian")
    os.kill(workers[-1], signal.SIGKILL)
    wait_until(lambda: has_ended(workers[-1]), what="the kernel has ended it")
    assert {product.request("GET", "/api/health")[0] for _ in range(100)} == {200}
    wait_until(lambda: listeners(product) == 2, what="it is replaced")
    assert product.pids("granian")[0] == parent
    assert workers[-1] not in product.pids("granian")
    assert {product.request("GET", "/api/health")[0] for _ in range(100)} == {200}


def test_killed_servers_come_back(product):
    product.kill_postgres()
    os.kill(int((product.place.sockets / "redis.pid").read_text()), signal.SIGKILL)
    time.sleep(1.5)
    wait_until(lambda: all_well(product), what="status ok after a kill of the servers")


def test_requests_are_logged_with_their_id(product):
    product.request("GET", "/nowhere", X_Request_Id="trace-from-a-test")
    wait_until(lambda: "trace-from-a-test" in product.out.read_text(), what="a line in the log")
    line = next(line for line in product.out.read_text().splitlines() if "trace-from-a-test" in line and "plumbline.access" in line)
    assert line.startswith("web ")
    assert "path=/nowhere" in line


def test_ctrl_c_stops_everything_within_ten_seconds_and_a_new_start_finds_the_data():
    with new_product(LOG_FORMAT="json") as product:
        product.start()
        wait_until(lambda: all_well(product), what="status ok")
        product.manage("createadmin", "ann@example.com", "--random-password")
        os.killpg(product.process.pid, signal.SIGINT)
        assert product.process.wait(CROWDED_S) == 0
        wait_until(lambda: product.pids("") == [], what="the kernel has ended everything")
        wait_until(lambda: not (product.place.data / "pg/postmaster.pid").exists(), what="PostgreSQL has ended")
        product.start()
        assert "exists already" in product.manage("createadmin", "ann@example.com", "--random-password", fails=True)
        product.request("GET", "/nowhere", X_Request_Id="trace-in-json")
        wait_until(lambda: "trace-in-json" in product.out.read_text(), what="a line in the log")
        assert product.manage("stop") == "Plumbline has stopped.\n"
        assert product.process.wait(CROWDED_S) == 0
        assert product.manage("stop") == "Plumbline was not running.\n"
        (line,) = [line for line in product.out.read_text().splitlines() if "trace-in-json" in line]
        told = json.loads(line.partition("| ")[2])
        assert sorted(told) == ["event", "level", "logger", "method", "ms", "path", "request_id", "status", "timestamp"]
        assert (told["logger"], told["method"], told["path"]) == ("plumbline.access", "GET", "/nowhere")


def test_a_database_that_was_not_prepared_is_said_and_nothing_runs():
    with new_product() as product:
        said = product.manage("up", fails=True)
        assert (
            said
            == "CommandError: The database is not at this version: start with `manage.py up --prepare`, or run `manage.py migrate` first.\n"
        )
        assert product.pids("") == []
        product.manage("migrate", "--verbosity=0")
        (product.home / "staticfiles").mkdir()
        product.start(PYTHON, "manage.py", "up")
        assert product.manage("stop") == "Plumbline has stopped.\n"


def test_after_a_kill_of_everything_the_next_start_is_clean():
    with new_product() as product:
        product.start()
        wait_until(lambda: all_well(product), what="status ok")
        product.process.kill()
        product.kill("")
        product.kill_postgres()
        product.process.wait()
        product.start()
        wait_until(lambda: all_well(product), what="status ok after a kill of everything")


def test_a_command_that_needs_no_data_starts_no_server():
    with new_product() as product:
        done = subprocess.run(
            [PYTHON, "manage.py", "version"], cwd=BASE_DIR, env=product.variables, capture_output=True, text=True, check=True
        )
        assert done.stdout.startswith("5.2")
        assert not (product.home / "pg").exists()
