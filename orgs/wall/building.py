"""Builds the wall: roles, grants, policies, the functions that find an org. What is right already is left alone, so nothing is locked."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from django.apps import apps
from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from orgs import wall
from orgs.tenancy import Reason, finder
from orgs.wall.roles import make_roles

_LOCK: Final = 0x77616C6C
_LOCK_TIMEOUT: Final = "2s"
_MARK: Final = "plumbline "
_EVERYTHING: Final = ("DELETE", "INSERT", "SELECT", "UPDATE")
# In a subquery, so that it is looked up once per statement and not once per row.
_ORG: Final = "(SELECT nullif(current_setting('plumbline.org', true), '')::bigint)"
_REASON: Final = "(SELECT current_setting('plumbline.across', true))"

_TABLES: Final = """
SELECT c.relname, c.relrowsecurity,
       ARRAY(SELECT attname::text FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped),
       ARRAY(SELECT ARRAY[a.attname, f.relname, b.attname]::text[] FROM pg_constraint k
               JOIN pg_class f ON f.oid = k.confrelid
               JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = k.conkey[1]
               JOIN pg_attribute b ON b.attrelid = k.confrelid AND b.attnum = k.confkey[1]
              WHERE k.conrelid = c.oid AND k.contype = 'f' AND cardinality(k.conkey) = 1 ORDER BY a.attnum),
       (SELECT coalesce(json_object_agg(polname, obj_description(oid, 'pg_policy')), '{}') FROM pg_policy WHERE polrelid = c.oid)
  FROM pg_class c
 WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
   AND pg_has_role(c.relowner, 'USAGE')
 ORDER BY c.relname
"""
_GRANTED: Final = """
SELECT c.relname, g.rolname, array_agg(a.privilege_type::text ORDER BY a.privilege_type)
  FROM pg_class c CROSS JOIN LATERAL aclexplode(c.relacl) a JOIN pg_roles g ON g.oid = a.grantee
 WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p') AND g.rolname = ANY(%s)
 GROUP BY c.relname, g.rolname
"""
_FUNCTIONS: Final = """
SELECT p.oid::regprocedure::text, obj_description(p.oid, 'pg_proc'),
       has_function_privilege(%s, p.oid, 'EXECUTE') AND has_function_privilege(%s, p.oid, 'EXECUTE')
       AND NOT EXISTS (SELECT FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a WHERE a.grantee = 0)
  FROM pg_proc p
 WHERE p.pronamespace = current_schema()::regnamespace AND p.prosecdef AND pg_has_role(p.proowner, 'USAGE')
"""


@dataclass(frozen=True)
class Table:
    """A table of ours as it is: `references` are (column, table, column) of its foreign keys, `policies` what was made of ours by name."""

    name: str
    is_walled: bool
    columns: frozenset[str]
    references: tuple[tuple[str, str, str], ...]
    policies: Mapping[str, str]


def build(connection: BaseDatabaseWrapper) -> None:
    """Brings roles, grants, policies and functions to what they should be for the tables that there are. Raises WallError."""
    with _alone(connection) as cursor:
        make_roles(cursor)
        tables = tables_of(cursor)
        shown = rules_of(tables)
        for table in tables:
            _bring(cursor, table, policies_of(table.name, shown.get(table.name)))
        _grant_tables(cursor, tables)
        _make_finders(cursor, tables)
        _grant_functions(cursor)


@contextmanager
def _alone(connection: BaseDatabaseWrapper) -> Iterator[Any]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [_LOCK])
        try:
            yield cursor
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [_LOCK])


def tables_of(cursor: Any) -> list[Table]:
    """The tables of our apps, without partitions: those are reached through their parents alone."""
    ours = {model._meta.db_table for model in apps.get_models(include_auto_created=True, include_swapped=True)}
    prefixes = tuple(f"{config.label}_" for config in apps.get_app_configs())
    cursor.execute(_TABLES)
    found = [row for row in cursor.fetchall() if row[0] in ours or row[0].startswith(prefixes) or row[0] in wall.EXEMPT]
    return [
        Table(name, is_walled, frozenset(columns), tuple((a, b, c) for a, b, c in references), _ours(policies))
        for name, is_walled, columns, references, policies in found
    ]


def _ours(policies: Mapping[str, str | None]) -> dict[str, str]:
    """Policies that somebody else has made are left alone."""
    return {name: note for name, note in policies.items() if note and note.startswith(_MARK)}


def rules_of(tables: Sequence[Table]) -> dict[str, str | None]:
    """By table that is behind the wall, which rows belong to the org that asks, as an expression; None: no row does."""
    rules: dict[str, str | None] = {}
    waiting = [table for table in tables if table.name not in wall.EXEMPT]
    for table in [*waiting]:
        if table.name == "orgs_org" or "org_id" in table.columns:
            rules[table.name] = f"{'id' if table.name == 'orgs_org' else 'org_id'} = {_ORG}"
            waiting.remove(table)
    while reachable := [table for table in waiting if _parent(table, rules) is not None]:
        for table in reachable:
            rules[table.name] = _parent(table, rules)
            waiting.remove(table)
    return rules | dict.fromkeys((table.name for table in waiting), None)


def _parent(table: Table, rules: Mapping[str, str | None]) -> str | None:
    """A row without an org of its own goes with the row that its first foreign key into a walled table names."""
    for column, target, key in table.references:
        if target in rules and table.name not in wall.SHARED:
            return f'EXISTS (SELECT FROM "{target}" AS parent WHERE parent."{key}" = "{table.name}"."{column}")'
    return None


def policies_of(table: str, rule: str | None) -> dict[str, str]:
    """The policies of a table by name, as what follows CREATE POLICY; none for one that is exempt."""
    if table in wall.EXEMPT:
        return {}
    app, across = f'"{wall.role()}"', f'"{wall.role_across()}"'
    made = {"own_org": f'ON "{table}" TO {app} USING ({rule})'} if rule else {}
    made[str(Reason.OPERATORS)] = f"ON \"{table}\" TO {across} USING ({_REASON} = '{Reason.OPERATORS}')"
    for opening in (one for one in wall.OPENINGS if one.table == table):
        condition = f"{_REASON} = '{opening.reason}' AND {opening.where}"
        for command in opening.commands:
            clause = f"WITH CHECK ({condition})" if command == "INSERT" else f"USING ({condition})"
            made[f"{opening.reason}_{command.lower()}"] = f'ON "{table}" FOR {command} TO {across} {clause}'
    return made


def digest(text: str) -> str:
    return _MARK + hashlib.sha256(text.encode()).hexdigest()[:16]


def _bring(cursor: Any, table: Table, wanted: Mapping[str, str]) -> None:
    notes = {name: digest(made) for name, made in wanted.items()}
    if notes == table.policies and table.is_walled == bool(wanted):
        return
    stale = [name for name, note in table.policies.items() if notes.get(name) != note]
    statements = [f'DROP POLICY "{name}" ON "{table.name}"' for name in stale]
    for name, made in wanted.items():
        if table.policies.get(name) != notes[name]:
            statements += [f'CREATE POLICY "{name}" {made}', f'COMMENT ON POLICY "{name}" ON "{table.name}" IS \'{notes[name]}\'']
    statements.append(f'ALTER TABLE "{table.name}" {"ENABLE" if wanted else "DISABLE"} ROW LEVEL SECURITY')
    with transaction.atomic(using=cursor.db.alias):
        cursor.execute(f"SET LOCAL lock_timeout = '{_LOCK_TIMEOUT}'")
        cursor.execute("; ".join(statements))


def privileges_of(table: str) -> tuple[str, ...]:
    if table in wall.READ_ONLY:
        return ("SELECT",)
    return ("INSERT", "SELECT") if table in wall.APPEND_ONLY else _EVERYTHING


def _grant_tables(cursor: Any, tables: Sequence[Table]) -> None:
    roles = [wall.role(), wall.role_across()]
    cursor.execute(_GRANTED, [roles])
    granted = {(table, role): tuple(privileges) for table, role, privileges in cursor.fetchall()}
    for table in tables:
        wanted = privileges_of(table.name)
        for role in (one for one in roles if granted.get((table.name, one)) != wanted):
            cursor.execute(f'REVOKE ALL ON "{table.name}" FROM "{role}"; GRANT {", ".join(wanted)} ON "{table.name}" TO "{role}"')
    both = ", ".join(f'"{role}"' for role in roles)
    for name in [table.name for table in tables if wall.APPEND_ONLY.get(table.name)]:
        columns = ", ".join(f'"{column}"' for column in wall.APPEND_ONLY[name])
        cursor.execute(f'GRANT UPDATE ({columns}) ON "{name}" TO {both}')
    cursor.execute(f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA {_schema(cursor)} TO {both}")


def _schema(cursor: Any) -> str:
    cursor.execute("SELECT quote_ident(current_schema())")
    return str(cursor.fetchone()[0])


_TYPE: Final = "SELECT format_type(atttypid, NULL) FROM pg_attribute WHERE attrelid = %s::regclass AND attname = %s"
_FINDER: Final = """
CREATE OR REPLACE FUNCTION "{name}"(wanted {type}) RETURNS bigint LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = {schema}, pg_temp AS $$ BEGIN RETURN (SELECT {org} FROM "{table}" WHERE "{column}" = wanted); END $$
"""


def _make_finders(cursor: Any, tables: Sequence[Table]) -> None:
    schema, known = _schema(cursor), {table.name: table for table in tables}
    cursor.execute(_FUNCTIONS, [wall.role(), wall.role_across()])
    notes = {signature.partition("(")[0].strip('"'): note for signature, note, _ in cursor.fetchall()}
    wanted = [(known[name], column) for name, columns in wall.FOUND_BY.items() if name in known for column in columns]
    for table, column in wanted:
        cursor.execute(_TYPE, [table.name, column])
        kind, name = cursor.fetchone()[0], finder(table.name, column)
        body = _FINDER.format(name=name, type=kind, schema=schema, org=_org_of(table, known), table=table.name, column=column)
        if notes.get(name) != digest(body):
            cursor.execute(f'DROP FUNCTION IF EXISTS "{name}"; {body}; COMMENT ON FUNCTION "{name}" IS \'{digest(body)}\'')


def _org_of(table: Table, known: Mapping[str, Table]) -> str:
    """The org of a row of this table, which may be that of the row that it hangs on, as an expression."""
    if table.name == "orgs_org" or "org_id" in table.columns:
        return "id" if table.name == "orgs_org" else "org_id"
    column, target, key = next(reference for reference in table.references if "org_id" in known[reference[1]].columns)
    return f'(SELECT org_id FROM "{target}" WHERE "{target}"."{key}" = "{table.name}"."{column}")'  # noqa: S608 - names of our tables


def _grant_functions(cursor: Any) -> None:
    """What runs with the owner's rights may be called by the product, and by nobody else."""
    both = f'"{wall.role()}", "{wall.role_across()}"'
    cursor.execute(_FUNCTIONS, [wall.role(), wall.role_across()])
    for signature in [signature for signature, _, is_right in cursor.fetchall() if not is_right]:
        cursor.execute(f"REVOKE ALL ON FUNCTION {signature} FROM PUBLIC; GRANT EXECUTE ON FUNCTION {signature} TO {both}")
