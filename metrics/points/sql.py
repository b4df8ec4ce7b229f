"""A cursor for packed columns: values bound by the server, binary both ways, in the transaction of Django's connection."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, LiteralString, cast

import psycopg
from django.db import connection
from psycopg import sql
from psycopg.rows import TupleRow

if TYPE_CHECKING:
    from config.database.base import DatabaseWrapper

BinaryCursor = psycopg.Cursor[TupleRow]

# Of a row of `metrics_fold`. A mark from the future is another cluster's, whose dump was restored here: it says nothing about this log.
IS_OUR_MARK: Final = sql.SQL("mark <= pg_snapshot_xmax(pg_current_snapshot())::text::bigint")


@contextmanager
def binary_cursor() -> Iterator[BinaryCursor]:
    """Django's own cursors send bytes as hex text inside the statement: twice the bytes and a parse, on the hottest path there is.

    Errors leave as Django's (`django.db.OperationalError` and so on). In the name of an org the block is one transaction.
    """
    with _ours().told(), untold_cursor() as cursor:
        yield cursor


@contextmanager
def untold_cursor() -> Iterator[BinaryCursor]:
    """The same for statements that say themselves in whose name they are."""
    connection.ensure_connection()
    with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as cursor:
        cursor.format = psycopg.pq.Format.BINARY
        yield cursor


def org_to_tell() -> str | None:
    """The org, where that is all that has to be said and a statement of its own may say it; else None."""
    return _ours().org_to_tell()


def _ours() -> "DatabaseWrapper":
    return cast("DatabaseWrapper", connection)


def rows(cursor: BinaryCursor, statement: LiteralString, *values: Any) -> list[TupleRow]:
    """All rows of a query, binary."""
    return cursor.execute(statement, values, binary=True).fetchall()
