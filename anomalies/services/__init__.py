"""The one way by which an anomaly comes to be, grows, ends and changes hands. Every change leaves a line of history in its transaction.

Whoever is concerned is told by `history.write_history` itself, in the same transaction: whom `Line.mentioned` names (with the comment's
text in `Line.comment`), whom the changeset's `assignees` (lists of {id, name}, before and after) adds, and who watches the anomaly.

`changes.py` is the engine of all that people do, for one anomaly as for ten thousand, in a constant number of statements:

    Edit(anomaly_id, *, status=None, description=None, tags=None, tags_add=(), tags_remove=(), assignees=None, assignees_add=(),
         assignees_remove=(), duplicate_of=None, comment="", mentioned=(), snooze=None, wake=False, remove=False)
        What one call asks of one anomaly; None leaves a part as it is. `status` is one of the six: an open one changes or restores, a
        reason archives or classifies anew. Tags are names, assignees ids of users, `snooze` a `Snooze`, `remove` the deletion for good.
    edit_anomalies(org_id, edits, *, user, actor=USER, strict=True) -> Outcome
        Locks the anomalies in order of id, does all edits under one transaction id, writes one `Change` per anomaly that changed.
        Whether `user` may is checked by the caller, whether the anomalies' state and the values allow it, here. `strict`: all or nothing,
        raises Invalid with the FieldErrors of all edits that cannot be done; otherwise those are left out, and `Outcome.refused` has them.
    Outcome(transaction_id, changed, refused)
        `changed`: ids in order; `refused`: {place in edits: its FieldErrors}.

`triage.py` says the same of one anomaly, in verbs: change_anomaly, archive_anomaly, restore_anomaly, remove_anomaly, snooze_anomaly,
wake_anomaly, mark_duplicate, unmark_duplicate, close_anomaly, mark_seen.
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
