"""Servers of the test session's own: a fresh home in the temporary folder, gone when the session is, however it ends."""

import atexit
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from config.embedded import ensure_servers, stop_servers
from config.embedded.keys import provide_keys
from config.environment import BASE_DIR
from config.supervisor import end_leftovers

OURS = "plumbline-test-"


def provide_session_servers() -> None:
    """Starts them, once per session or worker of pytest-xdist.

    A database of its own would not be enough for a worker: readers of the log wait for open transactions anywhere in the cluster.
    """
    os.environ.setdefault("NUMBA_CACHE_DIR", str(BASE_DIR / ".cache/numba"))  # compiled once per version, not per session
    if os.environ.get("PYTEST_XDIST_WORKER") and OURS in os.environ.get("PLUMBLINE_HOME", ""):
        for inherited in ("DATABASE_URL", "DATABASE_OWNER_URL", "REDIS_URL"):
            os.environ.pop(inherited, None)
    home = Path(tempfile.mkdtemp(prefix=OURS))
    home.chmod(0o755)  # the account of the servers must be able to enter when the tests run as root
    os.environ["PLUMBLINE_HOME"] = str(home)
    atexit.register(reap_later(home).communicate)
    provide_keys(home)
    (home / "staticfiles").mkdir()
    ensure_servers(home, durable=False)
    # Rows of many orgs are made by the owner; what is tested acts as the product's role (tests/acting.py).
    os.environ["DATABASE_URL"] = os.environ.pop("DATABASE_OWNER_URL")


def reap_later(home: Path) -> subprocess.Popen[bytes]:
    """Starts the process that outlives this one and clears up when its pipe is closed: by `communicate`, or by our end, whatever it is."""
    command = [sys.executable, "-m", "tests.servers", str(home)]
    return subprocess.Popen(command, cwd=BASE_DIR, stdin=subprocess.PIPE, start_new_session=True)


def main() -> None:
    home = Path(sys.argv[1])
    sys.stdin.read()
    end_leftovers(str(home))
    stop_servers(home)
    shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    main()
