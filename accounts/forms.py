"""Forms about a person."""

from typing import Any, Final

from django import forms
from django.contrib.auth.forms import AuthenticationForm
from django.http import HttpRequest

from accounts.models import User
from config.api.addresses import client_address
from config.api.throttling import buckets
from orgs import keys

# Tries a minute, good or bad. An office shares one address.
TRIES_PER_ADDRESS: Final = 60
TRIES_PER_ACCOUNT: Final = 10
REFUSED: Final = "This e-mail and password do not fit together."


class LoginForm(AuthenticationForm):
    """E-mail and password. Its error says the same for an unknown address, a wrong password, a closed account and too many tries."""

    username = forms.EmailField(label="E-mail", widget=forms.EmailInput(attrs={"autocomplete": "username", "autofocus": True}))
    password = forms.CharField(label="Password", strip=False, widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}))

    def get_invalid_login_error(self) -> forms.ValidationError:
        return forms.ValidationError(REFUSED, code="invalid_login")

    def clean(self) -> dict[str, Any]:
        if self.request is not None and not may_try(self.request, account=self.cleaned_data.get("username", "")):
            raise self.get_invalid_login_error()
        return super().clean()


def may_try(request: HttpRequest, *, account: str) -> bool:
    """Counts one try at `account`, which need not exist; whether it is within the limits of the address and the account."""
    if not _take(f"login:ip:{client_address(request)}", burst=TRIES_PER_ADDRESS):
        return False
    known_by = account.strip().lower()
    # Whoever guesses at a demo account must not keep everybody else out of it; nothing in it is secret.
    return _take(f"login:account:{keys.digest_of(known_by).hex()}", burst=TRIES_PER_ACCOUNT) or _is_demo(known_by)


def _is_demo(account: str) -> bool:
    return User.objects.filter(email=account, is_demo=True).exists()


def _take(key: str, *, burst: int) -> bool:
    found = buckets.take(key, rate_s=burst / 60, burst=burst)
    return found is None or found.allowed
