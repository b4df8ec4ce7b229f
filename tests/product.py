"""The real product in a home of its own, for tests that need processes to ask, to kill and to bring back."""

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from config.embedded import Place, Postgres, Valkey, stop_servers
from config.environment import BASE_DIR
from config.supervisor import MARK
from tests.servers import reap_later

PYTHON = sys.executable
WEB = "import django, os; django.setup(); from config.programs import web; command = web(); os.execv(command[0], command)"
SERVERS = {"DATABASE_URL", "DATABASE_OWNER_URL", "REDIS_URL"}
UP = (PYTHON, "manage.py", "up", "--prepare")
CROWDED_S = 240.0  # how long a crowded machine may take for what is awaited; no promise of the product


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until(holds: Callable[[], object], *, within_s: float = CROWDED_S, what: str) -> None:
    """Fails after `within_s`."""
    deadline = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline, f"not within {within_s} s: {what}"
        time.sleep(0.1)


class Product:
    """`command` runs in `home`, on a free port, with servers of its own and without the demo unless `variables` say otherwise."""

    def __init__(self, home: Path, **variables: str) -> None:
        self.home = home
        self.port = free_port()
        self.place = Place.for_home(home)
        self.out = home / "out.log"
        self.process: subprocess.Popen[bytes] | None = None
        inherited = {name: value for name, value in os.environ.items() if name not in SERVERS}
        self.variables = {**inherited, "PLUMBLINE_HOME": str(home), "PORT": str(self.port), "PLUMBLINE_DEMO": "0", **variables}

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    def start(self, *command: str, within_s: float = CROWDED_S) -> None:
        """Starts it, the whole product unless a command is given, and waits until it answers."""
        with open(self.out, "a") as out:
            self.process = subprocess.Popen(
                command or UP, cwd=BASE_DIR, env=self.variables, stdout=out, stderr=out, stdin=subprocess.DEVNULL, start_new_session=True
            )
        wait_until(self.answers, within_s=within_s, what=f"an answer of the web server, whose words are in {self.out}")

    def start_web(self) -> None:
        """Only the private servers and the web server."""
        self.start_servers()
        self.manage("migrate", "--verbosity=0")
        (self.home / "staticfiles").mkdir(exist_ok=True)
        self.start(PYTHON, "-m", "granian", "--interface=wsgi", f"--port={self.port}", "--log-level=warning", "config.wsgi:application")

    def serve(self) -> None:
        """Only the web server, with the processes and threads that `up` gives it; the servers run, and the tables are there."""
        self.variables["DJANGO_SETTINGS_MODULE"] = "config.settings"
        self.start(PYTHON, "-c", WEB)

    def start_servers(self) -> None:
        """The private servers, and their addresses among the variables."""
        self.start_postgres()
        Valkey(self.place).ensure()
        postgres = Postgres(self.place)
        self.variables |= {"DATABASE_URL": postgres.url, "DATABASE_OWNER_URL": postgres.owner_url, "REDIS_URL": Valkey(self.place).url}

    def as_owner(self, code: str) -> str:
        """What Python code says that makes rows of many orgs, or looks at them, in this product's database."""
        variables = self.variables | {"DATABASE_OWNER_URL": Postgres(self.place).owner_url, "REDIS_URL": Valkey(self.place).url}
        command = [PYTHON, "-m", "tests.as_owner", code]
        done = subprocess.run(command, cwd=BASE_DIR, env=variables, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def manage(self, *arguments: str, input_: str = "", fails: bool = False) -> str:
        """What a management command says, which must end well, or with a failure where `fails`."""
        done = subprocess.run(
            [PYTHON, "manage.py", *arguments], cwd=BASE_DIR, env=self.variables, capture_output=True, text=True, input=input_, check=False
        )
        said = done.stdout + done.stderr
        assert bool(done.returncode) is fails, f"manage.py {' '.join(arguments)} ended with {done.returncode}: {said}"
        return said

    def request(self, method: str, path: str, *, body: bytes | None = None, **headers: str) -> tuple[int, bytes, dict[str, str]]:
        """Status, body and headers; OSError when nobody answers. Header names are given with underscores."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=CROWDED_S)
        sent = {"Host": "localhost", **{name.replace("_", "-"): value for name, value in headers.items()}}
        try:
            connection.request(method, path, body=body, headers=sent)
            response = connection.getresponse()
            return response.status, response.read(), dict(response.getheaders())
        finally:
            connection.close()

    def get(self, path: str, **headers: str) -> tuple[int, object, dict[str, str]]:
        """Status, JSON and headers."""
        status, body, sent = self.request("GET", path, **headers)
        return status, json.loads(body), sent

    def answers(self) -> bool:
        try:
            return self.get("/api/health")[0] == 200
        except (OSError, ValueError, http.client.HTTPException):
            return False

    def pids(self, pattern: str) -> list[int]:
        """Living processes of this product whose command line matches, oldest first."""
        return [pid for _, pid, command in sorted(self._commands()) if re.search(pattern, command)]

    def _commands(self) -> Iterator[tuple[int, int, str]]:
        """When each began (numbers of processes begin anew at some time), its number, its command line."""
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                if f"{MARK}={self.home}".encode() in (entry / "environ").read_bytes().split(b"\0"):
                    began = int((entry / "stat").read_text().rpartition(")")[2].split()[19])
                    yield began, int(entry.name), (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue

    def kill(self, pattern: str) -> list[int]:
        """Kills, as -9 does, every process that matches; returns their pids."""
        pids = self.pids(pattern)
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        return pids

    def kill_postgres(self) -> None:
        os.kill(int((self.place.data / "pg/postmaster.pid").read_text().split()[0]), signal.SIGKILL)

    def stop_postgres(self) -> None:
        with self.place.locked():
            Postgres(self.place).stop(immediately=True)

    def start_postgres(self) -> None:
        with self.place.locked():
            Postgres(self.place).ensure()

    def stop(self) -> None:
        """Ends whatever still runs."""
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.kill("")
        stop_servers(self.home)


@contextmanager
def new_product(**variables: str) -> Iterator[Product]:
    """A product that has not been started, in a folder that goes away with it."""
    home = Path(tempfile.mkdtemp(prefix="plumbline-product-"))
    home.chmod(0o755)
    reaper = reap_later(home)
    product = Product(home, **variables)
    try:
        yield product
    finally:
        product.stop()
        reaper.communicate()


@contextmanager
def kept_product(home: Path, **variables: str) -> Iterator[Product]:
    """A product that has not been started, in a folder that stays, with what its database holds."""
    home.mkdir(mode=0o755, parents=True, exist_ok=True)
    product = Product(home, **variables)
    try:
        yield product
    finally:
        product.stop()
