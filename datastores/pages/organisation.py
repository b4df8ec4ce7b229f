"""The organisation itself: its name, zone, who must prove themselves, whose pages may read, and the muting of its alerts."""

import re
import zoneinfo
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, ClassVar, Final

from django import forms
from django.utils import timezone

from accounts.pages.settings import Done, SettingsView
from orgs.services import change_org

ZONES: Final = [(name, name.replace("_", " ")) for name in sorted(zoneinfo.available_timezones())]
MUTES: Final = {"30": "30 minutes", "60": "an hour", "480": "8 hours", "1440": "a day", "10080": "a week"}


class LinesField(forms.CharField):
    """Several values, one per line; commas part them as well."""

    widget = forms.Textarea(attrs={"rows": 3, "spellcheck": "false"})

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, list) else value

    def to_python(self, value: Any) -> Any:
        return [part for part in re.split(r"[\s,]+", super().to_python(value) or "") if part]


class OrganisationForm(forms.Form):
    name = forms.CharField(label="Name", max_length=200)
    timezone = forms.ChoiceField(
        label="Time zone", choices=ZONES, help_text="Of times in mails and pictures, and for people without a zone of their own."
    )
    validates_clients = forms.BooleanField(
        label="Ask for a second factor",
        required=False,
        help_text="Whoever logs in from a new browser or program has to prove it, by the mailed code or by what they have set up.",
    )
    origins = LinesField(
        label="Web pages that may read the session API",
        required=False,
        help_text="Origins such as https://app.example.com, one per line. They need a session or a token as well. None: no page elsewhere.",
    )


class MuteForm(forms.Form):
    minutes = forms.ChoiceField(label="For", choices=list(MUTES.items()))


class Organisation(SettingsView):
    """What everybody may see and an admin may change."""

    title, part, place, operation = "Organisation", "datastores/_organisation.html", "settings", "org.read"
    changes: ClassVar = {"save": "org.update", "mute": "org.update", "unmute": "org.update"}
    form_classes: ClassVar = {"save": OrganisationForm, "mute": MuteForm}

    def initial(self, do: str) -> Mapping[str, Any]:
        org = self.person.org
        return {name: getattr(org, name) for name in OrganisationForm.base_fields} if do == "save" else {}

    def context(self) -> Mapping[str, Any]:
        org, now = self.person.org, timezone.now()
        return {"org": org, "muted_until": org.muted_until if org.muted_until and org.muted_until > now else None}

    def save(self, said: Mapping[str, Any]) -> Done:
        change_org(self.person.org, actor_id=self.person.pk, **said)
        return Done("Saved.")

    def mute(self, said: Mapping[str, Any]) -> Done:
        until = timezone.now() + timedelta(minutes=int(said["minutes"]))
        change_org(self.person.org, actor_id=self.person.pk, muted_until=until)
        return Done(f"No alert goes out for {MUTES[said['minutes']]}.")

    def unmute(self, said: Mapping[str, Any]) -> Done:
        change_org(self.person.org, actor_id=self.person.pk, muted_until=None)
        return Done("Alerts go out again.")
