"""How anomalies that sleep wake by themselves: their moment has come, the problem came up often enough, weighs more, or is over for now.

Whoever records what was found asks here, in its transaction: `sleeping` for those of the same problems, `meet` for what new occurrences
mean to them and whether these sleep along, and `wake` for those whose condition has ended.
"""

import itertools
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

import orjson
from django.db import connection, transaction

from anomalies.models import Anomaly
from anomalies.services.edits import Snooze
from anomalies.services.history import SNOOZE, Line, write_history

BATCH: Final = 1000

# The problem of an anomaly: its org and its fingerprint.
Problem = tuple[int, int]

SLEEPING: Final = """
SELECT a.id FROM json_to_recordset(%s) AS p (org_id bigint, fingerprint bigint)
  JOIN anomalies_anomaly a ON a.org_id = p.org_id AND a.fingerprint = p.fingerprint AND a.snoozed_at IS NOT NULL AND a.deleted IS NULL
"""
COUNT: Final = """
UPDATE anomalies_anomaly AS a SET snooze_count = now.count FROM json_to_recordset(%s) AS now (id bigint, count integer) WHERE a.id = now.id
"""


@dataclass(frozen=True)
class Sleep:
    """A snooze as an anomaly has it. `fields` are its columns."""

    snooze: Snooze
    at: datetime
    by_id: int | None

    @property
    def fields(self) -> dict[str, Any]:
        said = self.snooze
        return {
            "snoozed_at": self.at,
            "snoozed_by_id": self.by_id,
            "snooze_until": said.until,
            "snooze_count": said.count,
            "snooze_weight": said.weight,
            "snooze_back_in_band": said.back_in_band,
        }


AWAKE: Final[Mapping[str, Any]] = {
    "snoozed_at": None, "snoozed_by_id": None, "snooze_until": None, "snooze_count": None, "snooze_weight": None,
    "snooze_back_in_band": False,
}  # fmt: skip


@dataclass(frozen=True)
class Occurrence:
    """A problem that has come up again, as an anomaly that is about to be made. What is archived from birth counts, and does not sleep."""

    problem: Problem
    weight: int
    is_archived: bool = False
    is_out_of_band: bool = False  # a value that may come back


def sleep_of(anomaly: Anomaly) -> Sleep | None:
    if anomaly.snoozed_at is None:
        return None
    said = Snooze(anomaly.snooze_until, anomaly.snooze_count, anomaly.snooze_weight, anomaly.snooze_back_in_band)
    return Sleep(said, anomaly.snoozed_at, anomaly.snoozed_by_id)


def sleeping(problems: Iterable[Problem]) -> list[int]:
    """The ids of the anomalies of these problems that sleep. One query; whoever goes on locks them, in order of id with all others."""
    wanted = [{"org_id": org_id, "fingerprint": fingerprint} for org_id, fingerprint in sorted(set(problems))]
    if not wanted:
        return []
    with connection.cursor() as cursor:
        cursor.execute(SLEEPING, [orjson.dumps(wanted).decode()])
        return [pk for (pk,) in cursor.fetchall()]


def is_over(snooze: Snooze, *, weight: int, has_ended: bool) -> bool:
    """Whether an anomaly of this weight, of which the value is back or not, has nothing to sleep for any more."""
    return (snooze.weight is not None and weight > snooze.weight) or (snooze.back_in_band and has_ended)


def meet(sleepers: Sequence[Anomaly], found: Sequence[Occurrence], *, now: datetime) -> list[Sleep | None]:
    """What each occurrence sleeps by from birth; None for one that is awake.

    `sleepers` are locked. Each occurrence is one more of those for which they sleep; one that weighs more than they may wakes them. As
    long as one of them goes on sleeping, what comes up sleeps along, as the one that was put to sleep last. At most five statements.
    """
    by_problem: dict[Problem, list[Anomaly]] = {}
    for anomaly in sleepers:
        if anomaly.fingerprint is not None:
            by_problem.setdefault((anomaly.org_id, anomaly.fingerprint), []).append(anomaly)
    seen: dict[Problem, list[Occurrence]] = {}
    for one in found:
        seen.setdefault(one.problem, []).append(one)
    after = {anomaly.pk: sleep_after(anomaly, seen.get(problem, ())) for problem, group in by_problem.items() for anomaly in group}
    wake([anomaly for anomaly in sleepers if anomaly.pk in after and after[anomaly.pk] is None], now=now)
    count_down([anomaly for anomaly in sleepers if after.get(anomaly.pk)], after)
    return [along(one, [after[anomaly.pk] for anomaly in by_problem.get(one.problem, ())]) for one in found]


def sleep_after(anomaly: Anomaly, seen: Sequence[Occurrence]) -> Sleep | None:
    """How the anomaly sleeps once these have come up."""
    sleep = sleep_of(anomaly)
    if sleep is None or not seen:
        return sleep
    if sleep.snooze.count is not None:
        left = sleep.snooze.count - len(seen)
        return replace(sleep, snooze=replace(sleep.snooze, count=left)) if left > 0 else None
    return None if is_over(sleep.snooze, weight=max(one.weight for one in seen), has_ended=False) else sleep


def along(one: Occurrence, sleeps: Sequence[Sleep | None]) -> Sleep | None:
    """The newest of the sleeps that an occurrence can share."""
    if one.is_archived:
        return None
    fit = [sleep for sleep in sleeps if sleep is not None and (one.is_out_of_band or not sleep.snooze.back_in_band)]
    return max(fit, key=lambda sleep: sleep.at, default=None)


def count_down(sleepers: Sequence[Anomaly], after: Mapping[int, Sleep | None]) -> None:
    left = {one.pk: sleep.snooze.count for one in sleepers if (sleep := after[one.pk]) and sleep.snooze.count != one.snooze_count}
    if left:
        with connection.cursor() as cursor:
            cursor.execute(COUNT, [orjson.dumps([{"id": pk, "count": count} for pk, count in left.items()]).decode()])


def wake(sleepers: Sequence[Anomaly], *, now: datetime) -> tuple[int, ...]:
    """Wakes those that sleep, here and in the database, with a line of history for each. Their ids."""
    asleep = [(anomaly, sleep) for anomaly in sleepers if (sleep := sleep_of(anomaly)) is not None]
    ids = tuple(anomaly.pk for anomaly, _ in asleep)
    if ids:
        Anomaly.objects.filter(pk__in=ids).update(**AWAKE, updated=now)
        for anomaly, name in itertools.product((anomaly for anomaly, _ in asleep), AWAKE):
            setattr(anomaly, name, AWAKE[name])
        lines = [Line(anomaly.org_id, anomaly.pk, {"snooze": (sleep.snooze.condition, None)}) for anomaly, sleep in asleep]
        write_history(lines, actor=SNOOZE, at=now)
    return ids


def wake_heavier(org_id: int, ids: Collection[int], *, now: datetime) -> tuple[int, ...]:
    """Of these anomalies, which the caller has locked and weighed anew, wakes those that weigh more than they may."""
    rows = Anomaly.objects.for_org(org_id).filter(pk__in=ids, snooze_weight__isnull=False)
    return wake([one for one in rows if one.snooze_weight is not None and one.weight > one.snooze_weight], now=now)


def orgs_due(*, now: datetime) -> list[int]:
    """Where somebody's moment has come."""
    due = Anomaly.objects.filter(snooze_until__lte=now, deleted=None)
    return list(due.order_by("org").values_list("org", flat=True).distinct())


def wake_due(org_id: int, *, now: datetime) -> int:
    """Wakes the anomalies of the org whose moment has come; how many."""
    woken = 0
    while ids := _wake_some(org_id, now=now):
        woken += len(ids)
    return woken


@transaction.atomic
def _wake_some(org_id: int, *, now: datetime) -> tuple[int, ...]:
    due = Anomaly.objects.for_org(org_id).filter(snooze_until__lte=now, deleted=None).order_by("pk")
    # Found before they are locked: the lock reads them again, and leaves out whom somebody has just woken.
    ids = list(due.values_list("pk", flat=True)[:BATCH])
    return wake(list(due.filter(pk__in=ids).select_for_update(no_key=True)), now=now)
