"""Whether the wall stands before the role that is connected. A process that could look past it does not work at all."""

from typing import Any, Final

from orgs import wall

# The role, whether it (or the one that it acts as) is a superuser or bypasses policies, and whether it has the rights of the one that
# looks across orgs without asking.
_ROLE: Final = """
SELECT session_user::text, bool_or(rolsuper), bool_or(rolbypassrls),
       coalesce(pg_has_role(session_user, to_regrole(quote_ident(%s))::oid, 'USAGE'), false)
  FROM pg_roles WHERE rolname IN (session_user, current_user)
"""
_TABLES: Final = """
SELECT c.relname, pg_has_role(session_user, c.relowner, 'MEMBER'), c.relrowsecurity OR c.relispartition
  FROM pg_class c
 WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p')
   AND EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'org_id' AND NOT a.attisdropped)
 ORDER BY c.relname
"""
ADVICE: Final = """\
To do: put the address of the role that owns the tables into DATABASE_OWNER_URL, which only migrations use; let DATABASE_URL name a role
of its own, such as postgresql://plumbline_app:…@host/plumbline; run `manage.py migrate`, which makes that role and its rights; start again.
See docs/tenancy.md."""
_NAMED: Final = 3


def check(connection: Any) -> None:
    """Raises WallError, with what is wrong and what to do, when the connected role sees more than the rows of one org."""
    with connection.cursor() as cursor:
        found = breaches(cursor)
    if found:
        reasons = "\n".join(f"  - {reason}" for reason in found)
        raise wall.WallError(f"The database would not keep the orgs apart, so nothing is done with it:\n{reasons}\n{ADVICE}")


def breaches(cursor: Any) -> list[str]:
    """What is wrong with the connected role or with the tables, a sentence each."""
    cursor.execute(_ROLE, [wall.role_across()])
    role, is_superuser, bypasses, inherits = cursor.fetchone()
    if is_superuser:
        return [f'DATABASE_URL connects as "{role}", a superuser: no policy holds for it.']
    if bypasses:
        return [f'DATABASE_URL connects as "{role}", which has BYPASSRLS: no policy holds for it.']
    cursor.execute(_TABLES)
    tables = cursor.fetchall()
    owned, open_ = [name for name, is_owned, _ in tables if is_owned], [name for name, _, is_walled in tables if not is_walled]
    found = [f'DATABASE_URL connects as "{role}", which owns {_some(owned)}: no policy holds for it.'] if owned else []
    found += [f'"{role}" inherits the rights of "{wall.role_across()}": it would always look across orgs.'] if inherits else []
    return found + ([f"Without row-level security: {_some(open_)}. `manage.py migrate` sees to it."] if open_ else [])


def _some(names: list[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more tables" if more > 0 else "")
