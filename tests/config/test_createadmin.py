"""`manage.py createadmin`: who is asked for the password."""

import os
import subprocess
import sys

import pytest

from config.environment import BASE_DIR


@pytest.mark.parametrize("typed", ["", "a-long-passphrase\n"])
def test_without_anybody_to_ask_it_says_what_to_do(typed):
    """Once nothing can be read, once only the first of two answers."""
    nowhere = {"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none"}
    command = [sys.executable, str(BASE_DIR / "manage.py"), "createadmin", "a@example.com", "--org", "X"]
    done = subprocess.run(
        command, env=os.environ | nowhere, input=typed, capture_output=True, text=True, check=False, start_new_session=True, timeout=240
    )
    assert (done.returncode, done.stdout) == (1, "")
    said = "There is nobody to ask for a password. Run this in a terminal, or with --random-password, which makes one and prints it."
    assert done.stderr.splitlines()[-1].endswith(f"CommandError: {said}")
    assert "Traceback" not in done.stderr
