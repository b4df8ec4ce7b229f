"""Why a command cannot start or go on, in one line that says what to do."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from django.core.exceptions import ImproperlyConfigured
from django.db import OperationalError


@contextmanager
def told_plainly() -> Iterator[None]:
    """Ends the process with a message where a setting makes no sense, no connection to the database can be had, or somebody pressed
    Ctrl-C."""
    try:
        yield
    except KeyboardInterrupt:
        sys.stderr.write("plumbline: interrupted\n")
        sys.exit(128 + signal.SIGINT)
    except ImproperlyConfigured as error:
        sys.exit(f"plumbline: {error}")
    except OperationalError as error:
        if not is_away(error):
            raise
        sys.exit(f"plumbline: no connection to {_database()}: {_reason(error)}. Does it run, and is DATABASE_URL right?")


def is_away(error: OperationalError) -> bool:
    """Whether it was the connection that failed: a server that answers gives each of its errors a code."""
    return getattr(error.__cause__, "sqlstate", None) is None


def _database() -> str:
    """Where the database is, without the password."""
    from django.conf import settings

    named = settings.DATABASES["default"]
    return f"the database {named.get('NAME', '')!r} at {named.get('HOST') or 'localhost'} as {named.get('USER', '')!r}"


def _reason(error: OperationalError) -> str:
    return str(error).strip().partition("\n")[0].removeprefix("connection failed: ").rstrip(".")
