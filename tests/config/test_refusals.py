"""What keeps a command from starting is said in one line, without a traceback."""

import os
import signal
import socket
import subprocess
import sys

import pytest
from django.db import OperationalError, connection, transaction

from config.environment import BASE_DIR
from config.refusals import is_away
from tests.product import free_port

NOWHERE = {"DATABASE_URL": "postgresql://somebody:hidden-word@127.0.0.1:1/none", "REDIS_URL": "redis://127.0.0.1:1/0"}


def said_by(*command: str, **variables: str) -> tuple[int, list[str]]:
    """Exit code and the lines on stderr of a management command, with servers that are nowhere."""
    environment = {name: value for name, value in os.environ.items() if name != "DATABASE_OWNER_URL"} | NOWHERE | variables
    done = subprocess.run(
        [sys.executable, "manage.py", *command], cwd=BASE_DIR, env=environment, capture_output=True, text=True, check=False, timeout=300
    )
    return done.returncode, done.stderr.splitlines()


@pytest.mark.parametrize("command", [("up", "--prepare"), ("stop",), ("check",), ("createadmin", "a@example.com", "--random-password")])
def test_a_setting_that_makes_no_sense(command, tmp_path):
    code, lines = said_by(*command, PLUMBLINE_HOME=str(tmp_path), PORT="http")
    assert (code, lines) == (1, ["plumbline: PORT='http' must be a whole number from 1 to 65535."])


def test_an_address_that_is_none(tmp_path):
    code, lines = said_by("up", "--prepare", PLUMBLINE_HOME=str(tmp_path), REDIS_URL="cache:6379")
    told = "plumbline: REDIS_URL must be an address that begins with redis:// or rediss:// or unix://, and its port a number."
    assert (code, lines) == (1, [told])


@pytest.mark.parametrize("command", [("up", "--prepare"), ("createadmin", "a@example.com", "--random-password")])
def test_a_database_that_is_away(command, tmp_path):
    code, lines = said_by(*command, PLUMBLINE_HOME=str(tmp_path), PORT=str(free_port()))
    assert code == 1
    assert lines[-1].startswith("plumbline: no connection to the database 'none' at 127.0.0.1 as 'somebody': ")
    assert lines[-1].endswith(". Does it run, and is DATABASE_URL right?")
    assert not any("Traceback" in line or "hidden-word" in line for line in lines)


@pytest.mark.django_db
def test_an_error_of_a_server_that_answers_keeps_its_traceback():
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = 1")
        with pytest.raises(OperationalError) as caught, transaction.atomic():
            cursor.execute("SELECT pg_sleep(60)")
        transaction.set_rollback(True)
    assert not is_away(caught.value)


def hear_ctrl_c() -> None:
    """What runs in the background of a shell is deaf to it, and so is all that it starts."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_ctrl_c_while_it_prepares_leaves_no_traceback(tmp_path):
    """Of a server that never says a word, so that it is known where the command waits."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        environment = os.environ | NOWHERE | {"PLUMBLINE_HOME": str(tmp_path), "PORT": str(free_port())}
        environment |= {"DATABASE_URL": f"postgresql://somebody@127.0.0.1:{silent.getsockname()[1]}/none", "DATABASE_OWNER_URL": ""}
        command = (sys.executable, "manage.py", "up", "--prepare")
        process = subprocess.Popen(
            command, cwd=BASE_DIR, env=environment, stderr=subprocess.PIPE, text=True, start_new_session=True, preexec_fn=hear_ctrl_c
        )
        silent.settimeout(300)
        # Held on to: a connection that nobody holds is closed, which is an answer too.
        with silent.accept()[0]:
            process.send_signal(signal.SIGINT)
            _, said = process.communicate(timeout=300)
    assert (process.returncode, said.splitlines()[-1]) == (130, "plumbline: interrupted")
    assert "Traceback" not in said
