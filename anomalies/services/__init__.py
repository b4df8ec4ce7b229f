"""The one way by which an anomaly comes to be, grows, ends and changes hands. Every change leaves a line of history in its transaction.

Whoever is concerned is told by `history.write_history` itself, in the same transaction: whom `Line.mentioned` names (with the comment's
text in `Line.comment`), whom the changeset's `assignees` (lists of {id, name}, before and after) adds, and who watches the anomaly.

What people do goes through one engine, for one anomaly as for ten thousand, in a constant number of statements: `Edit` (edits.py) says
what is asked of one anomaly, `edit_anomalies` (changes.py) does many in one transaction, `edit_anomaly` and the verbs of triage.py do one.
Whether somebody may is checked by the caller. Whoever finds anomalies asks `sleep.py` whether what they found is asleep from birth.

found in series   loop.py (one step of a shard), findings.py (what its verdicts say), detected.py (what becomes of that), wording.py,
                  weights.py, fingerprints.py; resharding.py, retention.py
found in tables   scans/
changed           edits.py (what is asked), states.py (the anomalies, locked), plans.py (what an edit makes of one, pure), changes.py (does
                  it), triage.py (verbs for one); archived.py, comments.py, tags.py, tickets.py
many at once      bulk.py, undo.py, flows.py (housekeeping)
told              history.py, changesets.py (in words); notices.py, notice_words.py, notice_mails.py, following.py
looked at         facets.py, insights.py, saved_views.py, sources.py (the rows behind one)
of a whole org    org_export.py, erasing.py
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
