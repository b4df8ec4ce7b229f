"""Forms about a person."""

from typing import Final

from django import forms
from django.contrib.auth.forms import AuthenticationForm

REFUSED: Final = "This e-mail and password do not fit together."


class LoginForm(AuthenticationForm):
    """E-mail and password. Its error says the same for an unknown address, a wrong password and a closed account."""

    username = forms.EmailField(label="E-mail", widget=forms.EmailInput(attrs={"autocomplete": "username", "autofocus": True}))
    password = forms.CharField(label="Password", strip=False, widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}))

    def get_invalid_login_error(self) -> forms.ValidationError:
        return forms.ValidationError(REFUSED, code="invalid_login")
