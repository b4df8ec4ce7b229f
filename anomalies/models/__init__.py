"""The anomaly and what hangs on it, one module each."""

from anomalies.models.anomalies import Anomaly, AnomalyAssignee
from anomalies.models.bulk import BulkChange, BulkResult
from anomalies.models.checks import FailedCheck, FailedField
from anomalies.models.comments import Comment, Mention
from anomalies.models.flows import Flow, FlowEntry
from anomalies.models.history import Change
from anomalies.models.lists import ListChange
from anomalies.models.notices import Notice, NoticeSettings, Watch
from anomalies.models.sources import SourceRow, SourceTable
from anomalies.models.tags import AnomalyTag, Tag
from anomalies.models.tickets import Integration, TicketLink
from anomalies.models.views import DefaultView, SavedView

__all__ = [
    "Anomaly",
    "AnomalyAssignee",
    "AnomalyTag",
    "BulkChange",
    "BulkResult",
    "Change",
    "Comment",
    "DefaultView",
    "FailedCheck",
    "FailedField",
    "Flow",
    "FlowEntry",
    "Integration",
    "ListChange",
    "Mention",
    "Notice",
    "NoticeSettings",
    "SourceRow",
    "SourceTable",
    "SavedView",
    "Tag",
    "TicketLink",
    "Watch",
]
