"""Saved views in the inbox: a list under a name, private or shared with a team, one of them the default."""

from dataclasses import dataclass

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.http import require_POST

from accounts.models import User
from accounts.pages.readers import reader
from accounts.permissions import has_role
from anomalies.models import SavedView
from anomalies.pages.columns import choose_columns
from anomalies.pages.listing import Listing, whole
from anomalies.services.saved_views import change_view, create_view, default_view_of, delete_view, teams_of
from orgs.errors import DomainError


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
    view = default_view_of(user)
    return Listing.read(QueryDict(view.query)).address() if view else ""


def views_menu(user: User, listing: Listing) -> ViewsMenu:
    """Three queries, whatever there is."""
    here = listing.address()
    links = tuple(link_of(view, user, here) for view in seen_by(user))
    return ViewsMenu(
        views=links,
        teams=tuple(teams_of(user).order_by("name", "pk").values_list("pk", "name")),
        current=next((link.name for link in links if link.current), ""),
        may_save=has_role(user, "view.manage") and not listing.wrong,
        address=here,
    )


def seen_by(user: User) -> QuerySet[SavedView]:
    return SavedView.objects.visible_to(user).with_default_of(user).select_related("user", "team").order_by("name", "pk")


def link_of(view: SavedView, user: User, here: str) -> ViewLink:
    address = Listing.read(QueryDict(view.query)).address()
    return ViewLink(
        id=view.pk,
        name=view.name,
        address=address,
        current=address == here,
        default=view.default,  # type: ignore[attr-defined]  # annotated by with_default_of
        shared=view.team.name if view.team else "",
        team=view.team_id,
        owner="" if view.user_id == user.pk else str(view.user),
        may_delete=view.user_id == user.pk or (user.is_admin and view.team_id is not None),
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
        said = " ".join([refused.detail, *(error.msg for error in refused.errors)])
        return back(request, address, said, is_error=True)


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
    if not 0 < len(name) <= SavedView._meta.get_field("name").max_length:  # type: ignore[operator]
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
