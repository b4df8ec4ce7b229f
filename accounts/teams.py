"""Who is in which team. Everybody is in the Public team, which has no rows and cannot be changed."""

from collections.abc import Collection

from django.db import transaction

from accounts.models import Team, TeamMember, User
from orgs.errors import FieldError, Invalid, NotFound
from orgs.events import record_event
from orgs.models import Event


def hold_team(team: Team) -> None:
    """Keeps others from the team until the transaction ends: of two who say what it is the later has the last word.

    Raises NotFound for a team that is gone.
    """
    if Team.objects.select_for_update(no_key=True).filter(pk=team.pk).first() is None:
        raise NotFound("This team was deleted meanwhile.")


@transaction.atomic
def set_members(team: Team, user_ids: Collection[int], *, actor_id: int | None) -> None:
    """Makes these people and service accounts the members of the team, and nobody else. Raises Invalid for an id that the org has not."""
    hold_team(team)
    known = set(User.objects.for_org(team.org_id).filter(pk__in=user_ids).values_list("pk", flat=True))
    refuse_strangers("members", user_ids, known)
    gone, _ = TeamMember.objects.filter(team=team).exclude(user__in=known).delete()
    added = known - set(TeamMember.objects.filter(team=team).values_list("user_id", flat=True))
    TeamMember.objects.bulk_create((TeamMember(org_id=team.org_id, team=team, user_id=pk) for pk in sorted(added)), ignore_conflicts=True)
    if gone or added:
        said = f"Team {team.name}: {len(added)} joined, {gone} left"
        record_event(team.org_id, type=Event.Type.TEAM, name=said, user_id=actor_id)


@transaction.atomic
def set_teams(user: User, team_ids: Collection[int], *, actor_id: int | None) -> None:
    """Puts a user into these teams, and out of all others. Raises Invalid for an id that the org has not, and for the Public team's."""
    known = set(Team.objects.for_org(user.org_id).filter(pk__in=team_ids, is_public=False).values_list("pk", flat=True))
    refuse_strangers("teams", team_ids, known)
    gone, _ = TeamMember.objects.filter(user=user).exclude(team__in=known).delete()
    added = known - set(TeamMember.objects.filter(user=user).values_list("team_id", flat=True))
    TeamMember.objects.bulk_create((TeamMember(org_id=user.org_id, team_id=pk, user=user) for pk in sorted(added)), ignore_conflicts=True)
    if gone or added:
        record_event(user.org_id, type=Event.Type.TEAM, name=f"{user}: joined {len(added)} teams, left {gone}", user_id=actor_id)


def refuse_strangers(field: str, ids: Collection[int], known: Collection[int]) -> None:
    """Raises Invalid naming each of `ids` that is not `known`."""
    errors = [FieldError(("body", field, at), "not_found", f"There is no {pk} here.") for at, pk in enumerate(ids) if pk not in known]
    if errors:
        raise Invalid(f"Some of the {field} do not exist.", errors=errors)
