"""Which account the private servers run as. PostgreSQL refuses to run as root, so root hands over to an unprivileged one."""

import os
import pwd
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Account:
    """The account of the servers; `drop` is false when it is simply the caller's own."""

    uid: int
    gid: int
    drop: bool

    @classmethod
    def for_servers(cls) -> "Account":
        if os.geteuid() != 0:
            return cls(os.geteuid(), os.getegid(), drop=False)
        for name in ("postgres", "nobody"):
            try:
                entry = pwd.getpwnam(name)
            except KeyError:
                continue
            return cls(entry.pw_uid, entry.pw_gid, drop=True)
        return cls(65534, 65534, drop=True)

    def run(self, *command: str | Path, timeout_s: float = 300) -> subprocess.CompletedProcess[str]:
        """Runs to the end as this account; the result carries output and exit code, a failure raises nothing."""
        identity: dict[str, Any] = {"user": self.uid, "group": self.gid, "extra_groups": []} if self.drop else {}
        return subprocess.run(
            [str(part) for part in command],
            capture_output=True, text=True, cwd="/", stdin=subprocess.DEVNULL, timeout=timeout_s, check=False,
            umask=0o077, env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"}, **identity,
        )  # fmt: skip

    def can_read(self, path: Path) -> bool:
        """Whether this account can get at the file or enter the folder, all parents included."""
        return not self.drop or self.run("/bin/sh", "-c", 'test -x "$0"', path).returncode == 0

    def own(self, path: Path) -> None:
        if self.drop:
            os.chown(path, self.uid, self.gid)

    def own_tree(self, root: Path) -> None:
        for folder, _, files in os.walk(root):
            for path in (Path(folder), *(Path(folder, name) for name in files)):
                if self.drop and not path.is_symlink():
                    os.chown(path, self.uid, self.gid)
