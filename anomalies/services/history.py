"""Lines of history. They are written in the transaction of the change that they tell of."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import orjson
from django.db import connection

from accounts.models import User
from anomalies.services import notices
from config.database.prepared import Statement

# Who did it, where it was no person.
DETECTOR: Final = "detector"
FLOW: Final = "flow"
SCAN: Final = "scan"
SNOOZE: Final = "snooze"
TAGS: Final = "tags"
# A person, whose name stands beside it.
USER: Final = "user"
ACTORS: Final = (USER, DETECTOR, SCAN, FLOW, SNOOZE, TAGS)

Changeset = Mapping[str, tuple[object, object]]

# Numbers the call itself, unless it goes on with one that has a number.
WRITE: Final = Statement("""
WITH call AS (SELECT coalesce(%s::bigint, nextval('anomalies_transaction_id')) AS number)
INSERT INTO anomalies_change (org_id, anomaly_id, transaction_id, user_id, actor, timestamp, changeset)
SELECT org_id, anomaly_id, call.number, %s::bigint, %s::text, %s::timestamptz, changeset
  FROM json_to_recordset(%s) AS line (org_id bigint, anomaly_id bigint, changeset jsonb), call
RETURNING transaction_id
""")


@dataclass(frozen=True)
class Line:
    """What changed on one anomaly: by field, before and after, in values that JSON can hold."""

    org_id: int
    anomaly_id: int
    changeset: Changeset
    comment: str = ""  # the text of the comment that it tells of
    mentioned: tuple[int, ...] = ()  # the ids of the people whom that comment mentions
    is_asleep: bool = False  # born asleep: nobody is told of it


def write_history(
    lines: Iterable[Line], *, actor: str, user: User | None = None, at: datetime, transaction_id: int | None = None
) -> int | None:
    """One entry per line, all under one transaction id, which is returned; lines without a change are left out, and without any it is None.

    A call that writes in several steps hands over the `transaction_id` of all. Whom the lines concern is told of them. At most three
    statements, however many lines.
    """
    told = [line for line in lines if line.changeset]
    if not told:
        return None
    rows = [{"org_id": line.org_id, "anomaly_id": line.anomaly_id, "changeset": line.changeset} for line in told]
    number: int = WRITE.rows(transaction_id, user.pk if user else None, actor, at, orjson.dumps(rows).decode())[0][0]
    notices.tell(told, transaction_id=number, user=user, actor=actor, at=at)
    return number


def next_transaction_id() -> int:
    """A number that no other call has; in order of the calls."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT nextval('anomalies_transaction_id')")
        return int(cursor.fetchone()[0])
