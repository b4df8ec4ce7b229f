"""An anomaly as it is drawn on the picture of its series."""

from anomalies.models import Anomaly
from metrics.charts import Span
from orgs.moments import unix_ms


def span_of(anomaly: Anomaly) -> Span:
    """The excursion of an anomaly of type metric."""
    return Span(unix_ms(anomaly.started_at) or 0, unix_ms(anomaly.ended_at), unix_ms(anomaly.peak_at))
