"""What the reader of an anomaly's page may do there, and for everything else the reason why not: it is shown, disabled, with it."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from accounts.models import Level, User
from accounts.permissions import PERMISSIONS, has_role, is_held_back, level_needed
from anomalies.models import Anomaly
from datastores.levels import may_at_all
from datastores.models import Datastore

# By the word that templates use: the operation, and whether it needs the anomaly to be open.
ACTS: Final = MappingProxyType(
    {
        "change": ("anomaly.update", True),
        "describe": ("anomaly.describe", True),
        "archive": ("anomaly.archive", False),
        "restore": ("anomaly.restore", False),
        "snooze": ("anomaly.snooze", True),
        "comment": ("comment.create", True),
        "watch": ("anomaly.watch", False),
        "ticket": ("ticket_link.manage", True),
        "history": ("anomaly.history", False),
        "comments": ("comment.read", False),
        "tickets": ("ticket_link.read", False),
        "rows": ("source_record.read", False),
        "unmask": ("source_record.unmask", False),
    }
)
RESTORE_FIRST: Final = "It is archived: restore it first."
DEMO: Final = "Visitors of the demo look at everything and change nothing."


def refusals_of(user: User, anomaly: Anomaly) -> Mapping[str, str]:
    """Why not, by the words of ACTS and `new_tag`; what is allowed is not in it. At most two queries."""
    datastore = Datastore.objects.with_level_of(user).get(pk=anomaly.datastore_id)
    level = getattr(datastore, "level", None) or Level.REPORTER
    found = {word: refusal(user, anomaly, operation, level) for word, (operation, _) in ACTS.items()}
    if anomaly.is_archived:
        found |= {word: found[word] or RESTORE_FIRST for word, (_, needs_open) in ACTS.items() if needs_open}
    if not may_at_all(user, "tag.manage"):
        found["new_tag"] = "Making a tag needs the role Manager, or Editor on a datastore."
    return MappingProxyType({word: reason for word, reason in found.items() if reason})


def refusal(user: User, anomaly: Anomaly, operation: str, level: int) -> str:
    need = PERMISSIONS[operation]
    if user.is_demo and need.writes:
        return DEMO
    if is_held_back(user, operation):
        return "Operators who act as somebody cannot do this."
    if not has_role(user, operation):
        return f"This needs the role {need.role.label}."
    needed = level_needed(operation)
    return "" if level >= needed else f"This needs the level {Level(needed).label} on {anomaly.datastore}."
