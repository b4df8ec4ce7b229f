"""Finding a text in the names of series."""

from typing import Final

from django.db import connection
from django.db.models import Q

# The index of trigrams has nothing to say of a shorter text.
SHORTEST: Final = 3
# So many ids are named one by one; a text that more names hold is soon met in the order of the list.
RARE: Final = 5000


def named(text: str, *, org_id: int) -> Q:
    """The condition for the series of the org whose names hold `text`, in capitals or not. One query."""
    ids = _rare_ids(text, org_id=org_id)
    return Q(name__icontains=text) if ids is None else Q(pk__in=ids)


def _rare_ids(text: str, *, org_id: int) -> list[int] | None:
    """None for a text that too many have, or that is too short for trigrams."""
    if len(text) < SHORTEST:
        return None
    pattern = f"%{connection.ops.prep_for_like_query(text)}%"
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM metrics_named(%s, %s, %s)", [org_id, pattern, RARE + 1])
        ids = [pk for (pk,) in cursor.fetchall()]
    return ids if len(ids) <= RARE else None
