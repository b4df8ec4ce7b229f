"""Levels of people on datastores, beyond the one of a caller on the datastore at hand."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from django.db.models import Exists, OuterRef, Q, QuerySet

from accounts.callers import Caller, OrgCaller
from accounts.models import Level, Role, User
from accounts.permissions import PERMISSIONS, has_role
from config.database.prepared import Statement
from datastores.models import TeamAccess
from datastores.querysets import access_of


def may_at_all(user: Caller, operation: str) -> bool:
    """Whether the caller's role allows `operation`, or a level somewhere that does instead. Raises KeyError as `has_role` does."""
    need = PERMISSIONS[operation]
    if has_role(user, operation):
        return True
    if need.or_level is None or isinstance(user, OrgCaller) or (user.is_demo and need.writes):
        return False
    return access_of(user).filter(level__gte=need.or_level).exists()


@dataclass(frozen=True)
class Holders:
    """People of one org by id, with their names, and on which of the datastores that were asked for each has the level."""

    names: dict[int, str]
    everywhere: frozenset[int]
    pairs: frozenset[tuple[int, int]]

    def knows(self, user_id: int) -> bool:
        """Whether the org has this person, and they are active."""
        return user_id in self.names

    def may(self, user_id: int, datastore_id: int) -> bool:
        return user_id in self.everywhere or (user_id, datastore_id) in self.pairs


# No id is greater; one that is sent may be.
BIGGEST_ID: Final = 2**63 - 1
# Whoever looks after something is checked with every change of it.
PEOPLE: Final = Statement("""
SELECT id, name, role, is_demo FROM accounts_user WHERE org_id = %s::bigint AND id = ANY(%s::bigint[]) AND is_active
""")
PAIRS: Final = Statement("""
SELECT m.user_id, a.datastore_id
  FROM datastores_teamaccess a JOIN accounts_teammember m ON m.team_id = a.team_id
 WHERE a.org_id = %(org)s::bigint AND a.datastore_id = ANY(%(datastores)s::bigint[]) AND a.level >= %(level)s::integer
   AND m.user_id = ANY(%(users)s::bigint[])
 UNION
SELECT u.id, a.datastore_id
  FROM datastores_teamaccess a JOIN accounts_team t ON t.id = a.team_id AND t.is_public
       CROSS JOIN unnest(%(users)s::bigint[]) AS u (id)
 WHERE a.org_id = %(org)s::bigint AND a.datastore_id = ANY(%(datastores)s::bigint[]) AND a.level >= %(level)s::integer
""")


def holders(org_id: int, *, users: Collection[int], datastores: Collection[int], level: Level) -> Holders:
    """Who of `users` has at least `level` on which of `datastores`; whoever the org does not have is not known. At most two queries."""
    if not users:
        return Holders({}, frozenset(), frozenset())
    people = PEOPLE.rows(org_id, [pk for pk in users if abs(pk) <= BIGGEST_ID])
    everywhere = frozenset(pk for pk, _, role, is_demo in people if role == Role.ADMIN or (is_demo and level <= Level.VIEWER))
    rest = [pk for pk, *_ in people if pk not in everywhere]
    pairs = PAIRS.rows(org=org_id, users=rest, datastores=list(datastores), level=int(level)) if rest else []
    return Holders({pk: name for pk, name, *_ in people}, everywhere, frozenset((user, datastore) for user, datastore in pairs))


def readers_of(org_id: int, datastore_id: int, *, search: str = "") -> QuerySet[User]:
    """People who may read what is said on the datastore (Viewer), by name; with `search`, those whose name or address has it.

    Those who visit the demo and service accounts look after nothing, and are left out.
    """
    through = Q(team__is_public=True) | Q(team__teammember__user=OuterRef("pk"))
    granted = TeamAccess.objects.filter(through, org=org_id, datastore=datastore_id, level__gte=Level.VIEWER)
    people = User.objects.for_org(org_id).filter(is_active=True, is_service=False, is_demo=False)
    people = people.filter(Q(role=Role.ADMIN) | Exists(granted))
    if search:
        people = people.filter(Q(name__icontains=search) | Q(email__istartswith=search))
    found: QuerySet[User] = people.order_by("name", "pk")
    return found
