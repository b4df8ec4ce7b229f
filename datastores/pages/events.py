"""The feed: what the org did, what was told and what became of it, and markers from outside."""

from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from typing import Any, ClassVar, Final

from django import forms
from django.db.models import Q, QuerySet

from accounts.pages.settings import Done, SettingsView, numbered_page
from accounts.zones import zone_of
from datastores.events import visible_events
from orgs.events import record_event
from orgs.models import Event

# One away from where the calendar ends: a midnight is in another day elsewhere.
FIRST_DAY: Final = date.min + timedelta(days=1)
LAST_DAY: Final = date.max - timedelta(days=1)


class FilterForm(forms.Form):
    type = forms.MultipleChoiceField(label="Kinds", choices=Event.Type, required=False, widget=forms.CheckboxSelectMultiple)
    search = forms.CharField(label="Words", max_length=200, required=False)
    since = forms.DateField(label="From", required=False, widget=forms.DateInput(attrs={"type": "date"}))
    until = forms.DateField(label="To", required=False, widget=forms.DateInput(attrs={"type": "date"}))


class MarkerForm(forms.Form):
    name = forms.CharField(label="What happened", max_length=200, help_text="Such as checkout 2.14.0. Charts show it.")
    type = forms.ChoiceField(label="Kind", choices=[(kind.value, kind.label) for kind in Event.POSTED])
    url = forms.URLField(label="Address", required=False, max_length=2000, assume_scheme="https")


class Events(SettingsView):
    title, part, place, operation = "Events", "datastores/_events.html", "settings-events", "event.read"
    changes: ClassVar = {"mark": "event.create"}
    form_classes: ClassVar = {"mark": MarkerForm}

    def context(self) -> Mapping[str, Any]:
        asked = FilterForm(self.request.GET)
        found = self.matching(asked.cleaned_data) if asked.is_valid() else visible_events(self.person).none()
        return {"filters": asked, "page": numbered_page(found.select_related("user"), self.request.GET), "is_filtered": asked.has_changed()}

    def matching(self, asked: Mapping[str, Any]) -> QuerySet[Event]:
        found = visible_events(self.person).order_by("-timestamp", "-pk")
        if asked["type"]:
            found = found.filter(type__in=asked["type"])
        if asked["search"]:
            found = found.filter(Q(name__icontains=asked["search"]) | Q(description__icontains=asked["search"]))
        if asked["since"]:
            found = found.filter(timestamp__gte=self.midnight(asked["since"]))
        if asked["until"]:
            found = found.filter(timestamp__lt=self.midnight(asked["until"], days=1))
        return found

    def midnight(self, day: date, *, days: int = 0) -> datetime:
        """The beginning of a day in the reader's zone, `days` later."""
        return datetime.combine(max(FIRST_DAY, min(day, LAST_DAY)) + timedelta(days=days), time.min, tzinfo=zone_of(self.person))

    def mark(self, said: Mapping[str, Any]) -> Done:
        record_event(self.person.org_id, type=said["type"], name=said["name"], url=said["url"], user_id=self.person.pk)
        return Done("The marker stands in the charts from now on.")
