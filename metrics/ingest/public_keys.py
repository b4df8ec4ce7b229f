"""Who sends from a web page: a public key -> its org, datastore and bounds, remembered for less than a second."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from django.db import connection, transaction

from metrics.ingest import series
from metrics.ingest.batch import Batch, Refusal, Series
from metrics.ingest.senders import FRESH_S, MOST, Sender
from metrics.models import Metric
from metrics.points.families import Rule
from orgs import keys
from orgs.models import Org, PublicKey
from orgs.remembered import Remembered
from orgs.tenancy import org_of, within

KEY_LIMIT: Final = 100
# A key whose namespace is full makes nobody count again for so long.
_FULL_S: Final = 10.0
OVER_CAP: Final = "over_cap"
OVER_CAP_REASON: Final = "The key's limit of series is reached; series that exist go on."

_remembered: Final = Remembered[bytes, "PageSender | None"](fresh_s=FRESH_S, most=MOST)
_full: dict[int, float] = {}


@dataclass(frozen=True)
class PageSender:
    """What one public key may do."""

    key_id: int
    sender: Sender
    origins: tuple[str, ...]
    namespace: str
    series_limit: int
    per_minute: int


_FIND: Final = """
WITH live AS (
    SELECT k.* FROM orgs_publickey k WHERE k.digest = %s AND k.revoked IS NULL AND (k.expires IS NULL OR k.expires > now())
), used AS (
    UPDATE orgs_publickey k SET last_used = now() FROM live
     WHERE k.id = live.id AND (live.last_used IS NULL OR live.last_used < now() - interval '1 minute')
)
SELECT live.id, live.org_id, live.datastore_id, coalesce(e.epoch, 0), live.origins, live.namespace, live.series_limit, live.per_minute
  FROM live LEFT JOIN metrics_epoch e ON e.datastore_id = live.datastore_id
"""


def page_sender_of(secret: str) -> PageSender | None:
    """The sender of a live public key, or None for any other. Raises OperationalError when the database is away."""
    return _remembered.answer(keys.digest_of(secret), _found)


def forget() -> None:
    """Drops what this process remembers of public keys."""
    _remembered.forget()
    _full.clear()


def _found(digest: bytes) -> PageSender | None:
    org_id = org_of(PublicKey, digest=digest)
    if org_id is None:
        return None
    with within(org_id), connection.cursor() as cursor:
        cursor.execute(_FIND, [digest])
        row = cursor.fetchone()
    if row is None:
        return None
    key_id, org_id, datastore_id, epoch, origins, namespace, series_limit, per_minute = row
    return PageSender(key_id, Sender(0, org_id, datastore_id, Rule.LAST, epoch), tuple(origins), namespace, series_limit, per_minute)


def within_cap(page: PageSender, batch: Batch) -> Batch:
    """The batch with its series made, as far as the key's limit allows; points of what would be beyond are refused."""
    known = series.find(page.sender, batch.series)
    missing = [one for one in batch.series if one.name not in known]
    if not missing:
        return batch
    allowed = known.keys() | _made(page, missing)
    return _only(batch, [one.name in allowed for one in batch.series])


def _made(page: PageSender, missing: Sequence[Series]) -> frozenset[str]:
    """Makes series while there is room in the namespace; their names. The org's row is locked: the limit holds for all requests at once."""
    if time.monotonic() - _full.get(page.key_id, -_FULL_S) < _FULL_S:
        return frozenset()
    with transaction.atomic():
        Org.objects.select_for_update(no_key=True).get(pk=page.sender.org_id)
        below = Metric.objects.for_org(page.sender.org_id).filter(
            datastore_id=page.sender.datastore_id, name__startswith=f"{page.namespace}."
        )
        room = max(0, page.series_limit - below.count())
        new = list({one.name: one for one in missing}.values())
        if room < len(new):
            _full[page.key_id] = time.monotonic()
        series.find_or_make(page.sender, new[:room])
        return frozenset(one.name for one in new[:room])


def _only(batch: Batch, keep: Sequence[bool]) -> Batch:
    places = [place for place, kept in enumerate(keep) if kept]
    beyond = [Refusal(int(batch.places[at]), batch.series[at].name, OVER_CAP, OVER_CAP_REASON) for at, kept in enumerate(keep) if not kept]
    return replace(
        batch,
        series=[batch.series[place] for place in places],
        index=batch.index[: len(places)],
        timestamps_ms=batch.timestamps_ms[places],
        values=batch.values[places],
        places=batch.places[places],
        refused=[*batch.refused, *beyond],
    )
