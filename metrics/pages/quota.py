"""The quota: how much of it is used, how that went, which metrics count, and taking some out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, ClassVar, Final

from django import forms
from django.utils import timezone

from accounts.settings_view import Done, SettingsView, page_of
from billing.usage import Day, usage_of
from metrics import quota
from orgs.errors import FieldError, Invalid
from orgs.models import RefusedSeries

SPAN: Final = timedelta(days=90)
WIDTH: Final = 720
HEIGHT: Final = 120
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
class UsageChart:
    """The days as SVG paths in a drawing of WIDTH by HEIGHT; `top` is what its upper edge stands for."""

    line: str
    area: str
    limit: str
    top: int
    first: date
    last: date


@dataclass(frozen=True)
class DryRun:
    """What a removal would take out."""

    names: Sequence[str]
    more: int
    chosen: Sequence[int]
    pattern: str

    @property
    def count(self) -> int:
        return len(self.names) + self.more


def chart_of(days: Sequence[Day]) -> UsageChart | None:
    """None while there are not two days to draw."""
    if len(days) < 2:
        return None
    top = max(1, *(day.used for day in days), *(day.limit for day in days))
    span = max(1, (days[-1].day - days[0].day).days)

    def path(values: Sequence[int]) -> str:
        spots = [
            (round(WIDTH * (day.day - days[0].day).days / span, 1), round(HEIGHT * (1 - value / top), 1))
            for day, value in zip(days, values, strict=True)
        ]
        return "M" + "L".join(f"{x} {y}" for x, y in spots)

    line = path([day.used for day in days])
    return UsageChart(line, f"{line}L{WIDTH} {HEIGHT}L0 {HEIGHT}Z", path([day.limit for day in days]), top, days[0].day, days[-1].day)


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
            "chart": chart_of(usage.days), "width": WIDTH, "height": HEIGHT, "search": search, "dry_run": self.dry_run,
            "page": page_of(quota.counting(org, search=search), self.request.GET),
        }  # fmt: skip

    def remove(self, said: Mapping[str, Any]) -> Done:
        chosen, patterns = said["chosen"], [said["pattern"]] if said["pattern"] else []
        if not chosen and not patterns:
            raise Invalid("Choose metrics, or write a pattern.", errors=[FieldError(("pattern",), "required", "Nothing was chosen.")])
        found = quota.remove(self.person.org, ids=chosen, patterns=patterns, dry_run=not said["sure"], actor_id=self.person.pk)
        if said["sure"]:
            return Done(f"{len(found)} metrics were removed, with their points and anomalies." if found else "There was nothing to remove.")
        self.dry_run = DryRun(found[:NAMES_SHOWN], max(0, len(found) - NAMES_SHOWN), said["chosen"], said["pattern"])
        return Done(f"{self.dry_run.count} metrics would be removed. Nothing has been changed.", stays=True)
