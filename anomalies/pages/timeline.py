"""An anomaly's history in words."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from anomalies.models import Anomaly, Change

FIELDS: Final = {"peak_value": "peak", "score": "score", "weight": "weight", "ended_at": "end"}


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


def told(changeset: dict[str, Sequence[Any]]) -> Iterator[tuple[str, str]]:
    """What a changeset says, in sentences without a subject, each with the text it set."""
    for field, (before, after) in changeset.items():
        match field:
            case "status":
                yield STATUS_WORDS.get((before in Anomaly.ARCHIVED, after), f"{before} to {after}"), ""
            case "description":
                yield ("described it" if after else "took the description away"), str(after or "")
            case "ended_at":
                yield ("over" if after else "began again"), ""
            case "comment":
                yield comment_words(before, after)
            case "message":
                yield "now says", str(after)
            case _:
                yield f"{FIELDS.get(field, field.replace('_', ' '))} {in_words(before)} to {in_words(after)}", ""


def comment_words(before: dict[str, Any] | None, after: dict[str, Any] | None) -> tuple[str, str]:
    if after is None:
        return "deleted a comment", ""
    return ("commented" if before is None else "changed a comment"), str(after["message"])


STATUS_WORDS: Final = {
    (False, Anomaly.Status.ACKNOWLEDGED): "acknowledged it",
    (False, Anomaly.Status.ACTIVE): "made it active again",
    (True, Anomaly.Status.ACKNOWLEDGED): "restored it",
    (False, Anomaly.Status.RESOLVED): "archived it as resolved",
    (False, Anomaly.Status.DUPLICATE): "archived it as a duplicate",
    (False, Anomaly.Status.INVALID): "archived it as invalid",
    (False, Anomaly.Status.DISCARDED): "discarded it",
}


def in_words(value: object) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, float):
        return f"{value:,.4g}"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
