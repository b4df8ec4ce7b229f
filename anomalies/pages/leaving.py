"""Taking everything along, and closing the organisation."""

from collections.abc import Mapping
from functools import partial
from typing import Any, ClassVar

from django import forms
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, StreamingHttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.text import slugify
from django.views.decorators.http import require_GET

from accounts.pages.readers import reader
from accounts.pages.settings import Done, SettingsView
from accounts.permissions import has_role
from anomalies.api.documents import documents
from anomalies.services.org_export import exported
from datastores.closing import GRACE, close_org
from orgs.moments import unix_ms


class CloseForm(forms.Form):
    name = forms.CharField(max_length=200, widget=forms.TextInput(attrs={"autocomplete": "off"}))


class Danger(SettingsView):
    title, part, place, operation = "Danger zone", "anomalies/_danger.html", "settings-danger", "org.settings"
    changes: ClassVar = {"close": "org.administer"}
    form_classes: ClassVar = {"close": CloseForm}

    def form(self, do: str, data: Any = None) -> forms.Form:
        form = super().form(do, data)
        form.fields["name"].label = f"Type {self.person.org.name} to close it"
        return form

    def context(self) -> Mapping[str, Any]:
        return {"org": self.person.org, "days": GRACE.days}

    def close(self, said: Mapping[str, Any]) -> Done:
        org = close_org(self.person.org, name=said["name"], actor=self.person, now=timezone.now())
        words = f"{org.name} is closed, and will be erased in {GRACE.days} days. The admins got a mail that says how to undo it."
        return Done(words, leads_to=reverse("login"))


@require_GET
def export(request: HttpRequest) -> StreamingHttpResponse:
    """Everything that the org has, as a ZIP file; for its admins."""
    person = reader(request)
    if not has_role(person, "org.administer"):
        raise PermissionDenied
    now = timezone.now()
    pieces = exported(person.org, document=partial(documents, caller=person), until_ms=unix_ms(now))
    answer = StreamingHttpResponse(pieces, content_type="application/zip")
    answer["Content-Disposition"] = f'attachment; filename="{slugify(person.org.name) or "plumbline"}-{now:%Y-%m-%d}.zip"'
    answer["Cache-Control"] = "private, no-store"
    return answer
