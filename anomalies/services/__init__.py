"""The one way by which an anomaly comes to be, grows, ends and changes hands. Every change leaves a line of history in its transaction.

Whoever is concerned is told by `history.write_history` itself, in the same transaction: whom `Line.mentioned` names (with the comment's
text in `Line.comment`), whom the changeset's `assignees` (lists of {id, name}, before and after) adds, and who watches the anomaly.
"""

from anomalies.services.comments import Draft, comment_on, delete_comment, draft_errors, edit_comment, line_parts, write_comments
from anomalies.services.detected import Recorded, record
from anomalies.services.findings import Finding, Peak, findings_of
from anomalies.services.fingerprints import metric_fingerprint
from anomalies.services.triage import archive_anomaly, change_anomaly, close_anomaly, mark_seen
from anomalies.services.weights import metric_weight

__all__ = [
    "Draft",
    "Finding",
    "Peak",
    "Recorded",
    "archive_anomaly",
    "change_anomaly",
    "close_anomaly",
    "comment_on",
    "delete_comment",
    "draft_errors",
    "edit_comment",
    "findings_of",
    "line_parts",
    "mark_seen",
    "metric_fingerprint",
    "metric_weight",
    "record",
    "write_comments",
]
