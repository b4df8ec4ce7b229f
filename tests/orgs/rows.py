"""A row of two orgs in every table of the product, whatever its columns: so that a table which is new is tested without a word."""

import itertools
from dataclasses import dataclass

from django.db import connection

from orgs.wall import EXEMPT, SHARED
from orgs.wall.building import Table, tables_of

_numbers = itertools.count(10_000)
_COLUMNS = """
SELECT a.attname, t.typname, greatest(a.atttypmod - 4, 0), a.attnotnull FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
 WHERE a.attrelid = %s::regclass AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '' ORDER BY a.attnum
"""
_VALUES = {
    "bool": "false", "bytea": "decode(lpad(to_hex({n}), 8, '0'), 'hex')", "date": "'2000-01-01'::date + {n}", "float8": "{n}",
    "inet": "'10.0.0.1'::inet + {n}", "int2": "{n}", "int4": "{n}", "int8": "{n}", "interval": "'1 s'", "json": "'{{}}'", "jsonb": "'{{}}'",
    "numeric": "{n}", "text": "'{n}'", "time": "'12:00'", "timestamptz": "'2000-01-01'::timestamptz + {n} * interval '1 s'",
    "uuid": "gen_random_uuid()", "varchar": "'{n}'",
}  # fmt: skip


@dataclass(frozen=True)
class Pair:
    """A table with a row that belongs to the one org and a row that belongs to the other, known by their places on disk."""

    table: str
    mine: str
    theirs: str


def walled_tables() -> list[Table]:
    """The tables that hold rows of orgs, parents before those that hang on them."""
    with connection.cursor() as cursor:
        found = [table for table in tables_of(cursor) if table.name not in EXEMPT and table.name not in SHARED]
    return sorted(found, key=lambda table: (table.name != "orgs_org", "org_id" not in table.columns))


def fill(orgs: tuple[int, int]) -> list[Pair]:
    """Rows in every table; the checks of their columns and their foreign keys are off for the rest of the transaction."""
    made: dict[tuple[str, int], dict[str, str]] = {}
    pairs = []
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        _take_everything(cursor)
        for table in walled_tables():
            places = [_insert(cursor, table, org, made) for org in orgs]
            pairs.append(Pair(table.name, *places))
    return pairs


def _take_everything(cursor) -> None:
    """Drops checks, and gives every partitioned table a partition for whatever comes."""
    cursor.execute(
        "SELECT conrelid::regclass::text, conname FROM pg_constraint WHERE contype = 'c' AND connamespace = 'public'::regnamespace"
    )
    for table, name in cursor.fetchall():
        cursor.execute(f'ALTER TABLE {table} DROP CONSTRAINT IF EXISTS "{name}"')
    cursor.execute("SELECT relname FROM pg_class WHERE relkind = 'p' AND relnamespace = 'public'::regnamespace")
    for (table,) in cursor.fetchall():
        cursor.execute(f"CREATE TABLE {table}_rest PARTITION OF {table} DEFAULT")


def _insert(cursor, table: Table, org: int, made: dict[tuple[str, int], dict[str, str]]) -> str:
    cursor.execute(_COLUMNS, [table.name])
    parents = {column: (target, key) for column, target, key in table.references}
    row = {}
    for column, kind, limit, is_required in cursor.fetchall():
        target, key = parents.get(column, ("", ""))
        if column == "org_id" or (table.name, column) == ("orgs_org", "id"):
            row[column] = str(org)
        elif (target, org) in made and is_required:
            row[column] = made[target, org][key]
        elif is_required or column == "id":
            row[column] = _value(kind, limit)
    made[table.name, org] = row
    names = ", ".join(f'"{name}"' for name in row)
    conflict = "ON CONFLICT (id) DO UPDATE SET id = EXCLUDED.id" if table.name == "orgs_org" else ""
    cursor.execute(
        f"INSERT INTO {table.name} ({names}) VALUES ({', '.join(row.values())}) {conflict} RETURNING tableoid::text || ctid::text"
    )
    return cursor.fetchone()[0]


def _value(kind: str, limit: int) -> str:
    """Something that the type takes, another one each time where it can be."""
    if kind.startswith("_"):
        return "'{}'"
    value = _VALUES[kind].format(n=next(_numbers))
    return f"right({value}, {limit})" if kind == "varchar" and limit else value
