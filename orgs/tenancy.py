"""In whose name the database is asked. PostgreSQL shows every transaction the rows of one org and of no other (docs/tenancy.md).

Every filter by org in the product could be forgotten; this is the wall behind them. The scope is told to the database with each
transaction (`config/database/`), so it can leak through no pool. Without one, no row of any org is to be seen. `orgs/wall.py` lists
everything that reaches past the wall.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, cast

from django.db import connection
from django.db.models import Model


class Reason(StrEnum):
    """Why somebody looks across orgs; each opens a few tables only (`orgs.wall.OPENINGS`)."""

    OPERATORS = "operators"  # the operators' admin, which is there to see every org
    DETECTION = "detection"  # a shard reads the log of all orgs, and writes what it learned of their series
    UPKEEP = "upkeep"  # the clock looks for what is due, and writes nothing
    USAGE = "usage"  # the clock counts what every org uses of its quota, and notes it
    AGE = "age"  # the clock forgets what is older than it is kept
    POST = "post"  # mail that belongs to no org, such as that for an address of which nobody knows whose it is
    PAYMENTS = "payments"  # what the payment provider says, before it is known of whom
    VISITORS = "visitors"  # which demo orgs there are
    BROWSERS = "browsers"  # whether any org lets a page's origin read, before anybody says who they are


@dataclass(frozen=True)
class Scope:
    """One org, or a reason to look across all, or neither."""

    org_id: int | None = None
    reason: Reason | None = None


NOWHERE: Final = Scope()
_scope: ContextVar[Scope] = ContextVar("plumbline_scope", default=NOWHERE)


def scope() -> Scope:
    """In whose name the next statement is sent."""
    return _scope.get()


@contextmanager
def resumed(held: Scope) -> Iterator[None]:
    """Goes on in a scope that was held before."""
    before = _scope.get()
    _scope.set(held)
    try:
        yield
    finally:
        # Not by a token: a generator may be closed in another context than the one that it was begun in.
        _scope.set(before)


@contextmanager
def within(org_id: int) -> Iterator[None]:
    """Everything in the block is asked in the name of this org. Also a decorator, as the other two."""
    with resumed(Scope(org_id=org_id)):
        yield


@contextmanager
def across(reason: Reason) -> Iterator[None]:
    """The block looks across orgs, as far as `orgs.wall.OPENINGS` allows for this reason."""
    with resumed(Scope(reason=reason)):
        yield


@contextmanager
def apart() -> Iterator[None]:
    """The block begins in the name of nobody, whatever holds outside: a request, a task."""
    with resumed(NOWHERE):
        yield


@contextmanager
def home_of(model: type[Model], **found_by: Any) -> Iterator[int | None]:
    """The block is asked in the name of the org of this row, as `org_of` finds it; in nobody's name if there is none."""
    org_id = org_of(model, **found_by)
    with resumed(Scope(org_id=org_id)):
        yield org_id


def enter(org_id: int) -> None:
    """The rest of the request or task is done in the name of this org; whoever calls has been recognised."""
    _scope.set(Scope(org_id=org_id))


def enter_across(reason: Reason) -> None:
    """The rest of the request looks across orgs."""
    _scope.set(Scope(reason=reason))


def org_of(model: type[Model], **found_by: Any) -> int | None:
    """The org of the one row with this value, `org_of(User, email=...)`; None if there is none. Whatever the scope.

    It tells the number of the org and nothing else. Only for the columns in `orgs.wall.FOUND_BY`.
    """
    ((name, value),) = found_by.items()
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {finder(model._meta.db_table, name)}(%s)", [value])  # noqa: S608 - names of our models
        found: int | None = cursor.fetchone()[0]
    return found


def first_row(statement: str, params: Sequence[Any], model: type[Model], **found_by: Any) -> tuple[Any, ...] | None:
    """The first row of a SELECT, asked in the name of the org of the row of `model` with this value; whatever the scope.

    The org is found and told in the same round trip. Only for the columns in `orgs.wall.FOUND_BY`.
    """
    ((name, value),) = found_by.items()
    home = f"SELECT set_config('plumbline.org', coalesce({finder(model._meta.db_table, name)}(%s)::text, ''), true)"
    with apart(), connection.cursor() as cursor:
        cursor.execute(f"{home}; {statement}", [value, *params])
        cursor.nextset()
        connection.forget_told()  # type: ignore[attr-defined]  # that of `config.database`
        return cast("tuple[Any, ...] | None", cursor.fetchone())


def finder(table: str, column: str) -> str:
    """The name of the database's function that tells the org of a row."""
    return f"org_of_{table}_by_{column}"
