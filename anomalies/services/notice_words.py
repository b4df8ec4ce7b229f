"""What a notice says in one sentence."""

from typing import Final

from anomalies.models import Notice
from anomalies.services.changesets import told

# Parts of the system as people know them.
ACTORS: Final = {"detector": "The detector", "scan": "A scan", "flow": "A housekeeping flow", "snooze": "The end of its snooze"}


def who_did(notice: Notice) -> str:
    """The person, or the part of the system; somebody who left is "Somebody"."""
    if notice.by is not None:
        return str(notice.by)
    return "Somebody" if notice.actor == "user" else ACTORS.get(notice.actor, "Plumbline")


def headline(notice: Notice) -> str:
    """ "Alice Lee acknowledged it, tagged it High"; without a full stop. Wants `by` selected."""
    who = who_did(notice)
    match notice.kind:
        case Notice.Kind.MENTIONED:
            return f"{who} mentioned you"
        case Notice.Kind.ASSIGNED:
            return f"{who} assigned it to you"
        case _ if notice.changes > 1:
            return f"{notice.changes} changes, the last by {who}: {what_changed(notice)}"
        case _:
            return f"{who} {what_changed(notice)}"


def what_changed(notice: Notice) -> str:
    """Short even when much has changed."""
    words = [text for text, _ in told(notice.changeset)]
    return ", ".join(words[:4]) + (f" and {len(words) - 4} more" if len(words) > 4 else "")
