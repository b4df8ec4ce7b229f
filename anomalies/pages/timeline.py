"""What happened to an anomaly and what people said about it, in one line of time."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from django.db.models import QuerySet

from accounts.models import User
from accounts.permissions import is_theirs
from anomalies.models import Anomaly, Change, Comment
from anomalies.services.changesets import told
from anomalies.services.notice_words import who, who_in
from orgs.moments import iso_exact

# Of changes, and of comments: a stretch of the timeline has at most so many of each.
ENTRIES_SHOWN: Final = 100


@dataclass(frozen=True)
class Said:
    """A comment: its text with mentions as they were typed, and what the reader may do with it."""

    id: int
    message: str
    is_edited: bool
    is_deleted: bool
    may_edit: bool
    may_delete: bool


@dataclass(frozen=True)
class Entry:
    """One line: who did it (a person, or the part of the system by its name), what they did, and a longer text or a comment."""

    at: datetime
    text: str
    kind: str
    who: str = ""
    initials: str = ""
    quote: str = ""
    said: Said | None = None


@dataclass(frozen=True)
class Stretch:
    """Lines without a gap, oldest first. `earlier` is what `timeline` must say in an address for those before; "" where it begins."""

    entries: tuple[Entry, ...]
    earlier: str
    is_newest: bool


def until_of(text: str) -> datetime | None:
    """The end of the stretch that an address asks for; None, which is now, for what is no moment with a zone."""
    try:
        asked = datetime.fromisoformat(text)
        return asked.astimezone(UTC) if asked.tzinfo else None
    except (ValueError, OverflowError):
        return None


def newest(rows: "QuerySet[Any]", *, by: str, until: datetime | None) -> tuple[Any, ...]:
    """The first so many, the newest first, of those up to `until`."""
    up_to = rows.filter(**{f"{by}__lte": until}) if until else rows
    return tuple(up_to.order_by(f"-{by}", "-pk")[:ENTRIES_SHOWN])


def timeline(
    anomaly: Anomaly,
    changes: Sequence[Change],
    comments: Sequence[Comment] = (),
    *,
    reader: User,
    until: datetime | None = None,
    may_write: bool = False,
) -> Stretch:
    """Wants the newest of both up to `until`, newest first, `user` selected, and of comments `deleted_by`. Begins with the detection."""
    cut = cut_of([change.timestamp for change in changes], [comment.created for comment in comments])
    said = [(change.actor, pair[1]) for change in changes if (pair := change.changeset.get("comment"))]
    actors = {comment["id"]: actor for actor, comment in said if comment}
    lines = [entry for change in reversed(changes) for entry in entries_of(change)]
    lines += [comment_entry(one, reader, actor=actors.get(one.pk, "user"), may_write=may_write) for one in reversed(comments)]
    known = sorted((entry for entry in lines if cut is None or entry.at > cut), key=lambda entry: entry.at)
    beginning = (opening(anomaly),) if cut is None else ()
    return Stretch((*beginning, *known), iso_exact(cut) if cut else "", is_newest=until is None)


def cut_of(*moments: Sequence[datetime]) -> datetime | None:
    """Up to when not everything was read: where there is more of the one, the other's older ones wait for it."""
    return max((some[-1] for some in moments if len(some) == ENTRIES_SHOWN), default=None)


def opening(anomaly: Anomaly) -> Entry:
    finder = "the detector" if anomaly.type == Anomaly.Type.METRIC else "a scan"
    score = f", score {anomaly.score:.0f}" if anomaly.score is not None else ""
    history = " in imported history" if anomaly.is_backfilled else ""
    return Entry(anomaly.created, f"Opened by {finder}{history}{score}", "opened")


def entries_of(change: Change) -> Iterator[Entry]:
    """One line per thing that the change did; none for the opening and for comments, which have their own."""
    if "status" in change.changeset and change.changeset["status"][0] is None:
        return
    initials = change.user.initials if change.user else ""
    kind = "person" if change.user else "system"
    rest = {field: pair for field, pair in change.changeset.items() if field != "comment"}
    for text, quote in told(rest):
        yield Entry(change.timestamp, text, kind, who_in(change), initials, quote)


def comment_entry(comment: Comment, reader: User, *, actor: str, may_write: bool) -> Entry:
    """A deleted comment keeps its place and loses its words. `actor` is who left it, where that was no person."""
    writer = who(comment.user, actor)
    initials = comment.user.initials if comment.user else ""
    kind = "person" if comment.user else "system"
    if comment.deleted is not None:
        by = who(comment.deleted_by, "user")
        text = "deleted their comment" if comment.deleted_by_id == comment.user_id else f"said something that {by} deleted"
        return Entry(comment.created, text, f"{kind} deleted", writer, initials, said=Said(comment.pk, "", False, True, False, False))
    said = Said(
        comment.pk, comment.message, comment.edited is not None, False,
        may_edit=may_write and is_theirs(reader, "comment.update", owner_id=comment.user_id),
        may_delete=may_write and is_theirs(reader, "comment.delete", owner_id=comment.user_id),
    )  # fmt: skip
    return Entry(comment.created, "commented", f"{kind} comment", writer, initials, said=said)
