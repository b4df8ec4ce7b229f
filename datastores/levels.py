"""Which of many people may do something on which of many datastores."""

from collections.abc import Collection
from dataclasses import dataclass

from django.db.models import Q

from accounts.models import Level, Role, User
from datastores.models import TeamAccess


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
