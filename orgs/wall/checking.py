"""Whether the wall stands before the role that is connected. A process that could look past it does not work at all."""

from typing import Any, Final

from orgs import wall
from orgs.tenancy import apart

# The role, and whether it (or the one that it acts as) is a superuser or bypasses policies.
_ROLE: Final = """
SELECT session_user::text, bool_or(rolsuper), bool_or(rolbypassrls) FROM pg_roles WHERE rolname IN (session_user, current_user)
"""
# A role that looks across orgs, whose rights the connected one has without asking; and whether policies are made for the connected one.
_POLICIES: Final = """
SELECT min(r.role::regrole::text) FILTER (WHERE p.polname = 'operators'), coalesce(bool_or(p.polname = 'own_org'), false)
  FROM pg_policy p CROSS JOIN LATERAL unnest(p.polroles) AS r (role) WHERE r.role <> 0 AND pg_has_role(session_user, r.role, 'USAGE')
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
    with apart(), connection.cursor() as cursor:
        found = breaches(cursor)
    if found:
        reasons = "\n".join(f"  - {reason}" for reason in found)
        raise wall.WallError(f"The database would not keep the orgs apart, so nothing is done with it:\n{reasons}\n{ADVICE}")


def breaches(cursor: Any) -> list[str]:
    """What is wrong with the connected role or with the tables, a sentence each."""
    cursor.execute(_ROLE)
    role, is_superuser, bypasses = cursor.fetchone()
    if is_superuser:
        return [f'DATABASE_URL connects as "{role}", a superuser: no policy holds for it.']
    if bypasses:
        return [f'DATABASE_URL connects as "{role}", which has BYPASSRLS: no policy holds for it.']
    cursor.execute(_TABLES)
    tables = cursor.fetchall()
    owned, open_ = [name for name, is_owned, _ in tables if is_owned], [name for name, _, is_walled in tables if not is_walled]
    found = [f'DATABASE_URL connects as "{role}", which owns {_some(owned)}: no policy holds for it.'] if owned else []
    found += [f"Without row-level security: {_some(open_)}. `manage.py migrate` sees to it."] if open_ else []
    cursor.execute(_POLICIES)
    inherited, is_known = cursor.fetchone()
    found += [f'"{role}" inherits the rights of "{inherited}": it would always look across orgs.'] if inherited else []
    if tables and not found and not is_known:
        found.append(f'No policy is made for "{role}", so it would see nothing: `manage.py migrate` has not been run for it.')
    return found


def _some(names: list[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more tables" if more > 0 else "")
