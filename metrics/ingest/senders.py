"""Who sends: an ingest key -> its org, datastore and rule, remembered for less than a second so that revoking acts within one."""

from dataclasses import dataclass
from typing import Final

from django.db import connection

from metrics.points.families import Rule
from orgs import keys, tenancy
from orgs.models import IngestKey
from orgs.remembered import Remembered

FRESH_S: Final = 0.8
MOST: Final = 10_000

_remembered: Final = Remembered[bytes, "Sender | None"](fresh_s=FRESH_S, most=MOST)


@dataclass(frozen=True)
class Sender:
    """What one ingest key may do; `pk` is the key's id, 0 for a person who imports.

    `epoch` counts deletions of series in the datastore: what was remembered before one is void. `sources` are the networks that the key is
    bound to; none: anywhere.
    """

    pk: int
    org_id: int
    datastore_id: int
    rule: Rule
    epoch: int
    sources: tuple[str, ...] = ()


# `last_used` moves at most once a minute, in the statement that reads the key anyway.
_FIND: Final = """
WITH live AS (
    SELECT k.id, k.org_id, k.datastore_id, k.rule, k.last_used, k.sources FROM orgs_ingestkey k
     WHERE k.digest = %s AND k.revoked IS NULL AND (k.expires IS NULL OR k.expires > now())
), used AS (
    UPDATE orgs_ingestkey k SET last_used = now() FROM live
     WHERE k.id = live.id AND (live.last_used IS NULL OR live.last_used < now() - interval '1 minute')
)
SELECT live.id, live.org_id, live.datastore_id, live.rule, coalesce(e.epoch, 0), live.sources
  FROM live LEFT JOIN metrics_epoch e ON e.datastore_id = live.datastore_id
"""


def sender_of(secret: str) -> Sender | None:
    """The sender that a secret belongs to, or None when there is no such live key. Raises OperationalError when the database is away."""
    return _remembered.answer(keys.digest_of(secret), _found) if secret else None


def forget() -> None:
    """Drops what this process remembers of keys."""
    _remembered.forget()


def rule_of(name: str) -> Rule:
    return Rule.SUM if name == IngestKey.Rule.SUM else Rule.LAST


def _found(digest: bytes) -> Sender | None:
    with tenancy.home_of(IngestKey, digest=digest), connection.cursor() as cursor:
        cursor.execute(_FIND, [digest])
        row = cursor.fetchone()
    return None if row is None else Sender(row[0], row[1], row[2], rule_of(row[3]), row[4], tuple(row[-1]))
