"""Waiting until somebody else waits, where a test is about who comes first."""

import threading
from collections.abc import Callable

from django.db import connection

from orgs.models import Org
from orgs.tenancy import within
from tests.product import wait_until

WAITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


def until_somebody_waits() -> None:
    """Until another connection to the database of the tests waits for a lock."""

    def somebody_waits() -> bool:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_stat_clear_snapshot()")  # else a transaction sees only those who were there at its first look
            cursor.execute(WAITING)
            return bool(cursor.fetchone()[0])

    wait_until(somebody_waits, what="somebody waits for a lock")


def beside(org: Org, work: Callable[[], object]) -> tuple[threading.Thread, list[Exception]]:
    """`work` in a thread with a connection of its own, begun; and what it ended with."""
    ended: list[Exception] = []

    def run() -> None:
        try:
            with within(org.pk):
                work()
        except Exception as exc:  # noqa: BLE001 - told to the test
            ended.append(exc)
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    return thread, ended
