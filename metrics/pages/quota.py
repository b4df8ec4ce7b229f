"""The quota: how much of it is used, how that went, which metrics count, and taking some out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar, Final

from django import forms
from django.utils import timezone

from accounts.pages.settings import Done, SettingsView, numbered_page
from billing.usage import usage_of
from billing.usage_chart import usage_chart
from metrics import quota
from orgs.errors import FieldError, Invalid
from orgs.models import RefusedSeries

SPAN: Final = timedelta(days=29)
REFUSALS_SHOWN: Final = 7
NAMES_SHOWN: Final = 50


class RemoveForm(forms.Form):
    """Either chosen rows, or a pattern. Without `sure` it is only looked at what would go."""

    chosen = forms.TypedMultipleChoiceField(coerce=int, required=False)
    pattern = forms.CharField(
        label="Names like", max_length=500, required=False, help_text="* is any characters, ? one; a pattern fits a whole name."
    )
    sure = forms.BooleanField(required=False)


@dataclass(frozen=True)
class DryRun:
    """What a removal would take out: all the names, of which some are shown, and whether others fit that it would leave."""

    names: Sequence[str]
    more: bool
    chosen: Sequence[int]
    pattern: str

    @property
    def count(self) -> int:
        return len(self.names)

    @property
    def shown(self) -> Sequence[str]:
        return self.names[:NAMES_SHOWN]

    @property
    def not_shown(self) -> int:
        return len(self.names) - len(self.shown)


class Quota(SettingsView):
    title, part, place, operation = "Quota", "metrics/_quota.html", "settings-quota", "org.quota"
    changes: ClassVar = {"remove": "org.administer"}
    form_classes: ClassVar = {"remove": RemoveForm}
    dry_run: DryRun | None = None

    def form(self, do: str, data: Any = None) -> forms.Form:
        form = super().form(do, data)
        sent = [text for text in self.request.POST.getlist("chosen") if text.isascii() and text.isdigit() and len(text) < 19]
        form.fields["chosen"].choices = [(int(text), text) for text in sent[: quota.MOST_AT_ONCE]]  # type: ignore[attr-defined]
        return form

    def context(self) -> Mapping[str, Any]:
        org, today = self.person.org, timezone.now().date()
        usage = usage_of(org, since=today - SPAN, until=today, today=today)
        search = self.request.GET.get("search", "").strip()[:500].replace("\x00", "")
        refused = RefusedSeries.objects.filter(org=org, day__gt=today - timedelta(days=30)).order_by("-day")
        used = min(1.0, usage.used / max(1, usage.limit))
        return {
            "usage": usage, "share": round(100 * used), "meter": round(220 * used), "refused": refused[:REFUSALS_SHOWN],
            "chart": usage_chart(usage.days, since=usage.since, until=today), "search": search, "dry_run": self.dry_run,
            "retention": org.retention_days,
            "page": numbered_page(quota.counting(org, search=search), self.request.GET),
        }  # fmt: skip

    def remove(self, said: Mapping[str, Any]) -> Done:
        chosen, patterns = said["chosen"], [said["pattern"]] if said["pattern"] else []
        if not chosen and not patterns:
            raise Invalid("Choose metrics, or write a pattern.", errors=[FieldError(("pattern",), "required", "Nothing was chosen.")])
        found = quota.remove(self.person.org, ids=chosen, patterns=patterns, dry_run=not said["sure"], actor_id=self.person.pk)
        if said["sure"]:
            return Done(removed_words(found, self.person.org.retention_days))
        self.dry_run = DryRun(found.names, found.more, said["chosen"], said["pattern"])
        return Done(f"{self.dry_run.count} metrics would be removed. Nothing has been changed.", stays=True)


def removed_words(found: quota.Removal, retention_days: int) -> str:
    if not found.names:
        return "There was nothing to remove."
    rest = " More fit: remove again for the rest." if found.more else ""
    said = f"{len(found.names)} metrics were removed, with their anomalies."
    return f"{said} Their points can be read no more, and are erased when the retention of {retention_days} days ends.{rest}"
