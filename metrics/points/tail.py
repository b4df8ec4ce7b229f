"""The unfolded tail of the log, which a read decodes row by row: where it has grown long, the reader asks for a fold before it is due."""

import logging
from collections.abc import Sequence
from typing import Final

from celery import current_app
from django.core.cache import cache
from kombu.exceptions import OperationalError as BrokerAway
from psycopg.rows import TupleRow
from redis.exceptions import RedisError

from metrics.points.families import Family

log = logging.getLogger(__name__)

FOLD_TASK: Final = "metrics.tasks.fold_org"
# About 20 ms of a read. Folds are made every minute, so only a busy org, or one whose folds have stood still, gets there.
LONG_POINTS: Final = 200_000
LONG_ROWS: Final = 2_000
_ASKED_S: Final = 20


def shorten(org_id: int, family: Family, tail: Sequence[TupleRow]) -> None:
    """Has the org folded, once in a while, when its tail (rows as `reads` fetches them) is long. The reader does not wait for it."""
    if len(tail) <= LONG_ROWS and sum(row[3] for row in tail) <= LONG_POINTS:
        return
    try:
        if cache.add(f"fold.asked.{org_id}.{family.id}", 1, _ASKED_S):
            current_app.send_task(FOLD_TASK, args=[org_id, family.id], retry=False, expires=_ASKED_S)
    except (RedisError, BrokerAway):
        log.warning("a long tail was read and could not be ordered to be folded: the broker is away")
