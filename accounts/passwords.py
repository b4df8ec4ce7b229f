"""Setting a password: what it must be like, and what ends with the old one."""

from datetime import datetime
from typing import Final

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest

from accounts import clients, letters, limits
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


def check_own_password(request: HttpRequest, person: User, password: object, *, name: str = "password") -> None:
    """Raises Invalid, naming the parameter, when this is not the person's password, and TooMany after too many tries."""
    limits.guess(request, account=person.email)
    if not isinstance(password, str) or not person.check_password(password[:LONGEST]):
        raise Invalid("The password is wrong.", errors=[FieldError((name,), "wrong", "This is not your password.")])


@transaction.atomic
def set_password(person: User, password: str, *, forget_clients: bool = False) -> None:
    """Ends every session of the person, and every link to a new password; tells them by mail."""
    person.set_password(password)
    person.save(update_fields=["password"])
    person.sessions.all().delete()
    letters.void(person, Letter.Kind.RESET, Letter.Kind.CHALLENGE)
    if forget_clients:
        clients.forget_all(person)
    letters.order(Letter.Kind.CHANGED, person.email, user=person)


@transaction.atomic
def reset_password(token: str, first: str, second: str, *, now: datetime) -> User:
    """Sets the password of whom the token was mailed to, and makes every client new again. Raises Invalid; then the token still works."""
    letter = letters.opened(token, Letter.Kind.RESET, now=now)
    if letter is None or letter.user is None:
        raise Invalid("The token is wrong, used or too old.", errors=[FieldError(("token",), "invalid", "Ask for a new mail.")])
    check_new_password(letter.user, first, second, names=("new_password_1", "new_password_2"))
    set_password(letter.user, first, forget_clients=True)
    return letter.user
