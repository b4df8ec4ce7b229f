"""What operators have beside the tables of the admin: its navigation, and the mails of an installation without a mail server."""

from typing import Any, Final

from django.conf import settings
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.views.decorators.http import require_GET

from config import mailbox

PAGE: Final = 50
ICONS: Final = {
    "orgs": "domain",
    "accounts": "group",
    "billing": "payments",
    "datastores": "database",
    "metrics": "monitoring",
    "anomalies": "warning",
}
# A mail shows itself and does nothing: no script, no form, nothing from elsewhere, no origin of its own.
HARMLESS: Final = (
    "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """The rail of the admin: the operators' pages, then the tables, app by app."""
    apps = admin.site.get_app_list(request)
    return [
        {"items": [{"title": "Overview", "icon": "home", "link": reverse("admin:index")}, *_pages(request)]},
        *({"title": app["name"], "collapsible": True, "separator": True, "items": _tables(app)} for app in apps),
    ]


def _pages(request: HttpRequest) -> list[dict[str, Any]]:
    return [{"title": "Mails", "icon": "mail", "link": reverse("mails")}] if may_read_mails(request) else []


def _tables(app: dict[str, Any]) -> list[dict[str, Any]]:
    icon = ICONS.get(app["app_label"], "table")
    return [{"title": str(model["name"]), "icon": icon, "link": model["admin_url"]} for model in app["models"] if model["admin_url"]]


def may_read_mails(request: HttpRequest) -> bool:
    """There are codes and links to accounts in them: only for who may see the letters, as every superuser may."""
    return bool(request.user.has_perm("accounts.view_letter"))


def _mail_or_404(request: HttpRequest, id: str) -> mailbox.Mail:
    if not may_read_mails(request):
        raise PermissionDenied
    found = mailbox.mail_of(id)
    if found is None:
        raise Http404
    return found


@require_GET
def mails(request: HttpRequest) -> HttpResponse:
    """The mails that landed as files, newest first; with `q`, those to or about it."""
    if not may_read_mails(request):
        raise PermissionDenied
    search = request.GET.get("q", "")[:200]
    page = Paginator(mailbox.envelopes(search), PAGE).get_page(request.GET.get("p"))
    server = f"{settings.EMAIL_HOST}:{settings.EMAIL_PORT}" if settings.EMAIL_HOST else ""
    about = {"title": "Mails", "page": page, "search": search, "server": server, "most": mailbox.NEWEST}
    return TemplateResponse(request, "admin/mails.html", admin.site.each_context(request) | about)


@require_GET
def mail(request: HttpRequest, id: str) -> HttpResponse:
    """One mail: its text, and its HTML in a frame in which it can do nothing."""
    found = _mail_or_404(request, id)
    about = {"title": found.envelope.subject or "A mail without a subject", "mail": found}
    return TemplateResponse(request, "admin/mail.html", admin.site.each_context(request) | about)


@require_GET
def mail_html(request: HttpRequest, id: str) -> HttpResponse:
    """The HTML of a mail, for that frame."""
    response = HttpResponse(_mail_or_404(request, id).html, content_type="text/html; charset=utf-8")
    response["Content-Security-Policy"] = HARMLESS
    response["X-Frame-Options"] = "SAMEORIGIN"
    return response


urls: list[URLPattern] = [  # under /admin/
    path("mails/", admin.site.admin_view(mails), name="mails"),
    path("mails/<str:id>/", admin.site.admin_view(mail), name="mail"),
    path("mails/<str:id>/html", admin.site.admin_view(mail_html), name="mail-html"),
]
