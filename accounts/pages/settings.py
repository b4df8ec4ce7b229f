"""What the pages of the settings share: who may look, which change needs what, and how a change or a refusal is said.

    class Members(SettingsView):
        title, part, place = "Members", "datastores/_members.html", "settings-members"
        operation = "user.read"
        changes = {"invite": "user.manage"}      # the button's `do` -> the operation
        form_classes = {"invite": InviteForm}

        def invite(self, said): ...              # does it, returns Done("Jo was invited."), or raises DomainError
        def context(self): ...                   # what the part shows

A form is sent to the page's own address with `do`. With htmx the part comes back alone; without, the reader is sent back to the page.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final, TypeVar

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.views import View

from accounts.models import User
from accounts.pages.readers import is_htmx, reader, wants_part
from accounts.permissions import HELD_BACK, PERMISSIONS, ROLE_RANK, has_role, is_held_back
from orgs.errors import DomainError, NotFound, TooMany

One = TypeVar("One", bound=Model)

DEMO: Final = "You are visiting a demo: look at everything, nothing can be changed."
NOBODY: Final = "Only {role}s of the organisation can change this."
REVISE: Final = "Nothing was changed: see what is wrong."


@dataclass(frozen=True)
class Done:
    """What came of a change: the sentence, a secret that is shown this once with what it is called, where to go if not back.

    `stays`: the answer shows what a second request would not, without being secret.
    """

    said: str
    secret: str = ""
    secret_name: str = ""
    leads_to: str = ""
    stays: bool = False


@dataclass(frozen=True)
class Page:
    """Some rows of a list, and where the others are; addresses are empty where there are none."""

    rows: Sequence[Any]
    first: int
    last: int
    total: int
    before: str = ""
    after: str = ""


class RowForm(forms.Form):
    """Names one row of what the page lists."""

    id = forms.IntegerField(min_value=1, max_value=2**63 - 1, widget=forms.HiddenInput)


def row_of(found: QuerySet[One], said: Mapping[str, Any], *, gone: str) -> One:
    """The row that a RowForm names. Raises NotFound, in the words of `gone`, when it is not among those found."""
    row = found.filter(pk=said["id"]).first()
    if row is None:
        raise NotFound(gone)
    return row


def numbered_page(found: QuerySet[Any], params: QueryDict, *, size: int = 50) -> Page:
    """The page of a list that the address names by `page`, from 1; the last one when there are not so many. Two queries."""
    total = found.count()
    asked = params.get("page", "")
    number = int(asked) if asked.isascii() and asked.isdigit() and len(asked) < 7 else 1
    number = max(1, min(number, -(-total // size)))
    rows = list(found[(number - 1) * size : number * size])

    def address(there: int) -> str:
        other = params.copy()
        other["page"] = str(there)
        return f"?{other.urlencode()}"

    before = address(number - 1) if number > 1 else ""
    after = address(number + 1) if number * size < total else ""
    return Page(rows, (number - 1) * size + 1 if rows else 0, (number - 1) * size + len(rows), total, before, after)


class SettingsView(View):
    """One page of the settings, and the changes that can be made there.

    A page says its `title`, its template (`part`), its route (`place`), the `operation` that lets in, and in `changes` what each needs. A
    change comes as `do` with the form that `form_classes` names, and is done by the method of its name: cleaned values in, `Done` out.
    """

    frame: ClassVar[str] = "settings.html"
    title: ClassVar[str]
    body: ClassVar[str] = "parts/settings_body.html"
    part: ClassVar[str]
    place: ClassVar[str]
    operation: ClassVar[str]
    changes: ClassVar[Mapping[str, str]] = {}
    form_classes: ClassVar[Mapping[str, type[forms.Form]]] = {}
    http_method_names: ClassVar[list[str]] = ["get", "head", "post"]  # type: ignore[misc]

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        self.person = reader(request)
        if not self.may_look():
            raise PermissionDenied
        return super().dispatch(request, *args, **kwargs)

    def may_look(self) -> bool:
        return has_role(self.person, self.operation)

    def may(self, do: str) -> bool:
        """Whether the reader's role allows the change at all."""
        return has_role(self.person, self.changes[do])

    def why_not(self) -> str:
        """Why the reader can change nothing here; empty when they can change something."""
        return why_not(self.person, tuple(self.changes.values()))

    def context(self) -> Mapping[str, Any]:
        """What the part shows."""
        return {}

    def form(self, do: str, data: Any = None) -> forms.Form:
        """The form of a change, filled in with `data`, else with what is there now."""
        found = self.form_classes.get(do, forms.Form)
        return found(data, auto_id=f"{do}_%s") if data is not None else found(initial=dict(self.initial(do)), auto_id=f"{do}_%s")

    def initial(self, do: str) -> Mapping[str, Any]:
        """What the form of a change shows before anything is typed."""
        return {}

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return self.shown()

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        do = request.POST.get("do", "")
        if do not in self.changes:
            raise SuspiciousOperation("no such change")
        if not self.may(do):
            raise PermissionDenied
        form = self.form(do, request.POST)
        if not form.is_valid():
            return self.shown(form=form, do=do, said=REVISE, is_error=True)
        try:
            done: Done = getattr(self, do)(form.cleaned_data)
        except DomainError as refusal:
            refuse(form, refusal)
            return self.refused(self.shown(form=form, do=do, said=refusal.detail, is_error=True), refusal)
        return self.told(done)

    def refused(self, page: HttpResponse, refusal: DomainError) -> HttpResponse:
        """After too many tries the page is a 429 that says how long to wait; htmx shows only what went well."""
        if isinstance(refusal, TooMany) and not is_htmx(self.request):
            page.status_code, page["Retry-After"] = refusal.status, str(math.ceil(refusal.wait_s))
        return page

    def told(self, done: Done) -> HttpResponse:
        """The page after a change. One with a secret is the answer itself: nothing keeps the secret for a second request."""
        in_place = is_htmx(self.request)
        if done.secret or done.stays or (in_place and not done.leads_to):
            return self.shown(said=done.said, done=done)
        messages.success(self.request, done.said)
        there = done.leads_to or self.request.get_full_path()
        return HttpResponse(headers={"HX-Redirect": there}) if in_place else HttpResponseRedirect(there)

    def shown(
        self, *, form: forms.Form | None = None, do: str = "", said: str = "", is_error: bool = False, done: Done | None = None
    ) -> HttpResponse:
        is_part = wants_part(self.request)
        if said and not is_part:
            messages.add_message(self.request, messages.ERROR if is_error else messages.SUCCESS, said)
        every = {f"{name}_form": form if form is not None and name == do else self.form(name) for name in self.form_classes}
        context = {
            "view": self, "title": self.title, "part": self.part, "may": {name: self.may(name) for name in self.changes},
            "why_not": self.why_not(), "failed": do if is_error else "",
            "said": said, "is_error": is_error, "done": done, "problems": problems_of(form) if is_error else (), **every, **self.context(),
        }  # fmt: skip
        response = render(self.request, "parts/settings_part.html" if is_part else self.frame, context)
        response["Vary"] = "HX-Request"
        response["Cache-Control"] = "private, no-store"
        return response


def problems_of(form: forms.Form | None) -> tuple[str, ...]:
    """What is wrong with a form of one row, whose fields are written by hand and so cannot show it themselves."""
    if form is None or "id" not in form.fields:
        return ()
    labels = {name: field.label or name for name, field in form.fields.items()}
    return tuple(f"{labels[name]}: {text}" if name in labels else str(text) for name, found in form.errors.items() for text in found)


def why_not(person: User, operations: Sequence[str]) -> str:
    """Why this person can change nothing on a page; empty when they can change something, or when nothing can be changed at all."""
    if not operations or any(has_role(person, operation) for operation in operations):
        return ""
    if person.is_demo:
        return DEMO
    if all(is_held_back(person, operation) for operation in operations):
        return HELD_BACK
    least = min((PERMISSIONS[operation].role for operation in operations), key=ROLE_RANK.__getitem__)
    return NOBODY.format(role=least.label.lower())


def refuse(form: forms.Form, refusal: DomainError) -> None:
    """Puts each reason of a refusal beside the field that it is about."""
    for error in refusal.errors:
        named = next((str(part) for part in reversed(error.loc) if str(part) in form.fields), None)
        form.add_error(named, error.msg)
    if not refusal.errors:
        form.add_error(None, refusal.detail)
