"""Setting a password: what it must be like, and what ends with the old one."""

from typing import Final

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import transaction

from accounts import clients, letters
from accounts.models import Letter, User
from orgs.errors import FieldError, Invalid

LONGEST: Final = 1000  # hashing is slow by design: a megabyte of password would be a weapon


def check_new_password(person: User, first: str, second: str, *, names: tuple[str, str]) -> None:
    """Raises Invalid, naming the parameters `names`, when the two differ or the password is too weak for this person."""
    if first != second:
        raise Invalid("The two passwords differ.", errors=[FieldError((names[1],), "differs", "The two passwords differ.")])
    try:
        validate_password(first, person)
    except ValidationError as exc:
        raise Invalid("Choose another password.", errors=[FieldError((names[0],), "weak", text) for text in exc.messages]) from exc


@transaction.atomic
def set_password(person: User, password: str, *, forget_clients: bool = False) -> None:
    """Ends every session of the person, since a session is bound to the hash, and every link to a new password; tells them by mail."""
    person.set_password(password)
    person.save(update_fields=["password"])
    letters.void(person, Letter.Kind.RESET, Letter.Kind.CHALLENGE)
    if forget_clients:
        clients.forget_all(person)
    letters.order(Letter.Kind.CHANGED, person.email, user=person)
