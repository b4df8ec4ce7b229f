"""The anomaly and what hangs on it, one module each."""

from anomalies.models.anomalies import Anomaly, Change, FailedCheck, Tag
from anomalies.models.comments import Comment, Mention
from anomalies.models.notices import Notice, NoticeSettings, Watch

__all__ = ["Anomaly", "Change", "Comment", "FailedCheck", "Mention", "Notice", "NoticeSettings", "Tag", "Watch"]
