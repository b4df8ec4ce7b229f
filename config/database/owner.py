"""Acting as the role that owns the tables: for migrations and the few commands that need the whole database."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import DEFAULT_DB_ALIAS, connections

from config.database.base import DatabaseWrapper
from orgs.wall import WallError


@contextmanager
def as_owner() -> Iterator[None]:
    """In this thread the database is the owner's while the block runs. Without DATABASE_OWNER_URL that is the one of DATABASE_URL."""
    before = connections[DEFAULT_DB_ALIAS]
    if before.settings_dict.get("AS_OWNER"):
        yield
        return
    before.close()
    connections[DEFAULT_DB_ALIAS] = owner_of(before.settings_dict)
    try:
        yield
    finally:
        connections[DEFAULT_DB_ALIAS].close()
        connections[DEFAULT_DB_ALIAS] = before


def owner_of(entry: dict[str, Any]) -> DatabaseWrapper:
    """A connection of the owner to the database of `entry`; not from the pool, which is the application's."""
    options = {key: value for key, value in entry["OPTIONS"].items() if key != "pool"}
    return DatabaseWrapper({**entry, **(settings.DATABASE_OWNER or {"OPTIONS": options}), "AS_OWNER": True}, DEFAULT_DB_ALIAS)


class OwnerCommand(BaseCommand):
    """Mixed into a command of Django's that reads or alters the database as a whole."""

    def execute(self, *args: Any, **options: Any) -> str | None:
        with as_owner():
            try:
                return super().execute(*args, **options)
            except WallError as error:
                raise CommandError(str(error)) from error
