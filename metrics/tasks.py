"""Background work on series and points. Housekeeping finds what is due and hands every org its own, so a large one delays no small one."""

from typing import Final

from celery import shared_task
from django.utils import timezone

from metrics import health, pictures
from metrics.charts import Span
from metrics.ingest import imports
from metrics.models import Metric
from metrics.points import partitions
from metrics.points.families import FAMILIES, Family
from metrics.points.fold import due_days, due_orgs, fold_all, fold_days
from orgs.moments import unix_ms
from orgs.services import org_ids
from orgs.tenancy import home_of, within

# Housekeeping finds again what no worker took until it looks again: so work does not pile up while workers are busy or away.
_NEXT_S: Final = 60
# Then other work has its turn: imports and all other work share a few processes.
IMPORT_BUDGET_S: Final = 30.0


@shared_task
def fold() -> int:
    """Every minute: one task per org and log that has unfolded rows."""
    due = [(org_id, family.id) for family in FAMILIES for org_id in due_orgs(family)]
    for org_id, family_id in due:
        fold_org.apply_async((org_id, family_id), expires=_NEXT_S)
    return len(due)


@shared_task
def fold_org(org_id: int, family_id: int) -> int:
    """Leaves the org to a fold that is already at it."""
    with within(org_id):
        return fold_all(org_id, _family(family_id), wait=False)


@shared_task
def fold_day() -> int:
    """Each night: hour chunks of ended days become day chunks, org by org."""
    due = [(org_id, family.id) for family in FAMILIES for org_id in due_days(family)]
    for org_id, family_id in due:
        fold_org_days.delay(org_id, family_id)
    return len(due)


@shared_task
def fold_org_days(org_id: int, family_id: int) -> int:
    with within(org_id):
        return fold_days(org_id, _family(family_id))


@shared_task
def check_health() -> int:
    """Every minute: one task per org, so that one that fails or takes long leaves the others theirs."""
    due = org_ids()
    for org_id in due:
        check_health_of.apply_async((org_id,), expires=_NEXT_S)
    return len(due)


@shared_task
def check_health_of(org_id: int) -> bool:
    """Admin alerts about what stopped and whose quota is exceeded, and how far the org has come."""
    with within(org_id):
        return health.check(org_id, now=timezone.now())


@shared_task
def make_partitions() -> None:
    partitions.make_ahead()


@shared_task
def drop_expired() -> int:
    """Each night, after the fold of the day. The number of partitions dropped."""
    return len(partitions.drop_expired())


@shared_task(time_limit=300, soft_time_limit=280)
def run_import(operation_id: int) -> None:
    """Reads a spooled file; a second run does nothing twice, and what takes long goes on in another task, behind what waits."""
    if imports.run(operation_id, budget_s=IMPORT_BUDGET_S):
        run_import.apply_async((operation_id,), retry=False)


@shared_task
def resume_imports() -> int:
    """Imports whose task was lost, with its worker or with the broker's memory, go on where they were."""
    imports.clean_up()
    waiting = imports.unfinished()
    for operation_id in waiting:
        run_import.apply_async((operation_id,), expires=_NEXT_S)
    return len(waiting)


def _family(family_id: int) -> Family:
    return next(family for family in FAMILIES if family.id == family_id)


@shared_task(ignore_result=True, soft_time_limit=20, time_limit=30)
def render_chart(metric_id: int, started_ms: int, peak_ms: int) -> None:
    """Pictures of an anomaly that has just opened; a series that is gone meanwhile has none. Drawing twice is drawing once."""
    with home_of(Metric, id=metric_id):
        metric = Metric.objects.select_related("org").filter(pk=metric_id).first()
        if metric is not None:
            pictures.draw_opening(metric, Span(started_ms, None, peak_ms), now_ms=unix_ms(timezone.now()))
