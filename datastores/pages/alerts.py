"""Admin alerts: what is told of trouble with the org's data, to whom, and what goes on now."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Final

from django import forms
from django.conf import settings
from django.utils import timezone

from accounts import adminalerts
from accounts.models import User
from accounts.pages.settings import Done, SettingsView
from orgs.models import AdminAlert, Channel

Kind = AdminAlert.Kind
# The others are told whatever the org says.
SETTABLE: Final = (Kind.NO_DATA, Kind.STALE_METRICS)
WHEN: Final = {
    Kind.NO_DATA: "No point has come from any agent for five minutes.",
    Kind.STALE_METRICS: "A series is silent for much longer than it ever was.",
    Kind.METRIC_QUOTA_EXCEEDED: "New series are refused, because as many exist as the plan allows.",
    Kind.INVALID_METRICS: "Points are refused for what is wrong with them. It is over when none came for an hour.",
}


class KindForm(forms.Form):
    id = forms.TypedChoiceField(coerce=int, choices=[(kind.value, kind.label) for kind in Kind], widget=forms.HiddenInput)


class AlertForm(forms.Form):
    id = forms.TypedChoiceField(coerce=int, choices=[(kind.value, kind.label) for kind in SETTABLE], widget=forms.HiddenInput)
    enabled = forms.BooleanField(label="Tell it", required=False)
    wait_minutes = forms.IntegerField(label="When it has lasted, minutes", min_value=5, max_value=7 * 1440)
    again_minutes = forms.IntegerField(
        label="Again while it lasts, after minutes", min_value=0, max_value=30 * 1440, help_text="1440 is a day; 0 tells it once."
    )
    email_users = forms.TypedMultipleChoiceField(
        label="By mail", coerce=int, required=False, widget=forms.CheckboxSelectMultiple, help_text="Nobody chosen: every admin."
    )
    sms_users = forms.TypedMultipleChoiceField(
        label="By SMS", coerce=int, required=False, widget=forms.CheckboxSelectMultiple, help_text="People who have entered a phone number."
    )
    channel = forms.TypedChoiceField(label="In the channel", coerce=int, required=False, empty_value=None)


@dataclass(frozen=True)
class Shown:
    """One kind of alert: its row, its words, its form where it can be set, and who is told."""

    alert: AdminAlert
    name: str
    when: str
    form: forms.Form | None
    readers: tuple[str, ...]
    is_always: bool


class Alerts(SettingsView):
    title, part, place, operation = "Admin alerts", "datastores/_alerts.html", "settings-alerts", "org.settings"
    changes: ClassVar = {"save": "org.administer", "try_out": "org.administer"}
    form_classes: ClassVar = {"save": AlertForm, "try_out": KindForm}

    def form(self, do: str, data: Any = None) -> forms.Form:
        form = super().form(do, data)
        return self.with_choices(form) if isinstance(form, AlertForm) else form

    def with_choices(self, form: AlertForm) -> AlertForm:
        form.fields["email_users"].choices = [(one.pk, one.name) for one in self.people]  # type: ignore[attr-defined]
        form.fields["sms_users"].choices = [(one.pk, f"{one.name}, {one.phone}") for one in self.people if one.phone]  # type: ignore[attr-defined]
        form.fields["channel"].choices = [("", "none"), *((one.pk, str(one)) for one in self.channels)]  # type: ignore[attr-defined]
        return form

    @cached_property
    def people(self) -> list[User]:
        found = User.objects.for_org(self.person.org_id).people().filter(is_active=True, is_demo=False)
        return list(found.order_by("name", "pk"))

    @cached_property
    def channels(self) -> list[Channel]:
        return list(Channel.objects.for_org(self.person.org_id))

    def context(self) -> Mapping[str, Any]:
        found = adminalerts.alerts_of(self.person.org).select_related("channel").prefetch_related("email_users", "sms_users")
        return {"alerts": [self.shown_alert(alert) for alert in found], "has_sms": bool(settings.SMS_URL), "now": timezone.now()}

    def shown_alert(self, alert: AdminAlert) -> Shown:
        kind = Kind(alert.kind)
        chosen = [person.name for person in alert.email_users.all()]
        readers = chosen or [person.name for person in self.people if person.is_admin]
        form = self.form_of(alert) if kind in SETTABLE else None
        return Shown(alert, adminalerts.NAMES[kind], WHEN[kind], form, tuple(readers), kind in AdminAlert.ALWAYS)

    def form_of(self, alert: AdminAlert) -> forms.Form:
        """With what is there now; with what was sent, when that was refused."""
        if self.sent_back is not None and self.sent_back.data.get("id") == str(alert.kind):
            return self.sent_back
        initial = {
            "id": alert.kind, "enabled": alert.is_enabled, "wait_minutes": -(-alert.wait_s // 60),
            "again_minutes": -(-alert.expiration_s // 60), "channel": alert.channel_id or "",
            "email_users": [person.pk for person in alert.email_users.all()], "sms_users": [person.pk for person in alert.sms_users.all()],
        }  # fmt: skip
        return self.with_choices(AlertForm(initial=initial, auto_id=f"alert{alert.kind}_%s"))

    sent_back: AlertForm | None = None

    def shown(self, *, form: forms.Form | None = None, **kwargs: Any) -> Any:
        self.sent_back = form if isinstance(form, AlertForm) else None
        return super().shown(form=form, **kwargs)

    def save(self, said: Mapping[str, Any]) -> Done:
        alert = self.alert(said)
        plain = {name: said[name] for name in ("enabled", "email_users", "sms_users", "channel")}
        times = {"wait_seconds": said["wait_minutes"] * 60, "expiration_seconds": said["again_minutes"] * 60}
        adminalerts.change(alert, plain | times, actor_id=self.person.pk)
        return Done("Saved.")

    def try_out(self, said: Mapping[str, Any]) -> Done:
        alert = self.alert(said)
        words = f"A test of “{adminalerts.NAMES[Kind(alert.kind)]}”."
        routes = adminalerts.send(alert, self.person.org, words, "Nothing has happened. Somebody wanted to see whether this arrives.")
        return Done(f"A test is on {routes} way{'' if routes == 1 else 's'}. Events says what becomes of each.")

    def alert(self, said: Mapping[str, Any]) -> AdminAlert:
        return adminalerts.alerts_of(self.person.org).get(kind=said["id"])
