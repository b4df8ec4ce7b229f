"""Log-in by e-mail and password, before anybody knows whose org it is about."""

from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.http import HttpRequest

from accounts.models import User
from orgs import tenancy


class OrgBackend(ModelBackend):
    """Django's, within the org that the address belongs to. Who proves the password has entered it."""

    def authenticate(self, request: HttpRequest | None, username: str | None = None, password: str | None = None, **kwargs: Any) -> Any:
        with tenancy.home_of(User, email=(username or "").strip().lower()):
            person = super().authenticate(request, username=username, password=password, **kwargs)
        if person is not None:
            tenancy.enter(person.org_id)
        return person
