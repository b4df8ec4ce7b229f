"""The product as one whole: made ready, run under the supervisor, greeted, stopped."""

import hashlib
import http.client
import json
import os
import shlex
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.core.management import call_command
from django.db import OperationalError, connection
from django.db.migrations.executor import MigrationExecutor
from psycopg_pool import PoolTimeout

from config.database.guard import refuse_open_wall
from config.embedded import NoServerError, ensure_servers, stop_servers
from config.environment import BASE_DIR
from config.programs import compiler, programs
from config.running import sole_runner
from config.supervisor import Supervisor

HEALTH = "/api/health"


class PortTakenError(Exception):
    """Another program listens on the port; the message says what to do."""


class NotPreparedError(Exception):
    """The database is not at this version; the message says what to do."""


def prepare() -> None:
    """Brings the database, the static files and (PLUMBLINE_DEMO) the demo to where this version wants them."""
    call_command("migrate", interactive=False, verbosity=0)
    collect_static()
    if settings.PLUMBLINE_DEMO:
        call_command("demo")
    sys.stdout.flush()


def collect_static() -> None:
    """Copies, names by content and compresses the static files, unless that was done for exactly these files."""
    stamp = Path(settings.STATIC_ROOT) / ".collected"
    now = static_digest()
    if not stamp.is_file() or stamp.read_text() != now:
        call_command("collectstatic", interactive=False, verbosity=0, clear=True)
        stamp.write_text(now)


def static_digest() -> str:
    """Changes when a static file of any app is added, removed, or written."""
    digest = hashlib.sha256()
    for finder in get_finders():
        for name, storage in finder.list([]):
            found = os.stat(storage.path(name))
            digest.update(f"{name} {found.st_mtime_ns} {found.st_size}\n".encode())
    return digest.hexdigest()


def run(*, before: Callable[[], None] | None = None) -> None:
    """Runs until told to stop. Raises AlreadyRunningError, PortTakenError, NotPreparedError."""
    home = settings.PLUMBLINE_HOME
    with sole_runner(home):
        try:
            serve(before=before)
        finally:
            stop_servers(home)


def serve(*, before: Callable[[], None] | None) -> None:
    """Makes ready, then supervises until told to stop. Raises PortTakenError, and NotPreparedError where nothing makes ready; exits where
    the database would not keep orgs apart."""
    refuse_taken_port()
    if before:
        compile_during(before)
    else:
        refuse_unprepared()
    refuse_open_wall()
    # The rights to alter tables are for migrations alone: no process that serves anybody shall find them.
    os.environ.pop("DATABASE_OWNER_URL", None)
    connection.close_pool()  # type: ignore[attr-defined]  # PostgreSQL's has it. Its threads must not be alive when children are forked
    supervisor = Supervisor(
        programs(), mark=str(settings.PLUMBLINE_HOME), colors=sys.stdout.isatty(), is_ready=answers,
        watch=lambda: watch_servers(supervisor), when_ready=lambda: greet(supervisor),
    )  # fmt: skip
    supervisor.run()


def compile_during(before: Callable[[], None]) -> None:
    """Begun now, on the second core, the compiler is done when points arrive; the supervisor's own run of it then waits for this one."""
    compiling = subprocess.Popen(compiler(), cwd=BASE_DIR, start_new_session=True)
    try:
        before()
    except BaseException:
        compiling.terminate()
        compiling.wait()
        raise


def refuse_taken_port() -> None:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(settings.HOST, settings.PORT, type=socket.SOCK_STREAM)[0]
    except OSError as error:
        raise PortTakenError(f"HOST={settings.HOST} is no address of this machine ({error.strerror})") from error
    with socket.socket(family, kind, protocol) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except OSError as error:
            raise PortTakenError(f"port {settings.PORT} is not free ({error.strerror}): PORT={settings.PORT + 1} make run") from error


def refuse_unprepared() -> None:
    """Raises NotPreparedError where migrations of this version are missing. A database that is away is waited for."""
    try:
        executor = MigrationExecutor(connection)
    except (OperationalError, PoolTimeout):
        return
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        raise NotPreparedError(
            "The database is not at this version: start with `manage.py up --prepare`, or run `manage.py migrate` first."
        )


def watch_servers(supervisor: Supervisor) -> None:
    try:
        ensure_servers(settings.PLUMBLINE_HOME)
    except NoServerError as error:
        supervisor.say(str(error))


def answers() -> bool:
    """Whether the web server answers on its health path."""
    client = http.client.HTTPConnection(settings.REACHED_AT, settings.PORT, timeout=1)
    try:
        client.request("GET", HEALTH, headers={"Host": "localhost"})
        return client.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        client.close()


def greet(supervisor: Supervisor) -> None:
    for line in greeting():
        supervisor.say(line)


def greeting() -> list[str]:
    """Address, login and token, or how to make the first admin."""
    lines = ["", f"Plumbline is at {settings.BASE_URL}"]
    path = settings.PLUMBLINE_HOME / "demo.json"
    if settings.PLUMBLINE_DEMO and path.is_file():
        demo = json.loads(path.read_text())
        lines += [
            f"   log in with  {demo['email']}",
            f"   password     {demo['password']}",
            f"   API token    {demo['personal_token']}   (Authorization: Bearer …)",
            f"   more logins, tokens and keys: {path}",
        ]
    else:
        lines.append(f"   make the first admin: {_home()}.venv/bin/python manage.py createadmin you@example.com --org 'Your org'")
    return [*lines, "   Ctrl-C stops everything.", ""]


def _home() -> str:
    """What to put before a command, so that another shell finds this installation."""
    home = settings.PLUMBLINE_HOME
    return "" if home == BASE_DIR / ".plumbline" else f"PLUMBLINE_HOME={shlex.quote(str(home))} "
