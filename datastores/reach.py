"""What a caller reaches, as nearly every request asks it: queries that are written once."""

from typing import Any, Final

from accounts.callers import Caller, OrgCaller
from accounts.models import Level, Role, User
from config.database.prepared import Query
from datastores.models import Datastore
from datastores.querysets import access_of, sees_whole_org, within_reach

# Stand for a person, an org, a level and a datastore while a query is written.
EXAMPLES: Final = {"user": 30_011, "org": 30_013, "level": 30_029}
NOWHERE: Final = "SELECT NULL::bigint WHERE false"
PERSON: Final = {"user": EXAMPLES["user"], "org": EXAMPLES["org"]}


def somebody(*, user: int, org: int, role: Role = Role.MEMBER) -> User:
    """A person, of whom only the levels count where no other role is given."""
    return User(pk=user, org_id=org, role=role)


_REACH: Final[Query[Any]] = Query(
    lambda user, org, level: within_reach(somebody(user=user, org=org), level=level).order_by("datastore"), **EXAMPLES
)
_LEVELS: Final[Query[Any]] = Query(
    lambda user, org, level, datastore: (
        Datastore.objects.visible_to(somebody(user=user, org=org), level=level).filter(pk=datastore).order_by().values_list("pk")
    ),
    **EXAMPLES,
    datastore=30_047,
)

_HELD: Final[Query[Any]] = Query(
    lambda user, org: access_of(somebody(user=user, org=org)).order_by().values_list("datastore", "level"), **PERSON
)


def values_of(caller: Caller, *, level: Level) -> dict[str, Any]:
    """What queries that are written with EXAMPLES take."""
    return {"user": caller.pk, "org": caller.org_id, "level": int(level)}


def reach_sql(caller: Caller, *, level: Level) -> tuple[str, list[Any]]:
    """The query for the ids of datastores that the caller reaches through teams, in their order; see `sees_whole_org` for the others."""
    if isinstance(caller, OrgCaller):
        return NOWHERE, []
    return _REACH.sql(**values_of(caller, level=level))


def levels_held(user: User) -> list[tuple[int, int]]:
    """Datastores and levels that the person has through each of their teams."""
    return _HELD.all(user=user.pk, org=user.org_id)


def has_level(caller: Caller, datastore: int, *, level: Level) -> bool:
    """Whether the caller, who sees the datastore, has at least `level` on it."""
    if sees_whole_org(caller, level=level):
        return True
    return not isinstance(caller, OrgCaller) and bool(_LEVELS.all(**values_of(caller, level=level), datastore=datastore))
