import getpass
import secrets
from typing import Any

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.core.validators import validate_email
from django.db import transaction
from django.utils.text import slugify

from accounts.models import Role, User
from datastores.services import create_org
from orgs import tenancy
from orgs.models import Org


class Command(BaseCommand):
    help = "Makes an admin, and the org where it does not exist yet. With --operator the person may also use /admin/."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("email")
        parser.add_argument("--org", default="My org", help='name of the org (default "My org")')
        parser.add_argument("--name", default="", help="the person's name (default: what stands before the @)")
        parser.add_argument("--timezone", default="UTC", help="IANA time zone of a new org (default UTC)")
        parser.add_argument("--operator", action="store_true", help="may use the operators' admin, which sees every org")
        parser.add_argument("--random-password", action="store_true", help="make a password and print it, instead of asking for one")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            validate_email(options["email"])
            password = self._password(options)
            user = _create(options, password)
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from error
        self.stdout.write(f"{user.email} is an admin of {user.org.name}.")
        if options["random_password"]:
            self.stdout.write(f"Password: {password}")

    def _password(self, options: dict[str, Any]) -> str:
        if options["random_password"]:
            return secrets.token_urlsafe(12)
        password, again = _asked("Password: "), _asked("The same again: ")
        if password != again:
            raise CommandError("The two passwords differ.")
        validate_password(password, User(email=options["email"], name=options["name"]))
        return password


def _asked(prompt: str) -> str:
    """What somebody types. Raises CommandError where nobody can."""
    try:
        return getpass.getpass(prompt)
    except EOFError:
        raise CommandError(
            "There is nobody to ask for a password. Run this in a terminal, or with --random-password, which makes one and prints it."
        ) from None


@transaction.atomic
def _create(options: dict[str, Any], password: str) -> User:
    if tenancy.org_of(User, email=options["email"].lower()) is not None:
        raise CommandError(f"{options['email']} exists already.")
    slug = slugify(options["org"]) or "org"
    home = tenancy.org_of(Org, slug=slug) or create_org(name=options["org"], slug=slug, timezone=options["timezone"]).pk
    operator = options["operator"]
    name = options["name"] or options["email"].partition("@")[0]
    with tenancy.within(home):
        org = Org.objects.get(pk=home)
        return User.objects.create_user(
            options["email"], password, name=name, org=org, role=Role.ADMIN, is_staff=operator, is_superuser=operator
        )
