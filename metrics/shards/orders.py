"""What people ask of a series' detector. The worker of its shard obeys with its next step, within seconds."""

from metrics.models import DetectionOrder, Metric


def order_relearn(metric: Metric) -> None:
    """Makes the detector take the series' present level as normal ("this is the new normal")."""
    DetectionOrder.objects.create(metric_id=metric.pk, op=DetectionOrder.Op.RELEARN)


def order_rebuild(metric: Metric) -> None:
    """Makes the detector forget the series and learn it anew from its stored points. Anomalies stay as they are."""
    DetectionOrder.objects.create(metric_id=metric.pk, op=DetectionOrder.Op.REBUILD)


def set_sensitivity(metric: Metric, *, sensitivity: str) -> None:
    """Stores it; a trigger of the database tells the detector. Raises ValueError for a word that is no sensitivity."""
    metric.sensitivity = Metric.Sensitivity(sensitivity)
    metric.save(update_fields=["sensitivity"])
