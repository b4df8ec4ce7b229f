"""Saved views in the inbox: a list under a name, private or shared with a team, one of them the default."""

from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.http import require_POST

from accounts.models import Role, User
from accounts.pages.readers import reader
from accounts.permissions import has_role
from anomalies.conditions import once
from anomalies.models import SavedView
from anomalies.pages.columns import choose_columns
from anomalies.pages.listing import Listing, whole
from anomalies.services.saved_views import change_view, create_view, delete_view, teams_of
from config.database.prepared import Query
from datastores.reach import PERSON, somebody
from orgs.errors import DomainError


class Seen(NamedTuple):
    """A view that a person sees, as it is stored."""

    id: int
    name: str
    query: str
    is_default: bool
    team: int | None
    team_name: str | None
    owner: int
    owner_name: str
    owner_email: str


SEEN: Final = ("pk", "name", "query", "default", "team", "team__name", "user", "user__name", "user__email")


def _seen(role: Role) -> Query[Any]:
    def build(*, user: int, org: int) -> QuerySet[SavedView, Any]:
        person = somebody(user=user, org=org, role=role)
        return SavedView.objects.visible_to(person).with_default_of(person).order_by("name", "pk").values_list(*SEEN)

    return Query(build, **PERSON)


def _teams(role: Role) -> Query[Any]:
    def build(*, org: int, user: int = 0) -> QuerySet[Any, Any]:
        teams = teams_of(somebody(user=user, org=org, role=role))
        return teams.order_by("name", "pk").values_list("pk", "name")

    return Query(build, **(PERSON if role == Role.MEMBER else {"org": PERSON["org"]}))


# By whether an Admin asks.
_SEEN: Final = {True: _seen(Role.ADMIN), False: _seen(Role.MEMBER)}
_TEAMS: Final = {True: _teams(Role.ADMIN), False: _teams(Role.MEMBER)}


@dataclass(frozen=True)
class ViewLink:
    """One view that the person may see. `shared` is the team's name, `owner` the other person whose it is; both may be empty."""

    id: int
    name: str
    address: str
    current: bool
    default: bool
    shared: str
    team: int | None
    owner: str
    may_delete: bool


@dataclass(frozen=True)
class ViewsMenu:
    """What the menu holds; `current` is the name of the view that the list is, empty for none."""

    views: tuple[ViewLink, ...]
    teams: tuple[tuple[int, str], ...]
    current: str
    may_save: bool
    address: str


def start_of(user: User) -> str:
    """The address of the person's default view; empty without one."""
    return next((Listing.read(QueryDict(view.query)).address() for view in seen_by(user) if view.is_default), "")


def views_menu(user: User, listing: Listing) -> ViewsMenu:
    """Two queries, whatever there is."""
    here = listing.address()
    links = tuple(link_of(view, user, here) for view in seen_by(user))
    return ViewsMenu(
        views=links,
        teams=tuple(_TEAMS[user.is_admin].all(org=user.org_id, user=user.pk)),
        current=next((link.name for link in links if link.current), ""),
        may_save=has_role(user, "view.manage") and not listing.wrong,
        address=here,
    )


def seen_by(user: User) -> list[Seen]:
    """The views that the person sees, by name. Looked up once in a request."""
    return once(user, "views", lambda: [Seen(*row) for row in _SEEN[user.is_admin].all(user=user.pk, org=user.org_id)])


def link_of(view: Seen, user: User, here: str) -> ViewLink:
    address = Listing.read(QueryDict(view.query)).address()
    return ViewLink(
        id=view.id,
        name=view.name,
        address=address,
        current=address == here,
        default=view.is_default,
        shared=view.team_name or "",
        team=view.team,
        owner="" if view.owner == user.pk else str(User(name=view.owner_name, email=view.owner_email)),
        may_delete=view.owner == user.pk or (user.is_admin and view.team is not None),
    )


@require_POST
def save_view(request: HttpRequest) -> HttpResponse:
    """Makes a view of the list in `list` under `name`, or changes or deletes the view `id`; `do` says which."""
    user = reader(request)
    if not has_role(user, "view.manage"):
        raise PermissionDenied
    address = Listing.read(QueryDict(request.POST.get("list", ""))).address()
    done = {"create": created, "rename": renamed, "delete": deleted, "default": begun_with}.get(request.POST.get("do", ""))
    if done is None:
        return back(request, address, "There is no such step.", is_error=True)
    try:
        return back(request, *done(user, request.POST, address))
    except DomainError as refused:
        return back(request, address, refused.in_full, is_error=True)


def created(user: User, sent: QueryDict, address: str) -> tuple[str, str]:
    name = name_in(sent)
    create_view(user, name=name, query=address, team_id=whole(sent.get("team", "")) or None, default=bool(sent.get("default")))
    return address, f"Saved as “{name}”."


def renamed(user: User, sent: QueryDict, address: str) -> tuple[str, str]:
    """Name and team; with `replace`, also the list."""
    view, name = view_in(user, sent), name_in(sent)
    query = address if sent.get("replace") else view.query
    change_view(view, user=user, name=name, team_id=whole(sent.get("team", "")) or None, query=query)
    return address, f"“{name}” was changed."


def deleted(user: User, sent: QueryDict, address: str) -> tuple[str, str]:
    view = view_in(user, sent)
    delete_view(view, user=user)
    return address, f"“{view.name}” was deleted."


def begun_with(user: User, sent: QueryDict, address: str) -> tuple[str, str]:
    view, is_default = view_in(user, sent), sent.get("default") == "1"
    change_view(view, user=user, default=is_default)
    return address, f"Your inbox begins with “{view.name}”." if is_default else "Your inbox begins with everything that is open."


def view_in(user: User, sent: QueryDict) -> SavedView:
    view: SavedView = get_object_or_404(SavedView.objects.visible_to(user), pk=whole(sent.get("id", "")))
    return view


def name_in(sent: QueryDict) -> str:
    """Raises DomainError for a name that is empty or too long."""
    name = sent.get("name", "").strip().replace("\0", "")
    if not 0 < len(name) <= SavedView._meta.get_field("name").max_length:  # type: ignore[operator]  # this field has one
        raise DomainError("Give the view a name of at most 100 characters.")
    return name


def back(request: HttpRequest, address: str, said: str, *, is_error: bool = False) -> HttpResponse:
    """To the list, with what came of it."""
    messages.add_message(request, messages.ERROR if is_error else messages.SUCCESS, said)
    return HttpResponseRedirect(f"{reverse('inbox')}?{address}")


@require_POST
def keep_columns(request: HttpRequest) -> HttpResponse:
    """Keeps `column` (repeatable) as the person's columns; with `usual`, goes back to the usual ones."""
    user = reader(request)
    if not has_role(user, "me.update"):
        raise PermissionDenied
    choose_columns(user, None if request.POST.get("usual") else request.POST.getlist("column"))
    return back(request, Listing.read(QueryDict(request.POST.get("list", ""))).address(), "Your columns are kept.")
