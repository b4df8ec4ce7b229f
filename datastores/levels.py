"""Levels of people on datastores, beyond the one of a caller on the datastore at hand."""

from collections.abc import Collection
from dataclasses import dataclass

from django.db.models import Exists, OuterRef, Q, QuerySet

from accounts.callers import Caller, OrgCaller
from accounts.models import Level, Role, User
from accounts.permissions import PERMISSIONS, has_role
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


def holders(org_id: int, *, users: Collection[int], datastores: Collection[int], level: Level) -> Holders:
    """Who of `users` has at least `level` on which of `datastores`; whoever the org does not have is not known. At most two queries."""
    if not users:
        return Holders({}, frozenset(), frozenset())
    people = list(User.objects.for_org(org_id).filter(pk__in=users, is_active=True).only("name", "role", "is_demo"))
    everywhere = frozenset(one.pk for one in people if one.role == Role.ADMIN or (one.is_demo and level <= Level.VIEWER))
    rest = [one.pk for one in people if one.pk not in everywhere]
    return Holders({one.pk: one.name for one in people}, everywhere, frozenset(_pairs(org_id, rest, datastores, level)))


def _pairs(org_id: int, users: Collection[int], datastores: Collection[int], level: Level) -> set[tuple[int, int]]:
    if not users:
        return set()
    through = Q(team__is_public=True) | Q(team__teammember__user__in=users)
    granted = TeamAccess.objects.filter(through, org=org_id, datastore__in=datastores, level__gte=level)
    pairs: set[tuple[int, int]] = set()
    for datastore, is_public, member in granted.values_list("datastore", "team__is_public", "team__teammember__user"):
        pairs.update((user, datastore) for user in (users if is_public else (member,)))
    return pairs


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
