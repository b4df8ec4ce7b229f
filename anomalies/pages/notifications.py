"""What the reader was told: the list, what was read, and what they want to hear of."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.dateparse import parse_datetime
from django.views.decorators.http import require_GET, require_POST

from accounts.models import User
from accounts.pages.readers import is_htmx, reader
from accounts.permissions import has_role
from anomalies.mentions import plain
from anomalies.models import Notice, NoticeSettings
from anomalies.pages.badges import unread
from anomalies.pages.listing import page_number, whole
from anomalies.pages.rows import anomaly_address, title_of
from anomalies.services import following
from anomalies.services.notice_words import headline

PAGE_SIZE: Final = 25
KINDS: Final = (
    (Notice.Kind.MENTIONED, "Somebody mentions you", "In a comment on an anomaly that you may read."),
    (Notice.Kind.ASSIGNED, "An anomaly is assigned to you", "By a person, or by the check that found it."),
    (Notice.Kind.WATCHED, "An anomaly that you watch changes", "Its status, tags, assignees or description, a comment, its end."),
)


@dataclass(frozen=True)
class NoticeRow:
    """One notice, ready to be written out."""

    id: int
    url: str
    initials: str
    headline: str
    type: str
    title: str
    message: str
    quote: str
    at: datetime
    is_unread: bool


@dataclass(frozen=True)
class Wish:
    """One kind of notice and where the reader wants it."""

    kind: str
    label: str
    meaning: str
    in_app: bool
    email: bool


@dataclass(frozen=True)
class Page:
    """What the page shows; `until` is what "all" means when it is marked as read."""

    rows: tuple[NoticeRow, ...]
    shows_all: bool
    unread: str
    until: datetime | None
    before: str
    after: str
    may_acknowledge: bool


@require_GET
def notifications(request: HttpRequest) -> HttpResponse:
    """The page."""
    user = reader(request)
    row = following.settings_of(user)
    context = {"page": notices_shown(request, user), "wishes": wishes_of(row), "auto_watch": row.auto_watch}
    return render(request, "anomalies/notifications.html", context)


def notices_shown(request: HttpRequest, user: User) -> Page:
    shows_all = request.GET.get("show") == "all"
    number = page_number(request.GET)
    told = Notice.objects.visible_to(user).select_related("by", "anomaly__metric", "anomaly__container", "anomaly__datastore")
    start = (number - 1) * PAGE_SIZE
    found = list((told if shows_all else told.unread()).order_by("-created", "-pk")[start : start + PAGE_SIZE + 1])
    return Page(
        rows=tuple(row_of(notice) for notice in found[:PAGE_SIZE]),
        shows_all=shows_all,
        unread=unread(user),
        until=found[0].created if found else None,
        before=address(shows_all=shows_all, page=number - 1) if number > 1 else "",
        after=address(shows_all=shows_all, page=number + 1) if len(found) > PAGE_SIZE else "",
        may_acknowledge=has_role(user, "notification.acknowledge"),
    )


def address(*, shows_all: bool, page: int) -> str:
    return f"{reverse('notifications')}?{'show=all&' if shows_all else ''}page={page}"


def row_of(notice: Notice) -> NoticeRow:
    anomaly = notice.anomaly
    return NoticeRow(
        id=notice.pk,
        url=anomaly_address(anomaly.pk),
        initials=notice.by.initials if notice.by else "",
        headline=headline(notice),
        type=anomaly.type,
        title=title_of(anomaly),
        message=anomaly.message,
        quote=plain(notice.comment),
        at=notice.created,
        is_unread=notice.acknowledged is None,
    )


def wishes_of(row: NoticeSettings) -> tuple[Wish, ...]:
    return tuple(
        Wish(kind, label, meaning, getattr(row, f"{kind}_in_app"), getattr(row, f"{kind}_email")) for kind, label, meaning in KINDS
    )


def writer(request: HttpRequest) -> User:
    """The reader, who may change what is theirs. Raises PermissionDenied for demo users."""
    user = reader(request)
    if not has_role(user, "notification.acknowledge"):
        raise PermissionDenied
    return user


@require_POST
def acknowledge(request: HttpRequest) -> HttpResponse:
    """Marks one (`id`) or everything up to `until` as read."""
    user = writer(request)
    if pk := whole(request.POST.get("id", "")):
        for notice in Notice.objects.visible_to(user).filter(pk=pk):
            following.acknowledge(notice)
    else:
        following.acknowledge_all(user, until=moment(request.POST.get("until", "")))
    if is_htmx(request):
        return render(request, "anomalies/_notices.html", {"page": notices_shown(request, user), "part": True})
    return HttpResponseRedirect(f"{reverse('notifications')}{'?show=all' if request.GET.get('show') == 'all' else ''}")


def moment(text: str) -> datetime | None:
    try:
        found = parse_datetime(text)
    except ValueError:
        return None
    return found if found is not None and found.tzinfo is not None else None


@require_POST
def save_wishes(request: HttpRequest) -> HttpResponse:
    """Sets every switch to what the form says; one that is not ticked is off."""
    user = writer(request)
    names = [f"{kind}_{way}" for kind, *_ in KINDS for way in ("in_app", "email")]
    following.change_settings(user, {name: name in request.POST for name in (*names, "auto_watch")})
    messages.success(request, "Saved.")
    return HttpResponseRedirect(f"{reverse('notifications')}#wishes")


@require_GET
def bell(request: HttpRequest) -> HttpResponse:
    """The bell alone, for the page that asks again now and then."""
    return render(request, "parts/bell.html")
