"""An anomaly's history in words."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from anomalies.models import Anomaly, Change
from anomalies.services.changesets import told


@dataclass(frozen=True)
class Entry:
    """One line: who (empty for the system), what they did, and a longer text if there is one."""

    at: datetime
    text: str
    kind: str
    who: str = ""
    initials: str = ""
    quote: str = ""


def timeline(anomaly: Anomaly, changes: Iterable[Change]) -> tuple[Entry, ...]:
    """The history, oldest first, beginning with the detection. Wants `user` selected."""
    score = f", score {anomaly.score:.0f}" if anomaly.score is not None else ""
    history = " in imported history" if anomaly.is_backfilled else ""
    opened = Entry(anomaly.created, f"Opened by the detector{history}{score}", "opened")
    return (opened, *(entry for change in changes for entry in entries_of(change)))


def entries_of(change: Change) -> Iterator[Entry]:
    """One line per thing that the change did; none for the opening, which has its own."""
    if "status" in change.changeset and change.changeset["status"][0] is None:
        return
    who = str(change.user) if change.user else ""
    initials = change.user.initials if change.user else ""
    kind = "person" if change.user else "system"
    for text, quote in told(change.changeset):
        yield Entry(change.timestamp, text, kind, who, initials, quote)
