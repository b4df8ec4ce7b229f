"""Statements that are asked all day: Django writes them once, and PostgreSQL plans them once per connection.

Writing a query takes Django longer than answering it takes PostgreSQL, and planning one takes as long as running it. They are prepared with
PREPARE and called with EXECUTE, in one message with what the transaction is told (`config.database.base`). With DATABASE_PREPARE off they
are sent as they are.
"""

import hashlib
import re
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from typing import Any, Final, Generic, TypeVar, cast

import orjson
from django.conf import settings
from django.db import connection
from django.db.models import Model, QuerySet
from django.db.models.query import ModelIterable, get_related_populators

from config.database.base import DatabaseWrapper
from orgs import tenancy

Row = TypeVar("Row")
PREPARED: Final = "plumbline_prepared"
COUNTED: Final = "SELECT count(*) FROM ({rows}) AS counted"
NAMED: Final = re.compile(r"%\((\w+)\)s")


def packed(rows: Sequence[Mapping[str, Any]]) -> str:
    """The rows as JSON, for `json_to_recordset`."""
    return orjson.dumps(rows).decode()


class Statement:
    """SQL with `%s` for each of its values, or with `%(name)s`; casts tell the types where nothing else does."""

    def __init__(self, text: str) -> None:
        names = list(dict.fromkeys(NAMED.findall(text)))
        places = [f"%({name})s" for name in names] or ["%s"] * text.replace("%%", "").count("%s")
        numbers = [f"${number}" for number in range(1, len(places) + 1)]
        planned = text % (dict(zip(names, numbers, strict=True)) if names else tuple(numbers))
        self.text = text
        self.name = f"plumbline_{hashlib.blake2b(text.encode(), digest_size=12).hexdigest()}"
        self.preparation = f"PREPARE {self.name} AS {planned}"
        self.call = f"EXECUTE {self.name}" + (f"({', '.join(places)})" if places else "")

    def run(self, *values: Any, **named: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute(self.ready(), named or values)

    def rows(self, *values: Any, **named: Any) -> list[tuple[Any, ...]]:
        with connection.cursor() as cursor:
            cursor.execute(self.ready(), named or values)
            return cast("list[tuple[Any, ...]]", cursor.fetchall())

    def ready(self) -> str:
        """What is to be sent; the connection knows the statement from now on. No transaction takes that back."""
        if not settings.DATABASE_PREPARE:
            return self.text
        wrapper = _wrapper()
        wrapper.ensure_connection()
        known: set[str] = vars(wrapper.connection).setdefault(PREPARED, set())
        if self.name not in known:
            with wrapper.wrap_database_errors:
                wrapper.connection.execute(self.preparation)
            known.add(self.name)
        return self.call


class Query(Generic[Row]):
    """A queryset whose values alone differ from call to call.

    `build` gets an example of each value, by its name, and makes the queryset. Each example must be found in the query, and nothing else
    may be equal to it; that of an array is a list. Yields instances with what `select_related` asks for, or the tuples of `values_list`.
    """

    def __init__(self, build: Callable[..., QuerySet[Any, Row]], **examples: Any) -> None:
        self.build, self.examples = build, examples
        self._written: _Written | None = None
        self._counted: Statement | None = None

    def all(self, **values: Any) -> list[Row]:
        written = self._write()
        return list(written.made(written.statement.rows(*written.order(values))))

    def first(self, **values: Any) -> Row | None:
        return next(iter(self.all(**values)), None)

    def count(self, **values: Any) -> int:
        """How many rows, up to the limit of the query."""
        written = self._write()
        if self._counted is None:
            self._counted = Statement(COUNTED.format(rows=written.statement.text))
        ((count,),) = self._counted.rows(*written.order(values))
        return int(count)

    def first_at_home(self, model: type[Model], column: str, **values: Any) -> Row | None:
        """Asked in the name of the org of the row of `model` that has the value of this name in this column, in one round trip."""
        written = self._write()
        row = tenancy.first_row(written.statement.ready(), written.order(values), model, **{column: values[column]})
        return None if row is None else next(written.made([row]))

    def sql(self, **values: Any) -> tuple[str, list[Any]]:
        """To be a part of another statement."""
        written = self._write()
        return written.statement.text, written.order(values)

    def _write(self) -> "_Written":
        if self._written is None:
            self._written = _Written(self.build(**self.examples), self.examples)
        return self._written


class _Written:
    """The SQL of a queryset, and how its rows become what it yields."""

    def __init__(self, queryset: QuerySet[Any, Any], examples: dict[str, Any]) -> None:
        self.compiler = queryset.query.get_compiler(using=connection.alias)
        text, params = self.compiler.as_sql()
        self.statement = Statement(text)
        names = {_comparable(value): name for name, value in examples.items()}
        plain = [getattr(param, "obj", param) for param in params]
        # A value of the query itself, which is no example, stays what it is.
        self.places = [(names.get(_comparable(param)), param) for param in plain]
        assert {name for name, _ in self.places if name} == set(examples), text  # noqa: S101 - the programmer's mistake
        self.converters = self.compiler.get_converters([column for column, *_ in self.compiler.select])
        self.is_model = queryset._iterable_class is ModelIterable

    def order(self, values: dict[str, Any]) -> list[Any]:
        return [values[name] if name else param for name, param in self.places]

    def made(self, rows: Sequence[tuple[Any, ...]]) -> Iterator[Any]:
        converted = self.compiler.apply_converters(rows, self.converters) if self.converters else rows
        return self._instances(converted) if self.is_model else iter(converted)

    def _instances(self, rows: Any) -> Iterator[Model]:
        info, select = self.compiler.klass_info, self.compiler.select
        start, end = info["select_fields"][0], info["select_fields"][-1] + 1
        names = [column[0].target.attname for column in select[start:end]]
        related = get_related_populators(info, select, connection.alias)  # type: ignore[call-arg]  # the stubs are of a later Django
        for row in rows:
            made = info["model"].from_db(connection.alias, names, row[start:end])
            for populator in related:
                populator.populate(row, made)
            yield made


def _comparable(value: Any) -> Hashable:
    if isinstance(value, list):
        return tuple(value)
    return value if isinstance(value, Hashable) else None


def _wrapper() -> DatabaseWrapper:
    return cast("DatabaseWrapper", connection)
