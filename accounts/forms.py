"""Forms about a person."""

from typing import ClassVar

from django import forms
from django.contrib.auth.forms import AuthenticationForm


class LoginForm(AuthenticationForm):
    """E-mail and password. Its error says the same for an unknown address, a wrong password and a closed account."""

    username = forms.EmailField(label="E-mail", widget=forms.EmailInput(attrs={"autocomplete": "username", "autofocus": True}))
    password = forms.CharField(label="Password", strip=False, widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}))

    error_messages: ClassVar[dict[str, str]] = {
        "invalid_login": "This e-mail and password do not fit together.",
        "inactive": "This e-mail and password do not fit together.",
    }
