"""Lines of history. They are written in the transaction of the change that they tell of."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db import connection

from accounts.models import User
from anomalies.models import Change
from anomalies.services import notices

DETECTOR: Final = "detector"
USER: Final = "user"

Changeset = Mapping[str, tuple[object, object]]


@dataclass(frozen=True)
class Line:
    """What changed on one anomaly: by field, before and after, in values that JSON can hold."""

    org_id: int
    anomaly_id: int
    changeset: Changeset
    comment: str = ""  # the text of the comment that it tells of
    mentioned: tuple[int, ...] = ()  # the ids of the people whom that comment mentions


def write_history(lines: Iterable[Line], *, actor: str, user: User | None = None, at: datetime) -> None:
    """One entry per line, all under one transaction id; lines without a change are left out. Whom they concern is told of them.

    At most four statements, however many lines.
    """
    told = [line for line in lines if line.changeset]
    if not told:
        return
    transaction_id = next_transaction_id()
    Change.objects.bulk_create(
        Change(
            org_id=line.org_id,
            anomaly_id=line.anomaly_id,
            transaction_id=transaction_id,
            user=user,
            actor=actor,
            timestamp=at,
            changeset={field: list(pair) for field, pair in line.changeset.items()},
        )
        for line in told
    )
    notices.tell(told, transaction_id=transaction_id, user=user, actor=actor, at=at)


def next_transaction_id() -> int:
    """A number that no other call has; in order of the calls."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT nextval('anomalies_transaction_id')")
        return int(cursor.fetchone()[0])
