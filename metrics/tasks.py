"""Background work on series and points."""

import time

from celery import shared_task

from metrics import pictures
from metrics.models import Metric


@shared_task(ignore_result=True, soft_time_limit=20, time_limit=30)
def render_chart(metric_id: int, started_ms: int, peak_ms: int) -> None:
    """Pictures of an anomaly that has just opened; a series that is gone meanwhile has none. Drawing twice is drawing once."""
    metric = Metric.objects.select_related("org").filter(pk=metric_id).first()
    if metric is not None:
        pictures.draw_opening(metric, pictures.Span(started_ms, None, peak_ms), now_ms=int(time.time() * 1000))
