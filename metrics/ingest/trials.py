"""Requests sent with `test`: kept for some minutes, so that whoever sets up an agent can look at what arrived. Redis may lose them."""

from datetime import datetime
from typing import Any, Final

from django.core.cache import cache
from redis.exceptions import RedisError

from metrics.ingest.intake import Outcome
from metrics.ingest.senders import Sender

KEPT_S: Final = 600
_KEPT_REQUESTS: Final = 50
_KEPT_POINTS: Final = 20
_KEPT_NAMES: Final = 200


def remember(sender: Sender, points: list[Any], outcome: Outcome, *, at: datetime) -> None:
    """Keeps a test request, newest first. Without Redis it is forgotten at once."""
    entry = {
        "at": at.isoformat(),
        "points": [str(point)[:500] for point in points[:_KEPT_POINTS]],
        "would_store": outcome.stored,
        "refused": [f"{refusal.metric[:200]}: {refusal.reason}" for refusal in outcome.refused[:_KEPT_POINTS]],
        "metrics": _names(points, outcome)[:_KEPT_NAMES],
        "dropped": [(refusal.metric[:200], refusal.code) for refusal in outcome.refused[:_KEPT_NAMES]],
        "dropped_count": outcome.refused_points,
    }
    try:
        cache.set(_key(sender.org_id, sender.datastore_id), [entry, *recent(sender.org_id, sender.datastore_id)][:_KEPT_REQUESTS], KEPT_S)
    except RedisError:
        return


def _names(points: list[Any], outcome: Outcome) -> list[str]:
    """The names of the points that would be stored, each once."""
    refused = {refusal.index for refusal in outcome.refused}
    taken = (point.get("metric") for place, point in enumerate(points) if place not in refused and isinstance(point, dict))
    return list(dict.fromkeys(str(name)[:200] for name in taken))


def recent(org_id: int, datastore_id: int) -> list[dict[str, Any]]:
    """The test requests of the last minutes, newest first; none without Redis."""
    try:
        kept: list[dict[str, Any]] = cache.get(_key(org_id, datastore_id), [])
    except RedisError:
        return []
    return kept


def _key(org_id: int, datastore_id: int) -> str:
    return f"ingest.trials.{org_id}.{datastore_id}"
