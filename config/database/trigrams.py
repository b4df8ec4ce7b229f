"""Finding a text by an index of trigrams, which under row-level security only a function with the owner's rights can use."""

from typing import Final

from django.db import connection

# The index has nothing to say of a shorter text.
SHORTEST: Final = 3
ASKED: Final = "SELECT * FROM {function}(%s, %s, %s)"


def rare_ids(function: str, text: str, *, org_id: int, most: int) -> list[int] | None:
    """The ids of the org's rows that hold `text`, by a database function of (org, pattern, most). One query.

    None for a text that more than `most` rows hold, or that is too short for trigrams.
    """
    if len(text) < SHORTEST:
        return None
    pattern = f"%{connection.ops.prep_for_like_query(text)}%"
    with connection.cursor() as cursor:
        cursor.execute(ASKED.format(function=function), [org_id, pattern, most + 1])
        ids = [pk for (pk,) in cursor.fetchall()]
    return ids if len(ids) <= most else None
