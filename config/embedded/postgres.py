"""The private PostgreSQL: made, started, found again after any crash, stopped."""

import os
import shutil
import signal
import time
from pathlib import Path
from typing import Final
from urllib.parse import quote

import psycopg

from config.embedded.binaries import PostgresBinaries, find_postgres
from config.embedded.errors import NoServerError
from config.embedded.place import Place

OWNER: Final = "app"
# What the product connects as: it owns nothing, so row-level security holds for it. Migrations give it its rights.
USER: Final = "plumbline_app"
DATABASE: Final = "plumbline"
# fsync and synchronous_commit keep their defaults (on): an acknowledged point survives a crash of the machine.
TUNING: Final = {
    "listen_addresses": "''", "max_connections": "120", "shared_buffers": "256MB", "work_mem": "16MB", "maintenance_work_mem": "128MB",
    "max_wal_size": "4GB", "wal_compression": "on", "wal_level": "minimal", "max_wal_senders": "0", "random_page_cost": "1.1",
    "jit": "off", "timezone": "UTC", "log_timezone": "UTC", "log_line_prefix": "'%m [%p] '",
}  # fmt: skip
# Autovacuum writes statistics in transactions of its own, for which every reader of the log waits: tests ask right after they wrote.
NOT_DURABLE: Final = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "autovacuum": "off"}
START_TIMEOUT_S: Final = 60
STOP_TIMEOUT_S: Final = 4


class Postgres:
    """One cluster under `place`; the caller holds the place's lock around `ensure` and `stop`."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.data = place.data / "pg"
        self.log = place.data / "pg.log"

    @property
    def url(self) -> str:
        """For the product."""
        return self._url(DATABASE, USER)

    @property
    def owner_url(self) -> str:
        """For migrations."""
        return self._url(DATABASE)

    def ensure(self, *, durable: bool = True) -> str:
        """The URL of a running server that answers. Raises NoServerError when it cannot be made to."""
        if not self.answers():
            binaries = find_postgres(self.place, major=self._major())
            if not (self.data / "PG_VERSION").exists():
                self._make(binaries, durable=durable)
            self._start(binaries)
            self._make_database()
        return self.url

    def answers(self, database: str = DATABASE, user: str = USER) -> bool:
        try:
            psycopg.connect(self._url(database, user), connect_timeout=3).close()
        except psycopg.OperationalError:
            return False
        return True

    def stop(self, *, immediately: bool = False) -> None:
        """Ends it in order, or without a checkpoint when that is asked for or takes too long: the next start then replays the log."""
        pid = self._pid()
        for number in (signal.SIGQUIT,) if immediately else (signal.SIGINT, signal.SIGQUIT):
            if pid is None or not _is_postgres(pid):
                return
            os.kill(pid, number)
            deadline = time.monotonic() + STOP_TIMEOUT_S
            while _is_postgres(pid) and time.monotonic() < deadline:
                time.sleep(0.02)

    def _url(self, database: str, user: str = OWNER) -> str:
        return f"postgresql://{user}@/{database}?host={quote(str(self.place.sockets))}&port=5432"

    def _major(self) -> int | None:
        stamp = self.data / "PG_VERSION"
        return int(stamp.read_text().split(".")[0]) if stamp.exists() else None

    def _make(self, binaries: PostgresBinaries, *, durable: bool) -> None:
        """Makes the cluster under another name first: a half-made one left by a crash is never mistaken for a whole one."""
        draft = self.place.data / "pg.new"
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700)
        self.place.account.own(draft)
        made = self.place.account.run(
            binaries.folder / "initdb", "-D", draft, "-U", OWNER, "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-instructions", "-N"
        )
        if made.returncode:
            raise NoServerError(f"initdb failed: {made.stderr.strip() or made.stdout.strip()}")
        with open(draft / "postgresql.auto.conf", "a") as file:
            file.writelines(f"{name} = {value}\n" for name, value in (TUNING | ({} if durable else NOT_DURABLE)).items())
        draft.rename(self.data)

    def _start(self, binaries: PostgresBinaries) -> None:
        self._forget_stale_pid()
        self.log.touch()
        self.place.account.own(self.log)
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self.answers("postgres", OWNER):
            # Orphans of a killed server hold its shared memory for a moment and make the first start fail: try again.
            options = f"-k {self.place.sockets} -c listen_addresses='' -p 5432"
            started = self.place.account.run(
                binaries.folder / "pg_ctl", "-D", self.data, "-l", self.log, "-w", "-t", "30", "-o", options, "start"
            )
            if started.returncode and time.monotonic() > deadline:
                raise NoServerError(f"PostgreSQL does not start; the end of {self.log}:\n{_tail(self.log)}")
            if started.returncode:
                time.sleep(0.3)

    def _make_database(self) -> None:
        with psycopg.connect(self._url("postgres"), autocommit=True) as connection:
            if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone():
                connection.execute(f"CREATE DATABASE {DATABASE}")
            if not connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [USER]).fetchone():
                connection.execute(f"CREATE ROLE {USER} LOGIN NOINHERIT")

    def _forget_stale_pid(self) -> None:
        """Removes a pid file whose process is gone or is another program by now, as happens when a container restarts."""
        pid = self._pid()
        if pid is not None and not _is_postgres(pid):
            (self.data / "postmaster.pid").unlink(missing_ok=True)

    def _pid(self) -> int | None:
        try:
            return int((self.data / "postmaster.pid").read_text().split()[0])
        except (FileNotFoundError, ValueError, IndexError):
            return None


def _is_postgres(pid: int) -> bool:
    """Whether the process lives and is a PostgreSQL server. Without /proc only the first can be known."""
    if not Path("/proc/self").exists():
        return _lives(pid)
    try:
        return b"postgres" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _tail(path: Path, lines: int = 12) -> str:
    return "\n".join(path.read_text(errors="replace").splitlines()[-lines:])
