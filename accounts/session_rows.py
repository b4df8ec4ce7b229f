"""A session's row, its person and their org, found together: every request of a person begins with it.

The services come with them, which `/user/info` tells: to ask for them by themselves takes as long as all the rest.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from itertools import islice
from typing import Any, Final, TypeVar

from django.db import connection
from django.db.models import Model

from accounts.models import Session, User
from config.database.prepared import Statement
from orgs import tenancy
from orgs.models import Org

Found = TypeVar("Found", bound=Model)
MODELS: Final[tuple[type[Model], ...]] = (Session, User, Org)
_FROM: Final = """
     , ARRAY(SELECT DISTINCT service FROM orgs_channel WHERE org_id = orgs_org.id)
  FROM accounts_session
  JOIN accounts_user ON accounts_user.id = accounts_session.user_id
  JOIN orgs_org ON orgs_org.id = accounts_user.org_id
 WHERE accounts_session.session_key = %s AND accounts_session.expire_date > %s
"""


@dataclass(frozen=True)
class LiveRow:
    """A session with its `user` and that one's `org` loaded, and the services in which the org has channels."""

    session: Session
    services: frozenset[str]


def live_row(key: str, *, now: datetime) -> LiveRow | None:
    """The row with this stored key; None for one that has ended. One round trip."""
    row = tenancy.first_row(_statement().ready(), [key, now], Session, session_key=key)
    if row is None:
        return None
    values = iter(row)
    session, person, org = _made(Session, values), _made(User, values), _made(Org, values)
    session.user, person.org = person, org
    return LiveRow(session, frozenset(next(values)))


@cache
def _statement() -> Statement:
    columns = [f'"{model._meta.db_table}"."{field.column}"' for model in MODELS for field in model._meta.concrete_fields]
    return Statement(f"SELECT {', '.join(columns)} {_FROM}")  # noqa: S608 - names of our models


def _made(model: type[Found], values: Iterator[Any]) -> Found:
    """A model of the next values, as many as it has columns."""
    names, conversions = _fields(model)
    own = list(islice(values, len(names)))
    for place, convert in conversions:
        own[place] = convert(own[place])
    return model.from_db(connection.alias, names, own)


@cache
def _fields(model: type[Model]) -> tuple[list[str], list[tuple[int, Callable[[Any], Any]]]]:
    """The names of a model's columns, and what has to be done with the values of which of them."""
    fields = model._meta.concrete_fields
    columns = [field.get_col(model._meta.db_table) for field in fields]
    found = [(place, column, converter) for place, column in enumerate(columns) for converter in column.get_db_converters(connection)]
    return [field.attname for field in fields], [(place, _conversion(column, converter)) for place, column, converter in found]


def _conversion(column: Any, converter: Callable[..., Any]) -> Callable[[Any], Any]:
    return lambda value: converter(value, column, connection)
