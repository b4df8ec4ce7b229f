"""Housekeeping flows: what becomes of anomalies that nobody has touched for long; made, switched, run and deleted."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Self

from django import forms
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from accounts.models import Level
from accounts.pages.settings import Done, RowForm, SettingsView, row_of
from anomalies.models import Anomaly, Flow, FlowEntry, Tag
from anomalies.services import flows
from anomalies.services.bulk import LIMIT
from anomalies.services.comments import MESSAGE_LIMIT
from datastores.models import Datastore

ENTRIES_SHOWN: Final = 20
SPANS: Final = {"week": "a week", "month": "a month", "quarter": "a quarter", "year": "a year"}


RUNS: Final = "is running"


@dataclass(frozen=True)
class FlowRow:
    """A flow, and the names of what it is about and of what it leaves."""

    flow: Flow
    stores: str
    tags: str
    extra: str

    @classmethod
    def of(cls, flow: Flow) -> Self:
        """Wants the three lists fetched."""
        stores, tags, extra = ([one.name for one in rows.all()] for rows in (flow.datastores, flow.tags, flow.extra_tags))
        return cls(flow, ", ".join(stores), " or ".join(tags), ", ".join(extra))


def told_of(entry: FlowEntry) -> tuple[FlowEntry, str]:
    """A line of a flow's history, and what happened in words."""
    if entry.operation is not None:
        return entry, RUNS if entry.operation.is_unfinished else entry.operation.message or "There was nothing to do."
    if entry.changeset.get("name", [""])[0] is None:
        return entry, "made"
    return entry, f"changed: {', '.join(name.replace('_', ' ') for name in entry.changeset)}" if entry.changeset else "ran"


class SwitchForm(RowForm):
    active = forms.BooleanField(required=False)


class ManyField(forms.MultipleChoiceField):
    widget = forms.CheckboxSelectMultiple


class FlowForm(forms.Form):
    name = forms.CharField(label="Name", max_length=100)
    action = forms.ChoiceField(label="What becomes of them", choices=Flow.Action)
    inactivity = forms.ChoiceField(label="After no change and no comment for", choices=list(SPANS.items()), initial="month")
    archive_status = forms.ChoiceField(
        label="Reason for archiving",
        choices=[(str(one), str(one)) for one in Flow.REASONS],
        initial=str(Anomaly.Status.DISCARDED),
        help_text="Of no account for what is deleted.",
    )
    comment = forms.CharField(label="Comment on what is archived", max_length=MESSAGE_LIMIT, required=False)
    statuses = ManyField(label="Only with the status", required=False, choices=[(str(one), str(one)) for one in Anomaly.Status])
    datastore_ids = forms.TypedMultipleChoiceField(label="Only on", coerce=int, required=False, widget=forms.CheckboxSelectMultiple)
    tags = ManyField(label="Only with any of the tags", required=False)
    extra_tags = ManyField(label="Tags for what is archived", required=False)


class Housekeeping(SettingsView):
    title, part, place, operation = "Housekeeping", "anomalies/_housekeeping.html", "settings-housekeeping", "flow.read"
    changes: ClassVar = {**dict.fromkeys(("make", "switch", "remove"), "flow.manage"), "run": "flow.execute", "count": "flow.execute"}
    form_classes: ClassVar = {"make": FlowForm, "switch": SwitchForm, "remove": RowForm, "run": RowForm, "count": RowForm}

    def form(self, do: str, data: Any = None) -> forms.Form:
        form = super().form(do, data)
        if do == "make":
            stores = Datastore.objects.visible_to(self.person, level=Level.AUTHOR).order_by("name", "pk")
            words = [(tag.name, tag.name) for tag in Tag.objects.visible_to(self.person).order_by("name", "pk")]
            form.fields["datastore_ids"].choices = [(one.pk, one.name) for one in stores]  # type: ignore[attr-defined]
            form.fields["tags"].choices = form.fields["extra_tags"].choices = words  # type: ignore[attr-defined]  # fields with choices
        return form

    def rows(self) -> QuerySet[Flow]:
        return Flow.objects.visible_to(self.person)

    def context(self) -> Mapping[str, Any]:
        rows = self.rows().prefetch_related("datastores", "tags", "extra_tags").order_by("name", "pk")
        told = FlowEntry.objects.filter(org=self.person.org_id).select_related("flow", "user", "operation")
        entries = [told_of(one) for one in told.order_by("-timestamp", "-pk")[:ENTRIES_SHOWN]]
        running = any(words == RUNS for _, words in entries)
        return {"flows": [FlowRow.of(flow) for flow in rows], "spans": SPANS, "entries": entries, "is_running": running}

    def make(self, said: Mapping[str, Any]) -> Done:
        values = {name: value for name, value in said.items() if name != "datastore_ids"} | {"datastores": said["datastore_ids"]}
        if said["action"] == Flow.Action.DELETE:
            values["archive_status"] = ""
        flow = flows.create_flow(self.person, values)
        return Done(f"{flow.name} was made. It runs once a day, for the first time within the hour.")

    @transaction.atomic
    def switch(self, said: Mapping[str, Any]) -> Done:
        flow = flows.change_flow(self.one(said, locked=True), {"is_active": said["active"]}, user=self.person)
        return Done(f"{flow.name} was switched {'on' if flow.is_active else 'off'}.")

    @transaction.atomic
    def remove(self, said: Mapping[str, Any]) -> Done:
        flow = self.one(said, locked=True)
        flow.delete()
        return Done(f"{flow.name} was deleted. What it did stays.")

    def count(self, said: Mapping[str, Any]) -> Done:
        flow = self.one(said)
        found = flows.idle(flow, now=timezone.now()).order_by()[:LIMIT].count()
        what = f"{found:,} anomal{'y' if found == 1 else 'ies'}"
        return Done(f"{flow.name} would now be about {what}. Nothing was changed.")

    def run(self, said: Mapping[str, Any]) -> Done:
        flow = self.one(said)
        flows.execute(flow, user=self.person, now=timezone.now())
        return Done(f"{flow.name} is running. What comes of it stands below.")

    def one(self, said: Mapping[str, Any], *, locked: bool = False) -> Flow:
        rows = self.rows().select_for_update() if locked else self.rows()
        return row_of(rows, said, gone="This flow was deleted meanwhile.")
