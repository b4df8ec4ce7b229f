"""No process works with a database that would not keep the orgs apart from each other."""

import sys

from django.db import InterfaceError, OperationalError, connection
from psycopg_pool import PoolTimeout

from orgs.wall import WallError


def refuse_open_wall() -> None:
    """Ends the process with a message when the role that it connects as sees past the wall. To be called when a process starts.

    A database that is away says nothing: it is asked again with the first connection that it takes.
    """
    try:
        connection.ensure_connection()
    except WallError as error:
        sys.exit(f"plumbline: {error}")
    except (OperationalError, InterfaceError, PoolTimeout):
        return
    finally:
        connection.close()
        connection.close_pool()  # type: ignore[attr-defined]  # PostgreSQL's has it. Its threads must not be alive when a process forks
