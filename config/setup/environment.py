"""Makes the virtual environment `.venv` and brings it to what the lock says. Standard library only: nothing is installed yet.

The index, its mirrors and certificates are those that pip is configured with (pip.conf, PIP_*); uv's own settings (UV_*) come first.
"""

import fcntl
import hashlib
import os
import subprocess
import sys
import venv
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
VENV: Final = ROOT / ".venv"
PYTHON: Final = VENV / "bin" / "python"
STAMP: Final = VENV / ".installed"
LOCKS: Final = {"run": ROOT / "requirements.lock", "dev": ROOT / "requirements-dev.lock"}
# What pip calls it in its configuration, and the variable by which uv is told the same.
PIP_TO_UV: Final = {"index-url": "UV_DEFAULT_INDEX", "extra-index-url": "UV_INDEX", "find-links": "UV_FIND_LINKS", "cert": "SSL_CERT_FILE"}


def wanted_stamp(kind: str) -> str:
    return f"{kind} {hashlib.sha256(LOCKS[kind].read_bytes()).hexdigest()}"


def installed_kind() -> str | None:
    """Which lock the environment holds as it stands; None when it must be brought up to date."""
    stamp = STAMP.read_text() if STAMP.is_file() else ""
    return next((kind for kind in LOCKS if stamp == wanted_stamp(kind)), None)


def pip_settings() -> dict[str, str]:
    """pip's configuration under the names that pip gives it; a variable of the environment wins over a file, as it does for pip."""
    listed = subprocess.run([PYTHON, "-m", "pip", "config", "list"], capture_output=True, text=True, check=False)
    settings: dict[str, str] = {}
    for line in sorted(listed.stdout.splitlines(), key=lambda line: (":env:" in line, "install." in line)):
        name, _, value = line.partition("=")
        settings[name.rpartition(".")[2]] = " ".join(value.strip("'\"").replace("\\n", " ").split())
    return settings


def uv_environment() -> dict[str, str]:
    found = pip_settings()
    told = {variable: found[name] for name, variable in PIP_TO_UV.items() if name in found}
    # Every file is checked against its hash in the lock, so the order of indexes is no matter of trust.
    return {"UV_INDEX_STRATEGY": "unsafe-best-match", "UV_PYTHON_DOWNLOADS": "never", **told, **os.environ}


def run(*command: str | Path, environment: dict[str, str] | None = None) -> bool:
    return subprocess.run([str(part) for part in command], cwd=ROOT, env=environment, check=False).returncode == 0


def install(kind: str) -> None:
    """By uv, ten times as fast; by pip where uv cannot be had or fails. Exits when neither works."""
    pip: list[str | Path] = [PYTHON, "-m", "pip", "--disable-pip-version-check", "-qq"]
    if run(*pip, "install", "--require-hashes", "-r", ROOT / "requirements-setup.lock"):
        uv: list[str | Path] = [VENV / "bin" / "uv", "--quiet", "pip", "sync", "--python", PYTHON, "--require-hashes", LOCKS[kind]]
        if run(*uv, environment=uv_environment()):
            return
    say("uv did not do it; trying pip, which takes a minute")
    if not run(*pip, "install", "--require-hashes", "-r", LOCKS[kind]):
        sys.exit("plumbline: the packages could not be installed. Is a package index within reach (pip config list)?")


def say(words: str) -> None:
    sys.stderr.write(f"plumbline: {words}\n")


def main() -> None:
    kind = sys.argv[1] if len(sys.argv) > 1 else "run"
    with open(ROOT / ".setup.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if installed_kind() in {kind, "dev"}:
            return
        if not PYTHON.exists():
            say(f"making {VENV.relative_to(ROOT)} with Python {sys.version.split()[0]}")
            venv.create(VENV, with_pip=True, clear=VENV.exists())
        say(f"installing the packages of {LOCKS[kind].name}")
        install(kind)
        STAMP.write_text(wanted_stamp(kind))


if __name__ == "__main__":
    main()
