"""Erasing closed orgs: the heavy part in small transactions, since a long one holds back every reader of the log; then what is left."""

from datetime import datetime
from typing import Final

from django.db import connection, transaction

from anomalies.models import Anomaly
from datastores.closing import GRACE
from metrics.models import Metric
from metrics.points.families import FAMILIES
from orgs.models import Event, Org
from orgs.tenancy import Reason, across, within

AT_ONCE: Final = 2_000
LOGGED: Final = tuple(table for family in FAMILIES for table in (family.log, family.hour, family.day))


def due(*, now: datetime) -> list[int]:
    """Orgs that were closed long enough ago."""
    with across(Reason.UPKEEP):
        return list(Org.objects.filter(closed__lt=now - GRACE).values_list("pk", flat=True))


def erase(org_id: int) -> None:
    """Erases an org with all that is its. Cut off, it goes on where it was. Refused by the database for an org that is not due."""
    with within(org_id):
        for table in LOGGED:
            while _erase_points(table, org_id):
                pass
        for model in (Anomaly, Metric, Event):
            while chunk := list(model._default_manager.filter(org=org_id).order_by("pk").values_list("pk", flat=True)[:AT_ONCE]):
                model._default_manager.filter(pk__in=chunk).delete()
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT plumbline_erase_org(%s)", [org_id])


def _erase_points(table: str, org_id: int) -> bool:
    """Whether there was anything left."""
    some = f"SELECT ctid, tableoid FROM {table} WHERE org_id = %s LIMIT {AT_ONCE}"  # noqa: S608 - names of our tables
    with connection.cursor() as cursor:
        cursor.execute(
            f"DELETE FROM {table} t USING ({some}) s WHERE t.ctid = s.ctid AND t.tableoid = s.tableoid AND t.org_id = %s",  # noqa: S608
            [org_id, org_id],
        )
        return bool(cursor.rowcount)
