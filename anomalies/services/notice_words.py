"""What a notice says in one sentence."""

from typing import Final

from django.utils.text import Truncator

from accounts.models import User
from anomalies.models import Change, Notice
from anomalies.services.changesets import told

# Parts of the system as people know them.
ACTORS: Final = {"detector": "The detector", "scan": "A scan", "flow": "A housekeeping flow", "snooze": "The end of its snooze"}
WORDS_SHOWN: Final = 4
NAME_LENGTH: Final = 200  # the longest that a person may have


def who(person: User | None, actor: str) -> str:
    """The person, or the part of the system; somebody who left is "Somebody"."""
    if person is not None:
        return str(person)
    return "Somebody" if actor == "user" else ACTORS.get(actor, "Plumbline")


def who_in(change: Change) -> str:
    """Wants `user` selected."""
    return who(change.user, change.actor)


def headline(notice: Notice, *, name_length: int = NAME_LENGTH) -> str:
    """ "Alice Lee acknowledged it, tagged it High"; without a full stop. A longer name is cut. Wants `by` selected."""
    person = Truncator(who(notice.by, notice.actor)).chars(name_length)
    match notice.kind:
        case Notice.Kind.MENTIONED:
            return f"{person} mentioned you"
        case Notice.Kind.ASSIGNED:
            return f"{person} assigned it to you"
        case _ if notice.changes > 1:
            return f"{notice.changes} changes, the last by {person}" + (f": {words}" if (words := what_changed(notice)) else "")
        case _:
            return f"{person} {what_changed(notice)}"


def what_changed(notice: Notice) -> str:
    """Short even when much has changed."""
    words = [text for text, _ in told(notice.changeset)]
    return ", ".join(words[:WORDS_SHOWN]) + (f" and {len(words) - WORDS_SHOWN} more" if len(words) > WORDS_SHOWN else "")
