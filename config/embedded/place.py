"""Where the private servers of a home keep their data and their sockets."""

import fcntl
import hashlib
import os
import re
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from config.embedded.account import Account
from config.embedded.errors import NoServerError

# A Unix socket's path holds at most 107 bytes; the longest name put into the folder is ".s.PGSQL.5432.lock".
LONGEST_SOCKET_FOLDER: Final = 107 - len("/.s.PGSQL.5432.lock")
# libpq splits host names at commas and URLs need quoting: a folder of plain characters spares every client that.
PLAIN_PATH: Final = re.compile(r"[A-Za-z0-9_./-]+")


@dataclass(frozen=True)
class Place:
    """`data` outlives reboots; `sockets` is short, plainly named and closed to all but the servers' account and root."""

    home: Path
    data: Path
    sockets: Path
    account: Account

    @classmethod
    def for_home(cls, home: Path) -> "Place":
        """Makes the folders where they are missing. Raises NoServerError when that cannot be."""
        account = Account.for_servers()
        try:
            home.mkdir(parents=True, exist_ok=True)
            data = home if account.can_read(home) else _data_elsewhere(home)
            return cls(home, data, _socket_folder(data, account), account)
        except OSError as error:
            raise NoServerError(
                f"cannot use {error.filename or home} ({error.strerror}). Set PLUMBLINE_HOME to a folder of yours."
            ) from error

    @contextmanager
    def locked(self) -> Iterator[None]:
        """One process at a time starts or stops servers; the kernel frees the lock of a process that was killed."""
        with open(self.home / "servers.lock", "w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def _digest(home: Path) -> str:
    return hashlib.sha256(os.fsencode(home)).hexdigest()[:12]


def _data_elsewhere(home: Path) -> Path:
    """For root in a folder that the servers' account cannot enter, such as /root: a folder of the system's state."""
    data = Path("/var/lib/plumbline") / _digest(home)
    data.mkdir(parents=True, exist_ok=True, mode=0o755)
    return data


def _socket_folder(data: Path, account: Account) -> Path:
    near = data / "s"
    if len(os.fsencode(near)) <= LONGEST_SOCKET_FOLDER and PLAIN_PATH.fullmatch(str(near)):
        return _private_folder(near, account)
    name = f"plumbline-{os.geteuid()}-{_digest(data)}"
    candidates = [Path(root) / name for root in (tempfile.gettempdir(), "/tmp")]  # noqa: S108  the folder's owner and mode are checked
    return _private_folder(next(path for path in candidates if len(os.fsencode(path)) <= LONGEST_SOCKET_FOLDER), account)


def _private_folder(path: Path, account: Account) -> Path:
    """The folder, made with mode 700. Raises NoServerError when somebody else has put something there first."""
    try:
        path.mkdir(mode=0o700)
        account.own(path)
    except FileExistsError:
        found = path.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid not in {os.geteuid(), account.uid} or found.st_mode & 0o077:
            raise NoServerError(f"{path} is not a private folder of ours (mode 700). Remove it, or set PLUMBLINE_HOME.") from None
        account.own(path)
    return path
