"""Finding a text in the names of series."""

from typing import Final

from django.db.models import Q

from config.database.trigrams import rare_ids

# So many ids are named one by one; a text that more names hold is soon met in the order of the list.
RARE: Final = 5000


def named(text: str, *, org_id: int) -> Q:
    """The condition for the series of the org whose names hold `text`, in capitals or not. One query."""
    ids = rare_ids("metrics_named", text, org_id=org_id, most=RARE)
    return Q(name__icontains=text) if ids is None else Q(pk__in=ids)
