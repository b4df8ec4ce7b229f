"""When the log may forget."""

from django.conf import settings
from django.db.models import Count, Min

from metrics import points
from metrics.models import DetectionShard


def drop_consumed_log() -> list[str]:
    """Drops the days of the log that no shard would read again after a crash. Nothing, while a shard has not begun."""
    found = DetectionShard.objects.aggregate(shards=Count("pk"), mark=Min("checkpoint_mark"))
    if found["shards"] < settings.DETECT_SHARDS:
        return []
    return points.drop_consumed(found["mark"])
