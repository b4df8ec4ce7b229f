"""Names -> series ids: remembered by the process, found in the database, or made if the org's quota has room."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from django.db import connection, transaction

from metrics.ingest.batch import Series
from metrics.ingest.senders import Sender
from metrics.models import Metric, name_digest
from orgs.models import Org

_REMEMBERED: Final = 200_000
# Nobody reads the log beyond the oldest transaction that runs, so one that makes series ends soon however many are new.
MADE_AT_ONCE: Final = 1_000

# By the digest of the name, so that the names of a sender may be as long as they like and this stays below 50 MB.
_remembered: dict[tuple[int, int, bytes], int] = {}


@dataclass(frozen=True)
class Resolved:
    """Ids by name. A name that is in neither set was refused by the quota."""

    ids: dict[str, int]
    made: frozenset[str]


def resolve(sender: Sender, wanted: Sequence[Series]) -> Resolved:
    """The ids of these series, remembered ones first; new ones are made while the org's quota lasts."""
    known = {one.name: found for one in wanted if (found := _remembered.get(_key(sender, one.name)))}
    missing = [one for one in wanted if one.name not in known]
    if not missing:
        return Resolved(known, frozenset())
    resolved = find_or_make(sender, missing)
    _remember(sender, resolved.ids)
    return Resolved(known | resolved.ids, resolved.made)


def find_or_make(sender: Sender, wanted: Sequence[Series]) -> Resolved:
    """As `resolve`, past the process's memory. Cut off by an error, those made so far stay and the next attempt goes on."""
    known = find(sender, wanted)
    missing = {one.name: one for one in wanted if one.name not in known}
    if not missing:
        return Resolved(known, frozenset())
    made = _make(sender, list(missing.values()))
    return Resolved(known | made, frozenset(made))


def find(sender: Sender, wanted: Iterable[Series]) -> dict[str, int]:
    """The ids of those series that exist."""
    digests = [name_digest(one.name) for one in wanted]
    rows = Metric.objects.for_org(sender.org_id).filter(datastore_id=sender.datastore_id, digest__in=digests)
    return dict(rows.values_list("name", "pk"))


def forget() -> None:
    """Drops what this process remembers of names."""
    _remembered.clear()


def room_left(org_id: int) -> int:
    """How many series the org may still make."""
    return max(0, Org.objects.get(pk=org_id).metric_limit - Metric.objects.for_org(org_id).count())


def count_refused(org_id: int, *, points: int, example: str) -> None:
    """Adds to today's count of points that the quota refused."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO orgs_refusedseries AS r (org_id, day, refused, example) VALUES (%s, (now() AT TIME ZONE 'UTC')::date, %s, %s)"
            " ON CONFLICT (org_id, day) DO UPDATE SET refused = r.refused + excluded.refused, example = excluded.example",
            [org_id, points, _storable(example)[:200]],
        )


def count_invalid(org_id: int, *, points: int, example: str) -> None:
    """Adds to today's count of points that were refused for what was wrong with them."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO orgs_refusedseries AS r (org_id, day, refused, example, invalid, invalid_example, invalid_at)"
            " VALUES (%s, (now() AT TIME ZONE 'UTC')::date, 0, '', %s, %s, now())"
            " ON CONFLICT (org_id, day) DO UPDATE SET invalid = r.invalid + excluded.invalid,"
            " invalid_example = excluded.invalid_example, invalid_at = excluded.invalid_at",
            [org_id, points, _storable(example)[:400]],
        )


def _storable(text: str) -> str:
    """What was refused may be refused for its characters: without NUL and half characters, which PostgreSQL takes in no text."""
    return text.replace("\0", "\ufffd").encode(errors="replace").decode()


def _make(sender: Sender, wanted: Sequence[Series]) -> dict[str, int]:
    """Makes series until the quota is reached, some per transaction."""
    made: dict[str, int] = {}
    for start in range(0, len(wanted), MADE_AT_ONCE):
        some = wanted[start : start + MADE_AT_ONCE]
        found = _make_some(sender, some)
        made |= found
        if len(found) < len(some):
            return made | find(sender, [one for one in wanted if one.name not in made])
    return made


@transaction.atomic
def _make_some(sender: Sender, wanted: Sequence[Series]) -> dict[str, int]:
    """The ids of those for which there is room. The org's row is locked: two requests cannot both take the last place."""
    Org.objects.select_for_update(no_key=True).get(pk=sender.org_id)
    made_meanwhile = find(sender, wanted)
    new = [one for one in wanted if one.name not in made_meanwhile][: room_left(sender.org_id)]
    Metric.objects.bulk_create([_row(sender, one) for one in new], ignore_conflicts=True)
    return made_meanwhile | find(sender, new)


def _row(sender: Sender, one: Series) -> Metric:
    return Metric(
        org_id=sender.org_id, datastore_id=sender.datastore_id, name=one.name, digest=name_digest(one.name), labels=dict(one.labels)
    )


def _remember(sender: Sender, ids: dict[str, int]) -> None:
    if len(_remembered) + len(ids) > _REMEMBERED:
        _remembered.clear()
    _remembered.update({_key(sender, name): found for name, found in ids.items()})


def _key(sender: Sender, name: str) -> tuple[int, int, bytes]:
    return sender.datastore_id, sender.epoch, name_digest(name)
