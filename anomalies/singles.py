"""One anomaly as somebody asks for it, by its number or UUID."""

import uuid
from functools import cache
from typing import Any, Final

from accounts.callers import Caller
from accounts.models import Level, Role, User
from anomalies.models import Anomaly
from anomalies.querysets import AnomalyQuerySet
from config.database.prepared import Query
from datastores.querysets import sees_whole_org
from datastores.reach import EXAMPLES, somebody, values_of

KEYS: Final = {"pk": 30_059, "uuid": uuid.UUID(int=30_059)}


def single(caller: Caller, column: str, key: object, *, is_kept: bool = False) -> Anomaly | None:
    """The anomaly whose `column` (pk or uuid) is `key`, if the caller may see it; `is_kept` from others until the transaction ends."""
    level = Level.REPORTER
    if sees_whole_org(caller, level=level):
        return _of_org(column, is_kept).first(org=caller.org_id, key=key)
    return _within_reach(column, is_kept).first(**values_of(caller, level=level), key=key)


@cache
def _of_org(column: str, is_kept: bool) -> Query[Anomaly]:  # noqa: FBT001 - one of two queries
    def build(*, org: int, key: Any) -> AnomalyQuerySet:
        return _asked(User(org_id=org, role=Role.ADMIN), column, key, level=Level.REPORTER, is_kept=is_kept)

    return Query(build, org=EXAMPLES["org"], key=KEYS[column])


@cache
def _within_reach(column: str, is_kept: bool) -> Query[Anomaly]:  # noqa: FBT001 - one of two queries
    def build(*, user: int, org: int, level: Any, key: Any) -> AnomalyQuerySet:
        return _asked(somebody(user=user, org=org), column, key, level=level, is_kept=is_kept)

    return Query(build, **EXAMPLES, key=KEYS[column])


def _asked(caller: User, column: str, key: object, *, level: Level, is_kept: bool) -> AnomalyQuerySet:
    found = Anomaly.objects.visible_to(caller, level=level).filter(**{column: key}).order_by()
    return found.select_for_update(no_key=True) if is_kept else found
