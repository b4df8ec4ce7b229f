"""What people are told, by mail: gathered for a few minutes, then one mail per person."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Final

from django.conf import settings
from django.db import transaction
from django.utils.text import Truncator

from accounts import letters
from accounts.models import Letter, Level, User
from anomalies.mentions import plain
from anomalies.models import Anomaly, Change, Notice
from anomalies.services.changesets import told
from anomalies.services.notice_words import headline, who_in
from anomalies.services.notices import DRIFTING

SHOWN: Final = 20
LINES_SHOWN: Final = 8
NAME_IN_SUBJECT: Final = 60
SAID_IN_SUBJECT: Final = 120
# Whoever was away for long is not sent everything at once.
TAKEN: Final = 200


@dataclass(frozen=True)
class Item:
    """One anomaly in the mail: what it is, what happened, line by line, what was said, and its address."""

    title: str
    message: str
    lines: list[str]
    quote: str
    path: str


def due(*, now: datetime) -> list[tuple[int, int]]:
    """Whose mail is due: (org, user), oldest first."""
    waited = Notice.objects.filter(mail_due__lte=now - timedelta(minutes=settings.NOTICE_MAIL_MINUTES))
    return list(dict.fromkeys(waited.order_by("mail_due").values_list("org_id", "user_id")[:5000]))


@transaction.atomic
def mail(user_id: int, *, now: datetime) -> Letter | None:
    """Orders one mail of everything that waits for this person; None when nothing of it is theirs to read any more.

    In the transaction that takes it from what waits: nothing is mailed twice, and nothing is lost.
    """
    waiting = Notice.objects.filter(user=user_id, mail_due__isnull=False).select_for_update(skip_locked=True, of=("self",))
    found = list(waiting.select_related("by", "anomaly__metric", "anomaly__container", "anomaly__datastore").order_by("-created")[:TAKEN])
    user = User.objects.select_related("org").filter(pk=user_id, is_active=True).first()
    lines = lines_by_anomaly(found, user_id)
    may_read = readable(found, user) if user else frozenset()
    mine = [notice for notice in found if notice.anomaly_id in may_read]
    _settle(found, now=now)
    if user is None or not mine:
        return None
    items = [item_of(notice, lines.get(notice.anomaly_id, ())) for notice in mine]
    details = {"subject": subject_of(mine), "items": [asdict(item) for item in items[:SHOWN]], "more": max(0, len(items) - SHOWN)}
    return letters.order(Letter.Kind.NOTICES, user.email, user=user, details=details)


def readable(found: Sequence[Notice], user: User) -> frozenset[int]:
    """Ids of the anomalies whose history the person may still read."""
    visible = Anomaly.objects.visible_to(user, level=Level.VIEWER)
    return frozenset(visible.filter(pk__in={notice.anomaly_id for notice in found}).values_list("pk", flat=True))


def _settle(found: Iterable[Notice], *, now: datetime) -> None:
    """Mailed; what is told by mail alone is done with."""
    ids = [notice.pk for notice in found]
    Notice.objects.filter(pk__in=ids).update(mail_due=None)
    Notice.objects.filter(pk__in=ids, in_app=False, acknowledged=None).update(acknowledged=now)


def lines_by_anomaly(found: Sequence[Notice], user_id: int) -> Mapping[int, list[str]]:
    """For watched anomalies, what others did since the last mail, oldest first."""
    since = {notice.anomaly_id: notice.mail_due for notice in found if notice.kind == Notice.Kind.WATCHED and notice.mail_due}
    if not since:
        return {}
    changes = (
        Change.objects.filter(anomaly__in=list(since), timestamp__gte=min(since.values())).exclude(user=user_id).select_related("user")
    )
    lines: dict[int, list[str]] = {}
    for change in changes.order_by("timestamp", "pk"):
        if change.timestamp >= since[change.anomaly_id] and not DRIFTING.issuperset(change.changeset):
            words = ", ".join(text for text, _ in told(change.changeset))
            lines.setdefault(change.anomaly_id, []).append(f"{who_in(change)} {words}")
    return lines


def item_of(notice: Notice, lines: Sequence[str]) -> Item:
    anomaly = notice.anomaly
    shown = list(lines) if notice.kind == Notice.Kind.WATCHED and lines else [headline(notice)]
    if len(shown) > LINES_SHOWN:
        shown = [f"{len(shown) - LINES_SHOWN} more changes before", *shown[-LINES_SHOWN:]]
    title = f"#{anomaly.pk} {anomaly.metric or anomaly.container or anomaly.datastore}"
    return Item(title, anomaly.message, shown, plain(notice.comment), f"/app/anomalies/{anomaly.pk}")


def subject_of(found: Sequence[Notice]) -> str:
    """Of the one thing, or how many there are; a long name leaves room for what happened, and that for the anomaly's number."""
    if len(found) == 1:
        said = Truncator(headline(found[0], name_length=NAME_IN_SUBJECT)).chars(SAID_IN_SUBJECT)
        return f"{said}: anomaly #{found[0].anomaly_id}"
    return (
        f"{len(found)} anomalies that concern you"
        if len({one.anomaly_id for one in found}) > 1
        else f"News of anomaly #{found[0].anomaly_id}"
    )
