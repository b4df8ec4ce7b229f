"""One's own account: who one is, how the pages look to one, what reaches one, and leaving."""

import zoneinfo
from collections.abc import Mapping
from typing import Any, ClassVar, Final

from django import forms
from django.contrib import messages
from django.contrib.auth import logout
from django.http import HttpResponse, HttpResponseRedirect
from django.urls import reverse

from accounts import people
from accounts.models import User
from accounts.pages.settings import Done, SettingsView
from accounts.passwords import LONGEST, check_own_password
from accounts.reach import PHONE_LIMIT, e164, slack_member

ZONES: Final = [(name, name.replace("_", " ")) for name in sorted(zoneinfo.available_timezones())]


def own_password() -> forms.CharField:
    """The field for the password of the account, where a change needs it."""
    widget = forms.PasswordInput(attrs={"autocomplete": "current-password"})
    return forms.CharField(label="Your password", strip=False, max_length=LONGEST, widget=widget)


class PersonForm(forms.Form):
    name = forms.CharField(label="Name", max_length=200, widget=forms.TextInput(attrs={"autocomplete": "name"}))
    phone = forms.CharField(
        label="Phone", required=False, max_length=PHONE_LIMIT, help_text="With its country code, such as +49 30 123456. For alerts by SMS.",
        widget=forms.TextInput(attrs={"type": "tel", "autocomplete": "tel"}),
    )  # fmt: skip
    slack_member_id = forms.CharField(label="Slack member id", required=False, max_length=32, help_text="For mentions, such as U012ABCDEF.")
    timezone = forms.ChoiceField(label="Time zone", required=False, help_text="In which the pages tell you times.")
    clock = forms.ChoiceField(label="Clock", choices=User.Clock.choices)
    single_keys = forms.BooleanField(
        label="Single keys do something", required=False, help_text="Such as j and k in the inbox. Press ? on any page to see them all."
    )

    def clean_phone(self) -> str:
        try:
            return e164(self.cleaned_data["phone"]) if self.cleaned_data["phone"] else ""
        except ValueError as exc:
            raise forms.ValidationError(str(exc), code="invalid") from exc

    def clean_slack_member_id(self) -> str:
        try:
            return slack_member(self.cleaned_data["slack_member_id"]) if self.cleaned_data["slack_member_id"] else ""
        except ValueError as exc:
            raise forms.ValidationError(str(exc), code="invalid") from exc


class MoveForm(forms.Form):
    email = forms.EmailField(label="New address", max_length=254, widget=forms.EmailInput(attrs={"autocomplete": "email"}))
    password = own_password()


class LeaveForm(forms.Form):
    password = own_password()


class ProfileView(SettingsView):
    """One page of one's own account."""

    frame = "accounts/profile.html"
    operation = "me.read"


class Profile(ProfileView):
    """Who one is. The look is switched by a form of its own, which a demo user may use too."""

    title, part, place = "Profile", "accounts/_profile.html", "profile"
    changes: ClassVar = {"save": "me.update", "move": "me.secure", "leave": "me.secure"}
    form_classes: ClassVar = {"save": PersonForm, "move": MoveForm, "leave": LeaveForm}

    def form(self, do: str, data: Any = None) -> forms.Form:
        form = super().form(do, data)
        if isinstance(form, PersonForm):
            org_zone = self.person.org.timezone.replace("_", " ")
            form.fields["timezone"].choices = [("", f"The organisation's: {org_zone}"), *ZONES]  # type: ignore[attr-defined]
        return form

    def initial(self, do: str) -> Mapping[str, Any]:
        return {name: getattr(self.person, name) for name in PersonForm.base_fields} if do == "save" else {}

    def context(self) -> Mapping[str, Any]:
        return {"themes": User.Theme.choices}

    def save(self, said: Mapping[str, Any]) -> Done:
        people.change_self(self.person, **said)
        return Done("Saved.")

    def move(self, said: Mapping[str, Any]) -> Done:
        check_own_password(self.request, self.person, said["password"])
        email = said["email"].lower()
        people.ask_to_move(self.person, email)
        return Done(f"A mail is on its way to {email}. The address counts when you have opened its link.")

    def leave(self, said: Mapping[str, Any]) -> Done:
        check_own_password(self.request, self.person, said["password"])
        people.remove_user(self.person, actor_id=self.person.pk)
        return Done("Your account is gone. What you did stays, without your name.")

    def told(self, done: Done) -> HttpResponse:
        if self.person.pk is not None:
            return super().told(done)
        logout(self.request)
        messages.success(self.request, done.said)
        return HttpResponseRedirect(reverse("login"))


class NotificationsForm(forms.Form):
    email_alerts = forms.BooleanField(
        label="Alerts by e-mail",
        required=False,
        help_text="Alerts that name you as their reader, and admin alerts, where you are an admin.",
    )


class Notifications(ProfileView):
    """What reaches one, and how."""

    title, part, place = "Notifications", "accounts/_notifications.html", "profile-notifications"
    changes: ClassVar = {"save": "me.update"}
    form_classes: ClassVar = {"save": NotificationsForm}

    def initial(self, do: str) -> Mapping[str, Any]:
        return {"email_alerts": self.person.email_alerts}

    def save(self, said: Mapping[str, Any]) -> Done:
        people.change_self(self.person, **said)
        return Done("Saved.")
