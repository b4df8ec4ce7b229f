"""Secrets of an installation, made once at random and kept in its home, where the environment does not give them."""

import os
import secrets
from pathlib import Path
from typing import Final

from config.embedded.errors import NoServerError

KEY_FILES: Final = {"SECRET_KEY": "secret.key", "TOKEN_PEPPER": "pepper.key"}


def provide_keys(home: Path) -> None:
    """Writes `secret.key` and `pepper.key` (mode 600) where they are missing and not given by the environment.

    Raises NoServerError when the home cannot be written.
    """
    for variable, name in KEY_FILES.items():
        if not os.environ.get(variable, "").strip() and not os.environ.get(f"{variable}_FILE", "").strip():
            _make_once(home / name, variable)


def _make_once(path: Path, variable: str) -> None:
    if path.is_file() and path.stat().st_size:
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _write_atomically(path, secrets.token_urlsafe(48))
    except OSError as error:
        raise NoServerError(
            f"cannot write {path} ({error.strerror}). Set PLUMBLINE_HOME to a folder of yours, or set {variable}."
        ) from error


def _write_atomically(path: Path, text: str) -> None:
    """Two processes that start at once must agree: the first link wins, and nobody ever reads half a key."""
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
