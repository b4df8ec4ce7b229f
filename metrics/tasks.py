"""Background work on series and points."""

import time

from celery import shared_task

from metrics import pictures
from metrics.models import Metric


@shared_task(ignore_result=True, soft_time_limit=20, time_limit=30)
def render_chart(anomaly_id: int, org_id: int, metric_id: int, started_ms: int) -> int:
    """Pictures of an anomaly that has just opened; a series that is gone meanwhile has none. Drawing twice is drawing once."""
    metric = Metric.objects.for_org(org_id).select_related("org").filter(pk=metric_id).first()
    return 0 if metric is None else pictures.draw_opening(metric, started_ms=started_ms, now_ms=int(time.time() * 1000))
