"""What every page shows around its own content, and the pages for when something is wrong."""

import sys
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.models import AnonymousUser
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.functional import SimpleLazyObject
from psycopg_pool import PoolTimeout

from accounts.models import User
from accounts.pages.look import keys_of, theme_of
from accounts.permissions import has_role
from accounts.zones import zone_of
from anomalies.pages.badges import unread, waiting
from config.api.problems import problem_response
from config.api.session.endpoint import refused
from config.api.session.envelope import Refusal

# Where people are: everywhere else a program may ask, and `Accept` says whether it is a browser.
PAGES: Final = ("/app/", "/admin/", "/static/")
DATABASE_AWAY: Final = (OperationalError, InterfaceError, PoolTimeout)


@dataclass(frozen=True)
class Place:
    """One entry of the rail. `count` is what waits there, as text ("23", "1,000+"), empty for nothing."""

    label: str
    url: str
    current: bool
    key: str
    count: str = ""


def places(request: HttpRequest, user: User) -> tuple[Place, ...]:
    """The rail, with the count that waits in the inbox (one query)."""
    match = request.resolver_match
    here = getattr(match, "url_name", None) or ""

    def place(label: str, name: str, key: str, *belonging: str, count: str = "") -> Place:
        return Place(label, reverse(name), here in (name, *belonging), key, count)

    return (
        place("Overview", "overview", "o"),
        place("Inbox", "inbox", "i", "anomaly", "inbox-facets", count=waiting(user)),
        place("Metrics", "metrics", "m", "metric"),
        place("Insights", "insights", "n"),
        Place("Settings", reverse("settings"), here.startswith("settings"), "s"),
    )


# The pages of the settings, and of which operations one has to be allowed to see each.
SETTINGS: Final = (
    ("Organisation", "settings", ("org.read",)),
    ("Members", "settings-members", ("user.read",)),
    ("Teams", "settings-teams", ("team.read",)),
    ("Keys and tokens", "settings-keys", ("ingest_key.read",)),
    ("Tags", "settings-tags", ("tag.read",)),
    ("Integrations", "settings-integrations", ("integration.read",)),
    ("Housekeeping", "settings-housekeeping", ("flow.read",)),
    ("Channels", "settings-channels", ("org.channels",)),
    ("Admin alerts", "settings-alerts", ("org.settings",)),
    ("Events", "settings-events", ("event.read",)),
    ("Quota", "settings-quota", ("org.quota",)),
    ("Billing", "settings-billing", ("billing.read",)),
    ("Danger zone", "settings-danger", ("org.settings",)),
)
# The page of one team belongs to the list of teams.
WITHIN: Final = {"settings-team": "settings-teams"}


def settings_places(request: HttpRequest, user: User) -> tuple[Place, ...]:
    """The settings that the person may see. No query."""
    here = getattr(request.resolver_match, "url_name", None) or ""
    here = WITHIN.get(here, here)
    seen = [(label, name) for label, name, operations in SETTINGS if any(has_role(user, operation) for operation in operations)]
    return tuple(Place(label, reverse(name), here == name, "") for label, name in seen)


# The pages of one's own account, and which belong to which.
PROFILE: Final = (
    ("Profile", ("profile",)),
    ("Notifications", ("profile-notifications",)),
    ("Security", ("profile-security", "profile-authenticator")),
    ("Tokens", ("profile-tokens",)),
)


def profile_places(request: HttpRequest) -> tuple[Place, ...]:
    here = getattr(request.resolver_match, "url_name", None) or ""
    return tuple(Place(label, reverse(names[0]), here in names, "") for label, names in PROFILE)


def page_context(request: HttpRequest) -> dict[str, Any]:
    """For templates: `places` (the rail), `unread` (the bell), `settings_places`, `profile_places`, how the reader wants it: `theme`,
    `single_keys`, `clock`, and `zone`, which is called when a time is written.
    """
    user = getattr(request, "user", None) or AnonymousUser()
    return {
        "places": SimpleLazyObject(lambda: places(request, user) if isinstance(user, User) else ()),
        "settings_places": SimpleLazyObject(lambda: settings_places(request, user) if isinstance(user, User) else ()),
        "unread": SimpleLazyObject(lambda: unread(user) if isinstance(user, User) else ""),
        "profile_places": SimpleLazyObject(lambda: profile_places(request)),
        "single_keys": SimpleLazyObject(lambda: keys_of(request, user) if isinstance(user, User) else True),
        "clock": SimpleLazyObject(lambda: str(user.clock) if isinstance(user, User) else str(User.Clock.DAY)),
        "theme": SimpleLazyObject(lambda: theme_of(request, user) if isinstance(user, User) else str(User.Theme.SYSTEM)),
        "zone": partial(zone_of, user),
    }


@dataclass(frozen=True)
class Trouble:
    """What an error page says: what happened, why, and what to do now. `detail` is for the REST API, where its own words do not do."""

    status: int
    title: str
    why: str
    advice: str
    detail: str = ""


FORBIDDEN = Trouble(
    403,
    "That is not yours to do",
    "Neither your role nor your team's level on a datastore allows it.",
    "Ask an admin of your organisation for a higher one.",
)
STALE_FORM = Trouble(
    403,
    "This form is too old",
    "Its security token no longer fits your session, often because you logged in elsewhere.",
    "Go back, reload, and send it again.",
)
NOT_FOUND = Trouble(
    404,
    "Nothing here",
    "There is no such page, or what it showed is not in your organisation.",
    "Check the address, or start from the inbox.",
)
TOO_LARGE = Trouble(413, "That is too much at once", "What was sent is larger than is taken in one request.", "Send less.")
PACKED = Trouble(
    415,
    "That cannot be unpacked",
    "What was sent is packed in a way that is not taken here.",
    "Send it as it is.",
    "Content-Encoding: send the body as it is, without packing it.",
)
MALFORMED = Trouble(400, "That could not be read", "The request is malformed.", "Go back and try again.")
BROKEN = Trouble(
    500, "That went wrong", "The mistake is ours, and it is in the log.", "Try again; if it stays, give the operator the request id below."
)
AWAY = Trouble(
    503,
    "Back in a moment",
    "The database does not answer right now. Points that were acknowledged are safe.",
    "This page tries again by itself.",
)


@login_not_required
def operators_only(request: HttpRequest) -> HttpResponse:
    """Instead of the admin's own log-in, so that there is one door: the product's log-in, or a refusal for those who are in."""
    if request.user.is_authenticated:
        raise PermissionDenied
    return redirect_to_login(request.GET.get("next", reverse("admin:index")))


def trouble_page(request: HttpRequest, trouble: Trouble) -> HttpResponseBase:
    """The page for one trouble; under /api/ it is a problem document, and for programs at the root the session API's envelope."""
    if request.path.startswith("/api/"):
        return problem_response(request, trouble.status, detail=trouble.detail)
    if not request.path.startswith(PAGES) and "text/html" not in request.headers.get("Accept", ""):
        return refused(request, Refusal(trouble.status, f"{trouble.why} {trouble.advice}"))
    about = {"trouble": trouble, "request_id": getattr(request, "request_id", "")}
    # When the fault is ours, nothing is asked that could fail again.
    body = render_to_string("errors/error.html", about, request if trouble.status < 500 else None)
    return HttpResponse(body, status=trouble.status)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    return trouble_page(request, MALFORMED)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    return trouble_page(request, FORBIDDEN)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponseBase:
    return trouble_page(request, STALE_FORM)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    return trouble_page(request, NOT_FOUND)


def server_error(request: HttpRequest) -> HttpResponseBase:
    """500, or 503 with Retry-After when it was the database that did not answer."""
    if not isinstance(sys.exc_info()[1], DATABASE_AWAY):
        return trouble_page(request, BROKEN)
    response = trouble_page(request, AWAY)
    response["Retry-After"] = "5"
    return response
