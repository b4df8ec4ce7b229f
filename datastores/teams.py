"""Teams: who is in one, and what it may do on which datastore."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from django.db import transaction

from accounts.models import Level, Team, User
from accounts.teams import hold_team, refuse_strangers, set_members
from datastores.models import Datastore, TeamAccess
from orgs.errors import Conflict, Forbidden
from orgs.events import record_event
from orgs.models import Event
from orgs.uniqueness import conflict_if_taken


@dataclass(frozen=True)
class Grant:
    """A level on a datastore."""

    datastore_id: int
    level: Level


@transaction.atomic
def create_team(org_id: int, *, name: str, members: Collection[int], access: Sequence[Grant], actor: User) -> Team:
    """A team with its members and levels. Raises Conflict for a name that is taken, Invalid for an id that the org has not."""
    team = _stored(Team(org_id=org_id, name=name))
    record_event(org_id, type=Event.Type.TEAM, name=f"Team {name} made", user_id=actor.pk)
    set_members(team, members, actor_id=actor.pk)
    set_access(team, access, actor=actor)
    return team


@transaction.atomic
def rename_team(team: Team, name: str, *, actor: User) -> None:
    """Raises Conflict for a name that is taken, and for the Public team."""
    refuse_public(team)
    if name == team.name:
        return
    before, team.name = team.name, name
    _stored(team)
    record_event(team.org_id, type=Event.Type.TEAM, name=f"Team {before} is now {name}", user_id=actor.pk)


@transaction.atomic
def delete_team(team: Team, *, actor: User) -> None:
    """Its members lose what they could do through it. Raises Conflict for the Public team."""
    refuse_public(team)
    record_event(team.org_id, type=Event.Type.TEAM, name=f"Team {team.name} deleted", user_id=actor.pk)
    team.delete()


@transaction.atomic
def set_access(team: Team, access: Sequence[Grant], *, actor: User) -> None:
    """Makes these the team's levels, and no others. Where the level stays as it is, nothing has to be allowed.

    Raises Invalid for a datastore that the actor does not see, Forbidden for a change on one where the actor is no editor, NotFound for a
    team that is gone.
    """
    hold_team(team)
    seen = set(Datastore.objects.visible_to(actor).values_list("pk", flat=True))
    refuse_strangers("access", [grant.datastore_id for grant in access], seen)
    before = {row.datastore_id: row.level for row in TeamAccess.objects.filter(team=team)}
    # A datastore that the actor does not see is not the actor's to change, and is kept as it is.
    wanted = {pk: level for pk, level in before.items() if pk not in seen} | {grant.datastore_id: int(grant.level) for grant in access}
    changed = {pk for pk in before.keys() | wanted.keys() if before.get(pk) != wanted.get(pk)}
    if not changed:
        return
    _require_editor(actor, changed)
    TeamAccess.objects.filter(team=team, datastore__in=changed).delete()
    TeamAccess.objects.bulk_create(
        TeamAccess(org_id=team.org_id, team=team, datastore_id=pk, level=wanted[pk]) for pk in sorted(changed & wanted.keys())
    )
    record_event(team.org_id, type=Event.Type.TEAM, name=f"Team {team.name}: levels changed on {len(changed)} datastores", user_id=actor.pk)


def refuse_public(team: Team) -> None:
    if team.is_public:
        raise Conflict("The Public team holds everybody: its name and its members are fixed.")


def _stored(team: Team) -> Team:
    with conflict_if_taken(f"There is a team {team.name!r} already."):
        team.save()
    return team


def _require_editor(actor: User, datastores: Collection[int]) -> None:
    allowed = set(Datastore.objects.visible_to(actor, level=Level.EDITOR).values_list("pk", flat=True))
    if not allowed.issuperset(datastores):
        raise Forbidden("Changing what a team may do on a datastore needs the level editor there.")
