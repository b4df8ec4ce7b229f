"""Finding a text in messages, ids and UUIDs of anomalies."""

import re
import uuid
from typing import Final

from django.db.models import F, Func, Q, TextField, Value
from django.db.models.functions import Upper
from django.db.models.lookups import Contains

from anomalies.conditions import among
from config.database.trigrams import rare_ids

# So many ids are named one by one; a text that more anomalies hold is soon met in the order of the list.
RARE: Final = 1000
# The beginning of a UUID, as people copy it: eight hexadecimal digits are no word.
UUID_START: Final = re.compile(r"[0-9a-f]{8}[0-9a-f-]{0,28}")


class Searched(Func):
    """What a search looks at, as in the index `anomaly_search`: the message in capitals, and the id after a character nobody types."""

    template = "(upper(%(expressions)s::text)"
    arg_joiner = ") || chr(31) || "
    output_field = TextField()


def found(text: str, *, org_id: int) -> Q:
    """The condition for the anomalies of the org that hold `text` in message or id, or whose UUID begins with it. One query."""
    ids = rare_ids("anomalies_found", text, org_id=org_id, most=RARE)
    matching = Q(Contains(Searched(F("message"), F("pk")), Upper(Value(text)))) if ids is None else Q(among(ids))
    return matching | _uuid_condition(text)


def _uuid_condition(text: str) -> Q:
    """Those whose UUID begins with the text; none for a text that is no beginning of one."""
    digits = text.lower().replace("-", "")
    if not UUID_START.fullmatch(text.lower()) or len(digits) > 32:
        return Q()
    first, last = (uuid.UUID(digits.ljust(32, filler)) for filler in "0f")
    return Q(uuid__gte=first, uuid__lte=last)
