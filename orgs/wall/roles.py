"""The two roles of the product: the one that it connects as, and the one that it takes on to look across orgs."""

from typing import Any, Final

from django.conf import settings
from django.db import ProgrammingError
from psycopg import errors, sql

from orgs import wall


def make_roles(cursor: Any) -> None:
    """Makes the two roles where they are missing. Raises WallError, with what an administrator has to do, where this role may not."""
    missing = _missing(cursor)
    if not missing:
        return
    try:
        cursor.execute("; ".join(missing))
        _set_password(cursor, is_new=missing[0].startswith("CREATE ROLE"))
    except ProgrammingError as error:
        if not isinstance(error.__cause__, errors.InsufficientPrivilege):
            raise
        told = "\n".join(f"    {statement};" for statement in missing)
        raise wall.WallError(
            "The tables are up to date, but the role that migrates may not make the roles that the product connects as. "
            f"Let an administrator of the server run this once, with a password where the role is to have one, and migrate again:\n{told}"
        ) from error


def _set_password(cursor: Any, *, is_new: bool) -> None:
    """The password by which DATABASE_URL logs in, given to a role that was just made."""
    password = settings.DATABASES["default"].get("PASSWORD")
    if is_new and password and settings.DATABASE_OWNER:
        cursor.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(wall.role()), sql.Literal(password)))


_ROLES: Final = """
SELECT to_regrole(quote_ident(%(app)s)) IS NULL, to_regrole(quote_ident(%(across)s)) IS NULL,
       current_setting('server_version_num')::int >= 160000
"""
_MEMBER: Final = "SELECT pg_has_role(%(app)s, %(across)s, 'MEMBER') AND NOT pg_has_role(%(app)s, %(across)s, 'USAGE')"


def _missing(cursor: Any) -> list[str]:
    """The statements that are still to be run for the roles."""
    names = {"app": wall.role(), "across": wall.role_across()}
    cursor.execute(_ROLES, names)
    no_app, no_across, by_grant = cursor.fetchone()
    made = [f'CREATE ROLE "{names["app"]}" LOGIN NOINHERIT'] if no_app else []
    made += [f'CREATE ROLE "{names["across"]}" NOLOGIN'] if no_across else []
    if not made:
        cursor.execute(_MEMBER, names)
        if cursor.fetchone()[0]:
            return []
    if not (no_app or by_grant):
        made.append(f'ALTER ROLE "{names["app"]}" NOINHERIT')
    return [*made, f'GRANT "{names["across"]}" TO "{names["app"]}"{" WITH INHERIT FALSE" if by_grant else ""}']
