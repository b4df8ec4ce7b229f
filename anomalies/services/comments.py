"""What people say about an anomaly. Whether they may is checked by the caller; whether what they say can be said, here.

A call that changes anomalies and takes a comment along (archiving) uses the three parts in its own transaction: `draft_errors` before it
changes anything, `write_comments`, and for each comment `line_parts` in the line of history that tells of the change.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.db import transaction
from django.utils import timezone

from accounts.models import Level, User
from anomalies.mentions import mentioned_in
from anomalies.models import Anomaly, Comment, Mention
from anomalies.services.archived import refuse_archived
from anomalies.services.history import USER, Line, write_history
from anomalies.services.notices import reword, unsay
from datastores.levels import Holders, holders
from orgs.errors import FieldError, Invalid, NotFound

MESSAGE_LIMIT: Final = 10_000
MENTIONS_LIMIT: Final = 100


@dataclass(frozen=True)
class Draft:
    """A comment that somebody wants to leave on an anomaly. `loc` is where it stands in the request, and `field` its text's name there."""

    anomaly_id: int
    datastore_id: int
    message: str
    mentioned_user_ids: tuple[int, ...] = ()
    loc: tuple[str | int, ...] = ("body",)
    field: str = "message"

    @property
    def mentioned(self) -> tuple[int, ...]:
        """Whom the text or the list mentions, each once."""
        return tuple(dict.fromkeys((*mentioned_in(self.message), *self.mentioned_user_ids)))


@transaction.atomic
def comment_on(anomaly: Anomaly, *, user: User, message: str, mentioned_user_ids: Collection[int] = ()) -> Comment:
    """A new comment, with its line of history; whoever it mentions is told.

    Raises Archived for an archived anomaly, Invalid for a text or a mention that does not do: a mentioned person needs Viewer there.
    """
    refuse_archived(anomaly)
    draft = Draft(anomaly.pk, anomaly.datastore_id, message, tuple(mentioned_user_ids))
    if errors := draft_errors(anomaly.org_id, [draft]):
        raise Invalid("The comment was not made.", errors=errors)
    now = timezone.now()
    (comment,) = write_comments(anomaly.org_id, [draft], user=user, at=now)
    write_history([Line(anomaly.org_id, anomaly.pk, **line_parts(comment, draft))], actor=USER, user=user, at=now)
    return comment


@transaction.atomic
def edit_comment(comment: Comment, *, user: User, message: str | None = None, mentioned_user_ids: Collection[int] | None = None) -> Comment:
    """The comment with its new text and mentions; None leaves either as it is, and changing nothing writes nothing.

    Those whom it newly mentions are told. Without `mentioned_user_ids`, whoever was mentioned outside of the old text stays mentioned.
    Raises Archived and Invalid as `comment_on` does, NotFound for a comment that was deleted meanwhile.
    """
    refuse_archived(comment.anomaly)
    row = locked(comment)
    before = set(Mention.objects.filter(comment=row).values_list("user", flat=True))
    listed = before - set(mentioned_in(row.message)) if mentioned_user_ids is None else mentioned_user_ids
    draft = Draft(row.anomaly_id, row.anomaly.datastore_id, row.message if message is None else message, tuple(listed))
    if errors := draft_errors(row.org_id, [draft], known=before):
        raise Invalid("The comment was not changed.", errors=errors)
    if (draft.message, set(draft.mentioned)) != (row.message, before):
        rewrite(row, draft, before=before, user=user)
    return row


@transaction.atomic
def delete_comment(comment: Comment, *, user: User) -> None:
    """Takes the comment out of sight. Raises Archived for an archived anomaly, NotFound for a comment that was deleted meanwhile."""
    refuse_archived(comment.anomaly)
    row, now = locked(comment), timezone.now()
    row.deleted, row.deleted_by = now, user
    row.save(update_fields=["deleted", "deleted_by"])
    unsay([row])
    write_history([Line(row.org_id, row.anomaly_id, {"comment": (shown(row), None)})], actor=USER, user=user, at=now)


def draft_errors(org_id: int, drafts: Sequence[Draft], *, known: Collection[int] = ()) -> list[FieldError]:
    """What is wrong with the drafts: texts, and mentioned people who are not `known` already and lack Viewer. At most two queries."""
    found = holders(
        org_id,
        users={pk for draft in drafts for pk in draft.mentioned} - set(known),
        datastores={draft.datastore_id for draft in drafts},
        level=Level.VIEWER,
    )
    return [error for draft in drafts for error in (*_text_errors(draft), *_mention_errors(draft, found, known))]


def write_comments(org_id: int, drafts: Sequence[Draft], *, user: User | None, at: datetime) -> list[Comment]:
    """One comment per draft (user None: of the system), in their order, for the caller's transaction and history.

    Two statements; `draft_errors` found nothing.
    """
    made = Comment.objects.bulk_create(
        Comment(org_id=org_id, anomaly_id=draft.anomaly_id, user=user, message=draft.message, created=at) for draft in drafts
    )
    Mention.objects.bulk_create(
        Mention(org_id=org_id, comment=comment, user_id=pk) for comment, draft in zip(made, drafts, strict=True) for pk in draft.mentioned
    )
    return made


def line_parts(comment: Comment, draft: Draft) -> dict[str, Any]:
    """What a line of history says of a new comment: changeset, text, and whom it mentions. The changeset may take more fields along."""
    return {"changeset": {"comment": (None, shown(comment))}, "comment": draft.message, "mentioned": draft.mentioned}


def shown(comment: Comment) -> Mapping[str, object]:
    return {"id": comment.pk, "message": comment.message}


def locked(comment: Comment) -> Comment:
    row = Comment.objects.standing().select_for_update(of=("self",)).select_related("anomaly").filter(pk=comment.pk).first()
    if row is None:
        raise NotFound("This comment was deleted.")
    return row


def rewrite(row: Comment, draft: Draft, *, before: Collection[int], user: User) -> None:
    old, now = shown(row), timezone.now()
    row.message, row.edited = draft.message, now
    row.save(update_fields=["message", "edited"])
    reword(row)
    Mention.objects.filter(comment=row).exclude(user__in=draft.mentioned).delete()
    added = tuple(pk for pk in draft.mentioned if pk not in before)
    Mention.objects.bulk_create(Mention(org_id=row.org_id, comment=row, user_id=pk) for pk in added)
    line = Line(row.org_id, row.anomaly_id, {"comment": (old, shown(row))}, comment=row.message, mentioned=added)
    write_history([line], actor=USER, user=user, at=now)


def _text_errors(draft: Draft) -> Iterator[FieldError]:
    loc = (*draft.loc, draft.field)
    if not draft.message.strip():
        yield FieldError(loc, "blank", "A comment says something.")
    if len(draft.message) > MESSAGE_LIMIT:
        yield FieldError(loc, "too_long", f"At most {MESSAGE_LIMIT:,} characters.")
    if "\0" in draft.message:
        yield FieldError(loc, "null_characters_not_allowed", "No NUL characters.")
    if len(draft.mentioned) > MENTIONS_LIMIT:
        yield FieldError((*draft.loc, "mentioned_user_ids"), "too_long", f"At most {MENTIONS_LIMIT} people.")


def _mention_errors(draft: Draft, found: Holders, known: Collection[int]) -> Iterator[FieldError]:
    """Each person once, where the list names them or else where the text does."""
    listed = {pk: place for place, pk in reversed(list(enumerate(draft.mentioned_user_ids)))}
    for pk in draft.mentioned:
        if pk in known or found.may(pk, draft.datastore_id):
            continue
        loc = (*draft.loc, "mentioned_user_ids", listed[pk]) if pk in listed else (*draft.loc, draft.field)
        if found.knows(pk):
            yield FieldError(loc, "no_access", f"{found.names[pk]} ({pk}) may not read this anomaly: that needs Viewer on its datastore.")
        else:
            yield FieldError(loc, "not_found", f"There is no person {pk}.")
