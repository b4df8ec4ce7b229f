"""The connection that Django makes: every transaction on it begins by saying whose rows it may see.

What is said holds until the transaction ends (`SET LOCAL`), so the next user of a pooled connection inherits nothing. It travels in one
message with the first statement that needs it and costs no round trip; a statement outside a transaction block is one transaction with it.
"""

import select
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from typing import Any, Final
from weakref import WeakKeyDictionary

import psycopg
from django.db import transaction
from django.db.backends.postgresql import base
from psycopg import sql
from psycopg.pq import TransactionStatus

from orgs import tenancy, wall
from orgs.wall.checking import check

Execute = Callable[[Any, Any, bool, dict[str, Any]], Any]
# Of the role, to be the one that logged in.
ITSELF: Final = "none"


@dataclass(frozen=True)
class Told:
    """What a transaction knows: the role that it acts as, the org, the reason to look across orgs."""

    role: str = ITSELF
    org: str = ""
    across: str = ""


SETTINGS: Final = ("role", "plumbline.org", "plumbline.across")
UNTOLD: Final = Told()
_checked: set[str] = set()  # aliases of this process; roles do not change under a running one
# Differs from everything: what was told may have been taken back.
UNKNOWN: Final = Told("?", "?", "?")
# A connection that answered so lately is not asked again before it is used, unless its socket has news.
ASKED_AGAIN_S: Final = 10.0
_heard: WeakKeyDictionary[psycopg.Connection, float] = WeakKeyDictionary()


def is_alive(connection: psycopg.Connection) -> bool:
    """Whether a connection that waited in the pool still works. What it is asked begins no transaction, however it was let go.

    A server that has ended has closed it, which the socket tells without a round trip; of one that went away without a word this is
    found out after ASKED_AGAIN_S. Closes what does not work.
    """
    now, heard = time.monotonic(), _heard.get(connection, 0.0)
    if now - heard < ASKED_AGAIN_S and not _has_news(connection):
        return True
    try:
        connection.autocommit = True
        connection.execute("")
    except psycopg.Error:
        connection.close()
        return False
    _heard[connection] = now
    return True


def _has_news(connection: psycopg.Connection) -> bool:
    """Whether something came on the connection although nothing was asked: its end, or a notice."""
    news = select.poll()
    news.register(connection.fileno(), select.POLLIN)
    return bool(news.poll(0))


class DatabaseWrapper(base.DatabaseWrapper):
    """`home_role` is the role of the product's own statements: the one that logged in, unless a test that is the owner sets another."""

    home_role = ITSELF

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._told = UNTOLD
        self.execute_wrappers.append(self._in_scope)

    def connect(self) -> None:
        """Raises WallError where the database would not keep the orgs apart, but for the owner, who migrates."""
        super().connect()
        if self.alias in _checked or self.settings_dict.get("AS_OWNER"):
            return
        try:
            check(self)
        except BaseException:
            self.close()
            raise
        _checked.add(self.alias)

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """From the pool one that works; it replaces those that do not."""
        while True:
            found, is_good = super().get_new_connection(conn_params), not self.pool
            try:
                is_good = is_good or is_alive(found)
            finally:
                if not is_good:
                    self.pool.putconn(found)
            if is_good:
                return found

    @contextmanager
    def told(self) -> Iterator[None]:
        """For cursors of psycopg's own, which are not watched: the block is one transaction that knows the scope, if there is any."""
        self.ensure_connection()
        if not self._untold():
            yield
        elif self.in_atomic_block:
            self._tell()
            yield
        else:
            with transaction.atomic(using=self.alias):
                self._tell()
                yield

    def forget_told(self) -> None:
        """A statement has told the running transaction something by itself."""
        if self.connection.pgconn.transaction_status != TransactionStatus.IDLE:
            self._told = UNKNOWN

    def org_to_tell(self) -> str | None:
        """The org, where no transaction is open and nothing but the org has to be told; else None."""
        wanted = self._wanted()
        return wanted.org if wanted == Told(org=wanted.org) and not self.in_atomic_block else None

    def _in_scope(self, execute: Execute, statement: Any, params: Any, many: bool, context: dict[str, Any]) -> Any:  # noqa: FBT001
        untold = self._untold()
        if not untold:
            return execute(statement, params, many, context)
        cursor = context["cursor"].cursor
        if many or isinstance(cursor, psycopg.ServerCursor):
            with self.told():
                return execute(statement, params, many, context)
        found = execute(_joined(untold, statement), params, many, context)
        for _ in untold:
            cursor.nextset()
        self._note()
        return found

    def _untold(self) -> list[str]:
        """The statements by which the running transaction, or the one that begins now, learns what it has not been told."""
        status = self.connection.pgconn.transaction_status
        if status == TransactionStatus.IDLE:
            self._told = UNTOLD
        wanted = self._wanted()
        if wanted == self._told or status == TransactionStatus.INERROR:
            return []
        known = zip(SETTINGS, astuple(wanted), astuple(self._told), strict=True)
        return [f"SET LOCAL {name} = '{value}'" for name, value, before in known if value != before]

    def _wanted(self) -> Told:
        scope = tenancy.scope()
        role = self.home_role if scope.reason is None else self._role_across()
        return Told(role, "" if scope.org_id is None else str(int(scope.org_id)), scope.reason or "")

    def _role_across(self) -> str:
        """That of the role that is connected, or of the product's where the owner acts as it."""
        return wall.role_across("" if self.settings_dict.get("AS_OWNER") else self.connection.info.user).replace("'", "''")

    def _tell(self) -> None:
        with self.cursor() as cursor:
            cursor.execute("SELECT")

    def _note(self) -> None:
        if self.connection.pgconn.transaction_status != TransactionStatus.IDLE:
            self._told = self._wanted()

    def _savepoint_rollback(self, sid: str) -> None:
        super()._savepoint_rollback(sid)  # type: ignore[misc]  # django-stubs leave it out
        self._told = UNKNOWN

    def _rollback(self) -> None:
        self._told = UNTOLD
        super()._rollback()  # type: ignore[misc]  # private to Django, so not in the stubs

    def _commit(self) -> None:
        self._told = UNTOLD
        super()._commit()  # type: ignore[misc]  # private to Django, so not in the stubs


def _joined(untold: list[str], statement: Any) -> Any:
    before = "; ".join([*untold, ""])
    return sql.SQL(before) + statement if isinstance(statement, sql.Composable) else before + statement
