"""The anomaly and what hangs on it, one module each."""

from anomalies.models.anomalies import Anomaly, Change, FailedCheck, Tag
from anomalies.models.notices import Notice, NoticeSettings, Watch

__all__ = ["Anomaly", "Change", "FailedCheck", "Notice", "NoticeSettings", "Tag", "Watch"]
