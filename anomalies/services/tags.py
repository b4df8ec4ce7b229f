"""The tags of an org: what people put on anomalies. A tag that counts anew or goes changes the weight of every anomaly that carries it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson
from django.db import connection, transaction
from django.utils import timezone

from accounts.models import User
from anomalies.models import Flow, Tag
from anomalies.services.history import TAGS, USER, Changeset, Line, next_transaction_id, write_history
from anomalies.services.sleep import wake_heavier
from anomalies.services.weights import Retagged, retagged
from orgs.errors import Conflict, NotFound
from orgs.events import record_event
from orgs.models import Event
from orgs.uniqueness import conflict_if_taken

BATCH: Final = 2_000

# So often somebody may put the tag on one more anomaly while its anomalies are locked.
HOLD_TRIES: Final = 10
CARRYING: Final = "SELECT anomaly_id FROM anomalies_anomaly_global_tags WHERE org_id = %s AND tag_id = %s"
HOLD: Final = f"SELECT id FROM anomalies_anomaly WHERE id IN ({CARRYING}) ORDER BY id FOR NO KEY UPDATE"  # noqa: S608 - a constant

# Locked in order of id, as all bulk changes lock.
CARRIERS: Final = """
SELECT a.id, a.weight, a.weight_breakdown::text FROM anomalies_anomaly a
 WHERE a.id IN (SELECT x.anomaly_id FROM anomalies_anomaly_global_tags x
                 WHERE x.org_id = %s AND x.tag_id = %s AND x.anomaly_id > %s ORDER BY x.anomaly_id LIMIT %s)
 ORDER BY a.id FOR NO KEY UPDATE
"""
CARRIED: Final = """
SELECT x.anomaly_id, t.id, t.name, t.weight_modifier FROM anomalies_anomaly_global_tags x JOIN anomalies_tag t ON t.id = x.tag_id
 WHERE x.anomaly_id = ANY(%s) ORDER BY t.name, t.id
"""
WEIGH: Final = """
UPDATE anomalies_anomaly AS a SET weight = now.weight, weight_breakdown = now.weight_breakdown, updated = %s
  FROM json_to_recordset(%s) AS now (id bigint, weight integer, weight_breakdown jsonb) WHERE a.id = now.id
"""


@dataclass(frozen=True)
class Carrier:
    """An anomaly that carries the tag, with all its tags: id, name and modifier."""

    id: int
    weight: int
    breakdown: Mapping[str, int]
    tags: tuple[tuple[int, str, int], ...]

    def weighed(self, *, without: int | None = None) -> Retagged:
        return retagged(self.weight, self.breakdown, points=sum(points for pk, _, points in self.tags if pk != without))


def create_tag(org_id: int, **fields: Any) -> Tag:
    """Raises Conflict for a name that is taken."""
    return stored(Tag(org_id=org_id, **fields))


@transaction.atomic
def change_tag(tag: Tag, *, user: User, **changes: Any) -> Tag:
    """The tag as it is now, with what is given. Another modifier changes the weight of all that carry it, with a line of history for each.

    Raises Conflict for a name that is taken.
    """
    hold_tag(tag)
    tag.refresh_from_db()  # what somebody else changed while this waited is kept
    before = tag.weight_modifier
    for name, value in changes.items():
        setattr(tag, name, value)
    stored(tag)
    if tag.weight_modifier != before:
        said = f"Tag {tag.name} weighs {tag.weight_modifier:+d} instead of {before:+d}"
        record_event(tag.org_id, type=Event.Type.SETTINGS, name=said, user_id=user.pk)
        reweigh(tag, actor=TAGS)
    return tag


@transaction.atomic
def delete_tag(tag: Tag, *, user: User) -> None:
    """Takes the tag off all anomalies, with its weight and a line of history for each, and forgets it.

    Raises Conflict when a housekeeping flow is about anomalies with this tag: without it, the flow would be about others too.
    """
    hold_tag(tag)
    refuse_used(tag)
    record_event(tag.org_id, type=Event.Type.SETTINGS, name=f"Tag {tag.name} deleted", user_id=user.pk)
    reweigh(tag, is_going=True, actor=USER, user=user)
    tag.delete()


def refuse_used(tag: Tag) -> None:
    names = [repr(name) for name in Flow.objects.for_org(tag.org_id).filter(tags=tag).order_by("name").values_list("name", flat=True)[:5]]
    if names:
        raise Conflict(f"Housekeeping is about anomalies with the tag {tag.name}: {', '.join(names)}. Change or delete that first.")


def hold_tag(tag: Tag) -> None:
    """Keeps others from the tag and from all that carry it until the transaction ends: whoever tags then waits for the modifier that holds.

    First the anomalies, then the tag, as everybody does who tags: two who each have what the other waits for would both wait forever.
    Raises NotFound for a tag that is gone, Conflict when it is being put on more and more.
    """
    for _ in range(HOLD_TRIES):
        point = transaction.savepoint()
        held = _ids(HOLD, tag)
        if Tag.objects.select_for_update().filter(pk=tag.pk).first() is None:
            raise NotFound("This tag was deleted meanwhile.")
        if _ids(CARRYING, tag) <= held:
            return transaction.savepoint_commit(point)
        transaction.savepoint_rollback(point)
    raise Conflict(f"The tag {tag.name} is being put on anomalies at this moment. Try again.")


def _ids(statement: str, tag: Tag) -> set[int]:
    with connection.cursor() as cursor:
        cursor.execute(statement, [tag.org_id, tag.pk])
        return {pk for (pk,) in cursor.fetchall()}


def stored(tag: Tag) -> Tag:
    with conflict_if_taken(f"There is a tag of the name {tag.name} already."):
        tag.save()
    return tag


def reweigh(tag: Tag, *, is_going: bool = False, actor: str, user: User | None = None) -> None:
    """Brings the weight of every anomaly that carries the tag up to date, without it if it `is_going`; under one transaction id."""
    now, transaction_id, last = timezone.now(), next_transaction_id(), 0
    while carriers := carriers_of(tag, after=last):
        weighed = [(one, one.weighed(without=tag.pk if is_going else None)) for one in carriers]
        rows = [{"id": one.id, "weight": new.total, "weight_breakdown": new.breakdown} for one, new in weighed]
        with connection.cursor() as cursor:
            cursor.execute(WEIGH, [now, orjson.dumps(rows).decode()])
        lines = [Line(tag.org_id, one.id, told(one, new, gone=tag.pk if is_going else None)) for one, new in weighed]
        write_history(lines, actor=actor, user=user, at=now, transaction_id=transaction_id)
        wake_heavier(tag.org_id, [one.id for one in carriers], now=now)
        last = carriers[-1].id


def carriers_of(tag: Tag, *, after: int) -> list[Carrier]:
    """The next anomalies that carry the tag, in order of id, locked."""
    with connection.cursor() as cursor:
        cursor.execute(CARRIERS, [tag.org_id, tag.pk, after, BATCH])
        found = cursor.fetchall()
        cursor.execute(CARRIED, [[pk for pk, *_ in found]])
        tags: dict[int, list[tuple[int, str, int]]] = {}
        for anomaly_id, *carried in cursor.fetchall():
            tags.setdefault(anomaly_id, []).append((carried[0], carried[1], carried[2]))
    return [Carrier(pk, weight, orjson.loads(breakdown), tuple(tags[pk])) for pk, weight, breakdown in found]


def told(carrier: Carrier, new: Retagged, *, gone: int | None) -> Changeset:
    """What the history says of one of them."""
    changeset: dict[str, tuple[object, object]] = {}
    if gone is not None:
        before = [{"id": pk, "name": name} for pk, name, _ in carrier.tags]
        changeset["global_tags"] = (before, [one for one in before if one["id"] != gone])
    if new.total != carrier.weight:
        changeset["weight"] = (carrier.weight, new.total)
    return changeset
