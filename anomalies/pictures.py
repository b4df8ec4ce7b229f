"""An anomaly as it is drawn on the picture of its series."""

from datetime import datetime

from anomalies.models import Anomaly
from metrics.charts import Span


def span_of(anomaly: Anomaly) -> Span:
    """The excursion of an anomaly of type metric."""
    return Span(_millis(anomaly.started_at) or 0, _millis(anomaly.ended_at), _millis(anomaly.peak_at))


def _millis(at: datetime | None) -> int | None:
    return None if at is None else round(at.timestamp() * 1000)
