"""What guards one's account: password, authenticator app, recovery codes, passkeys, and where one is logged in."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from django import forms
from django.contrib.auth import update_session_auth_hash
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone

from accounts import limits, passkeys, qr, second_factors, totp
from accounts.browsers import browser_words
from accounts.models import KnownClient
from accounts.pages.forms import RULES, new_password
from accounts.pages.profile import ProfileView, own_password
from accounts.pages.settings import Done, RowForm, row_of
from accounts.passwords import check_new_password, check_own_password, set_password
from accounts.sessions import stored_key

ISSUER = "Plumbline"


class PasswordForm(forms.Form):
    password = own_password()
    new_password_1 = new_password("New password", help_text=RULES)
    new_password_2 = new_password("The same again")


class OwnPasswordForm(forms.Form):
    password = own_password()


class PasskeyForm(forms.Form):
    """Filled in here, sent by the script."""

    name = forms.CharField(label="Name", max_length=100, help_text="What you call the device, such as my phone.")
    password = own_password()


class RenameForm(RowForm):
    name = forms.CharField(max_length=100)


class RemoveForm(RowForm):
    password = own_password()


class SessionForm(forms.Form):
    id = forms.CharField(max_length=40)


class ConfirmForm(forms.Form):
    code = forms.CharField(
        label="The code that the app shows now",
        max_length=20,
        widget=forms.TextInput(attrs={"autocomplete": "one-time-code", "inputmode": "numeric"}),
    )

    def clean_code(self) -> str:
        return "".join(self.cleaned_data["code"].split())


@dataclass(frozen=True)
class Place:
    """A session of one's own, as the page tells it."""

    id: str
    words: str
    address: str
    began: datetime
    seen: datetime
    is_here: bool


class Security(ProfileView):
    """The page of everything that guards the account, and the changes to it; each asks for the password where it opens a door."""

    title, part, place = "Security", "accounts/_security.html", "profile-security"
    changes: ClassVar = dict.fromkeys(("password", "begin", "off", "codes", "rename", "remove", "end", "end_others", "forget"), "me.secure")
    form_classes: ClassVar = {
        "password": PasswordForm, "begin": OwnPasswordForm, "off": OwnPasswordForm, "codes": OwnPasswordForm,
        "passkey": PasskeyForm, "rename": RenameForm, "remove": RemoveForm, "end": SessionForm, "forget": RowForm,
    }  # fmt: skip
    recovery_codes: tuple[str, ...] = ()
    has_begun = False

    def context(self) -> Mapping[str, Any]:
        person = self.person
        authenticator = getattr(person, "authenticator", None)
        return {
            "authenticator": authenticator if authenticator and authenticator.confirmed else None,
            "codes_left": second_factors.recovery_codes_left(person),
            "recovery_codes": self.recovery_codes,
            "passkeys": person.passkeys.all(),
            "passkeys_possible": passkeys.are_possible(),
            "logins": self.logins(),
            "clients": person.clients.all()[:50],
        }

    def logins(self) -> list[Place]:
        """Where the person is logged in, this session first."""
        here = stored_key(self.request.session.session_key or "")
        rows = self.person.sessions.filter(expire_date__gt=timezone.now())[:50]
        found = [Place(row.pk, browser_words(row.agent), row.address, row.began, row.seen, row.pk == here) for row in rows]
        return sorted(found, key=lambda place: not place.is_here)

    def told(self, done: Done) -> HttpResponse:
        """Recovery codes are shown in the answer itself: nothing keeps them for a second request."""
        if self.has_begun:
            return redirect("profile-authenticator")
        return self.shown(said=done.said, done=done) if self.recovery_codes else super().told(done)

    def password(self, said: Mapping[str, Any]) -> Done:
        person = self.person
        check_own_password(self.request, person, said["password"])
        check_new_password(person, said["new_password_1"], said["new_password_2"], names=("new_password_1", "new_password_2"))
        set_password(person, said["new_password_1"])
        update_session_auth_hash(self.request, person)
        return Done("Your password is changed. Everywhere else you are logged out.")

    def begin(self, said: Mapping[str, Any]) -> Done:
        check_own_password(self.request, self.person, said["password"])
        second_factors.begin(self.person)
        self.has_begun = True
        return Done("Scan the code with your app.")

    def off(self, said: Mapping[str, Any]) -> Done:
        check_own_password(self.request, self.person, said["password"])
        second_factors.turn_off(self.person)
        return Done("The authenticator app is off. A new browser gets its code by mail.")

    def codes(self, said: Mapping[str, Any]) -> Done:
        check_own_password(self.request, self.person, said["password"])
        self.recovery_codes = second_factors.renew_recovery_codes(self.person)
        return Done("These are your new recovery codes. The old ones are void.")

    def rename(self, said: Mapping[str, Any]) -> Done:
        self.person.passkeys.filter(pk=said["id"]).update(name=said["name"])
        return Done("Renamed.")

    def remove(self, said: Mapping[str, Any]) -> Done:
        check_own_password(self.request, self.person, said["password"])
        passkeys.remove(row_of(self.person.passkeys.all(), said, gone="This passkey is gone already."))
        return Done("The passkey is removed. Delete it on the device as well.")

    def end(self, said: Mapping[str, Any]) -> Done:
        self.person.sessions.filter(pk=said["id"]).delete()
        return Done("That session has ended.")

    def end_others(self, said: Mapping[str, Any]) -> Done:
        here = stored_key(self.request.session.session_key or "")
        count, _ = self.person.sessions.exclude(pk=here).delete()
        return Done(f"{count} other {'session has' if count == 1 else 'sessions have'} ended.")

    def forget(self, said: Mapping[str, Any]) -> Done:
        KnownClient.objects.filter(user=self.person, pk=said["id"]).delete()
        return Done("That browser has to prove itself again at its next log-in.")


class SetUpAuthenticator(ProfileView):
    """The secret for the app, and the field for its first code. The recovery codes follow in the answer, once."""

    title, part, place = "Authenticator app", "accounts/_authenticator.html", "profile-security"
    changes: ClassVar = {"confirm": "me.secure"}
    form_classes: ClassVar = {"confirm": ConfirmForm}
    recovery_codes: tuple[str, ...] = ()

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return super().get(request) if self.secret() else redirect("profile-security")

    def secret(self) -> bytes | None:
        return second_factors.unconfirmed_secret(self.person, now=timezone.now())

    def context(self) -> Mapping[str, Any]:
        secret = None if self.recovery_codes else self.secret()
        if secret is None:
            return {"recovery_codes": self.recovery_codes}
        address = totp.as_address(secret, account=self.person.email, issuer=ISSUER)
        text = totp.as_text(secret)
        return {
            "picture": qr.picture_of(address),
            "address": address,
            "secret": " ".join(text[at : at + 4] for at in range(0, len(text), 4)),
        }

    def told(self, done: Done) -> HttpResponse:
        return self.shown(said=done.said, done=done)

    def confirm(self, said: Mapping[str, Any]) -> Done:
        limits.guess_code(self.request, person=self.person.pk)
        self.recovery_codes = second_factors.confirm(self.person, said["code"], now=timezone.now())
        return Done("The authenticator app is on.")
