"""Keeping a list under a name, sharing it with a team, and beginning with it."""

from collections.abc import Sequence
from typing import Any, Final

from django.db import transaction
from django.db.models import QuerySet

from accounts.models import Team, User
from anomalies.models import DefaultView, SavedView
from orgs.errors import Conflict, FieldError, Forbidden, Invalid
from orgs.uniqueness import conflict_if_taken

MOST: Final = 100


@transaction.atomic
def create_view(user: User, *, name: str, query: str, team_id: int | None, default: bool) -> SavedView:
    """Raises Conflict when the person has a view of this name or as many as one may have, Invalid for a team that is not theirs."""
    User.objects.select_for_update().get(pk=user.pk)  # one after the other, so that the limit holds
    if SavedView.objects.filter(user=user).count() >= MOST:
        raise Conflict(f"You have {MOST} views already. Delete one that you no longer need.")
    view = stored(SavedView(org_id=user.org_id, user=user, name=name, query=query, team=team_of(user, team_id)))
    set_default(view, user=user, is_default=default)
    return view


@transaction.atomic
def change_view(view: SavedView, *, user: User, default: bool | None = None, **changes: Any) -> SavedView:
    """With `changes` of name, query and team_id applied; only its owner changes these, whoever sees it may begin with it.

    Raises Forbidden for another's view, Conflict for a name that is taken, Invalid for a team that is not theirs.
    """
    if changes:
        refuse_others(view, user)
        if "team_id" in changes:
            view.team = team_of(user, changes.pop("team_id"))
        for field, value in changes.items():
            setattr(view, field, value)
        stored(view, update_fields=[*changes, "team", "updated"])
    if default is not None:
        set_default(view, user=user, is_default=default)
    return view


def delete_view(view: SavedView, *, user: User) -> None:
    """Raises Forbidden for another's view, unless an Admin takes away what is shared."""
    if not (user.is_admin and view.team_id):
        refuse_others(view, user)
    view.delete()


def set_default(view: SavedView, *, user: User, is_default: bool) -> None:
    if is_default:
        DefaultView.objects.update_or_create(user=user, defaults={"org_id": user.org_id, "view": view})
    else:
        DefaultView.objects.filter(user=user, view=view).delete()


def refuse_others(view: SavedView, user: User) -> None:
    if view.user_id != user.pk:
        raise Forbidden("This view is somebody else's. Save one of your own.")


def stored(view: SavedView, *, update_fields: Sequence[str] | None = None) -> SavedView:
    with conflict_if_taken(f"You have a view named {view.name!r} already."):
        view.save(update_fields=update_fields)
    return view


def team_of(user: User, team_id: int | None) -> Team | None:
    """The team, if the person may share with it. Raises Invalid for any other."""
    if team_id is None:
        return None
    found = teams_of(user).filter(pk=team_id).first()
    if found is None:
        raise Invalid("The view was not saved.", errors=[FieldError(("body", "team_id"), "not_found", "You are in no such team.")])
    return found


def teams_of(user: User) -> QuerySet[Team]:
    """With which the person may share: their own and the public one; an Admin with any."""
    teams = Team.objects.for_org(user.org_id)
    return teams if user.is_admin else (teams.filter(members=user) | teams.filter(is_public=True)).distinct()
