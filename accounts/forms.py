"""Forms about a person. Those in which a secret can be guessed count the tries."""

import math
import re
from typing import Any, Final

from django import forms
from django.contrib.auth.forms import AuthenticationForm
from django.http import HttpRequest

from accounts import entry, limits
from accounts.passwords import LONGEST
from orgs.errors import DomainError, TooMany

REFUSED: Final = "This e-mail and password do not fit together."


class Guess(forms.Form):
    """A form whose every try counts. `wait_s` is how long to wait after too many, 0.0 while there were not."""

    request: HttpRequest
    wait_s: float = 0.0

    def count(self, account: str) -> None:
        """Counts one try at `account`. Raises ValidationError past the limits."""
        try:
            limits.guess(self.request, account=account)
        except TooMany as exc:
            self.wait_s = exc.wait_s
            text = f"Too many tries. Wait {math.ceil(exc.wait_s)} seconds and try again."
            raise forms.ValidationError(text, code="too_many") from exc

    def refuse(self, refusal: DomainError) -> None:
        """Shows what a service refused, each reason at its field."""
        for error in refusal.errors:
            name = str(error.loc[-1])
            self.add_error(name if name in self.fields and not self.fields[name].widget.is_hidden else None, error.msg)
        if not refusal.errors:
            self.add_error(None, refusal.detail)


class LoginForm(Guess, AuthenticationForm):  # type: ignore[misc]  # Django's may have no request; the view gives it one
    """E-mail and password. Its error says the same for an unknown address, a wrong password and a closed account."""

    username = forms.EmailField(label="E-mail", widget=forms.EmailInput(attrs={"autocomplete": "username", "autofocus": True}))
    password = forms.CharField(
        label="Password", strip=False, max_length=LONGEST, widget=forms.PasswordInput(attrs={"autocomplete": "current-password"})
    )

    def clean(self) -> dict[str, Any]:
        if email := self.cleaned_data.get("username"):
            self.count(email.lower())
        return super().clean()

    def get_invalid_login_error(self) -> forms.ValidationError:
        return forms.ValidationError(REFUSED, code="invalid_login")


class RequestForm(Guess):
    """A form that knows from which request it is filled in."""

    def __init__(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        self.request = request
        super().__init__(*args, **kwargs)


class CodeForm(RequestForm):
    """The six digits of the mail; spaces between them do not matter."""

    code = forms.CharField(
        label="Code",
        max_length=20,
        widget=forms.TextInput(attrs={"autocomplete": "one-time-code", "inputmode": "numeric", "autofocus": True}),
    )

    def clean_code(self) -> str:
        code = re.sub(r"\s", "", self.cleaned_data["code"])
        if not re.fullmatch("[0-9]{6}", code):
            raise forms.ValidationError("A code has 6 digits.", code="malformed")
        self.count(f"challenge:{entry.pending(self.request.session)}")
        return code


class ForgotForm(RequestForm):
    """The address to which a link to a new password shall go."""

    email = forms.EmailField(label="E-mail", widget=forms.EmailInput(attrs={"autocomplete": "username", "autofocus": True}))


def _new_password(label: str) -> forms.CharField:
    widget = forms.PasswordInput(attrs={"autocomplete": "new-password"})
    return forms.CharField(label=label, strip=False, max_length=LONGEST, widget=widget)


class VerifyForm(RequestForm):
    """The first password of somebody who signed up or was invited."""

    email = forms.EmailField(widget=forms.HiddenInput)
    token = forms.CharField(max_length=32, widget=forms.HiddenInput)
    password_1 = _new_password("Password")
    password_2 = _new_password("The same again")


class ResetForm(RequestForm):
    """A new password for a forgotten one."""

    token = forms.CharField(max_length=32, widget=forms.HiddenInput)
    new_password_1 = _new_password("New password")
    new_password_2 = _new_password("The same again")


class AddressForm(RequestForm):
    """The token that proves a new address."""

    token = forms.CharField(max_length=32, widget=forms.HiddenInput)
