"""The one way by which an anomaly comes to be, grows, ends and changes hands. Every change leaves a line of history in its transaction.

Whoever is concerned is told by `history.write_history` itself, in the same transaction: whom `Line.mentioned` names (with the comment's
text in `Line.comment`), whom the changeset's `assignees` (lists of {id, name}, before and after) adds, and who watches the anomaly.

What people do goes through one engine, for one anomaly as for ten thousand, in a constant number of statements: `Edit` (edits.py) says
what is asked of one anomaly, `edit_anomalies` (changes.py) does many in one transaction, `edit_anomaly` and the verbs of triage.py do one.
Whether somebody may is checked by the caller. Whoever finds anomalies asks `sleep.py` whether what they found is asleep from birth.
"""

from anomalies.services.changes import edit_anomalies, examined
from anomalies.services.comments import Draft, comment_on, delete_comment, draft_errors, edit_comment, line_parts, write_comments
from anomalies.services.detected import Recorded, record
from anomalies.services.edits import Edit, Outcome, Snooze
from anomalies.services.findings import Finding, Peak, findings_of
from anomalies.services.fingerprints import metric_fingerprint
from anomalies.services.triage import (
    archive_anomaly,
    change_anomaly,
    close_anomaly,
    do_edit,
    edit_anomaly,
    mark_seen,
    restore_anomaly,
    snooze_anomaly,
    unmark_duplicate,
    wake_anomaly,
)
from anomalies.services.weights import metric_weight

__all__ = [
    "Draft",
    "Edit",
    "Finding",
    "Outcome",
    "Peak",
    "Recorded",
    "Snooze",
    "archive_anomaly",
    "change_anomaly",
    "close_anomaly",
    "comment_on",
    "delete_comment",
    "draft_errors",
    "do_edit",
    "edit_anomalies",
    "edit_anomaly",
    "edit_comment",
    "examined",
    "findings_of",
    "line_parts",
    "mark_seen",
    "metric_fingerprint",
    "metric_weight",
    "record",
    "restore_anomaly",
    "snooze_anomaly",
    "unmark_duplicate",
    "wake_anomaly",
    "write_comments",
]
