"""Forms about a person. Those in which a secret can be guessed count the tries."""

import math
import re
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from django import forms
from django.contrib.auth.forms import AuthenticationForm
from django.http import HttpRequest

from accounts import entry, limits
from accounts.passwords import LONGEST
from accounts.second_factors import RECOVERY_SHAPE
from orgs.errors import DomainError, TooMany

DIGITS: Final = "[0-9]{6}"
RULES: Final = "At least 10 characters. None that many people use, and nothing like your name or address."
REFUSED: Final = "This e-mail and password do not fit together."


class Guess(forms.Form):
    """A form whose every try counts. `wait_s` is how long to wait after too many, 0.0 while there were not."""

    request: HttpRequest
    wait_s: float = 0.0

    def count(self, account: str) -> None:
        """Counts one try at `account`. Raises ValidationError past the limits."""
        self.limited(partial(limits.guess, self.request, account=account))

    def limited(self, count: Callable[[], None]) -> None:
        """Counts one try. Raises ValidationError past the limits."""
        try:
            count()
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

    remember = forms.BooleanField(label="Keep me logged in for two weeks", required=False, initial=True)

    def clean(self) -> dict[str, Any]:
        if email := self.cleaned_data.get("username"):
            self.limited(partial(limits.log_in, self.request, email=email.lower()))
        return super().clean()

    def get_invalid_login_error(self) -> forms.ValidationError:
        return forms.ValidationError(REFUSED, code="invalid_login")


class RequestForm(Guess):
    """A form that knows from which request it is filled in."""

    def __init__(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        self.request = request
        super().__init__(*args, **kwargs)


class CodeForm(RequestForm):
    """The six digits of the mail or of the app, or a recovery code; spaces in them do not matter. `asked` is what they answer."""

    asked: entry.Challenge

    code = forms.CharField(
        label="Code",
        max_length=20,
        widget=forms.TextInput(attrs={"autocomplete": "one-time-code", "inputmode": "numeric", "autofocus": True}),
    )
    shared = forms.BooleanField(label="This computer is shared: ask again", required=False)

    def clean_code(self) -> str:
        code = re.sub(r"\s", "", self.cleaned_data["code"])
        if not re.fullmatch(DIGITS if self.asked.by_mail else f"{DIGITS}|{RECOVERY_SHAPE}", code):
            raise forms.ValidationError("A code has 6 digits.", code="malformed")
        self.limited(partial(limits.guess_code, self.request, person=self.asked.person))
        return code


class RecoveryForm(CodeForm):
    """The same, asking for a recovery code."""

    code = forms.CharField(label="Recovery code", max_length=20, widget=forms.TextInput(attrs={"autocomplete": "off", "autofocus": True}))


class LinkForm(RequestForm):
    """The code and the token of a link in a mail."""

    code = forms.CharField(max_length=6, widget=forms.HiddenInput)
    token = forms.CharField(max_length=32, widget=forms.HiddenInput)


class ForgotForm(RequestForm):
    """The address to which a link to a new password shall go."""

    email = forms.EmailField(label="E-mail", widget=forms.EmailInput(attrs={"autocomplete": "username", "autofocus": True}))


def new_password(label: str, *, help_text: str = "") -> forms.CharField:
    """The field for a password that is chosen now."""
    widget = forms.PasswordInput(attrs={"autocomplete": "new-password"})
    return forms.CharField(label=label, strip=False, max_length=LONGEST, widget=widget, help_text=help_text)


class VerifyForm(RequestForm):
    """The first password of somebody who signed up or was invited."""

    email = forms.EmailField(widget=forms.HiddenInput)
    token = forms.CharField(max_length=32, widget=forms.HiddenInput)
    password_1 = new_password("Password", help_text=RULES)
    password_2 = new_password("The same again")


class ResetForm(RequestForm):
    """A new password for a forgotten one."""

    token = forms.CharField(max_length=32, widget=forms.HiddenInput)
    new_password_1 = new_password("New password", help_text=RULES)
    new_password_2 = new_password("The same again")


class AddressForm(RequestForm):
    """The token that proves a new address."""

    token = forms.CharField(max_length=32, widget=forms.HiddenInput)
