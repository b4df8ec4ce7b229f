"""How people come into an org that exists: an admin adds them, the mail's token lets them choose a password."""

from datetime import datetime, timedelta
from typing import Final

from django.db import IntegrityError, transaction

from accounts import letters, limits
from accounts.models import Letter, Role, User
from accounts.passwords import check_new_password
from orgs.errors import Conflict, FieldError, Invalid
from orgs.events import record_event
from orgs.models import Event

AGAIN_AFTER: Final = timedelta(minutes=1)
ENTRY = (Letter.Kind.VERIFY, Letter.Kind.INVITE)


def invite(inviter: User, *, email: str, name: str, role: Role) -> User:
    """A new person of the inviter's org, who gets a mail. Raises Invalid if somebody has the address already."""
    try:
        return _invite(inviter, email=email, name=name, role=role)
    except IntegrityError as exc:
        raise Invalid(
            "This address cannot be added.", errors=[FieldError(("add",), "taken", "Somebody has this address already.")]
        ) from exc


@transaction.atomic
def _invite(inviter: User, *, email: str, name: str, role: Role) -> User:
    person = User.objects.create_user(email, None, org=inviter.org, name=name, role=role)
    _mail(person, inviter)
    record_event(inviter.org_id, type=Event.Type.MEMBER, name=f"{person} was invited", user_id=inviter.pk)
    return person


def _mail(person: User, inviter: User) -> None:
    limits.mail(inviter, to=person.email)
    letters.order(Letter.Kind.INVITE, person.email, user=person, details={"inviter": inviter.name or inviter.email})


@transaction.atomic
def invite_again(inviter: User, person: User, *, now: datetime) -> None:
    """Mails a new token to somebody who has not come in yet; the former one ends. Raises Conflict for others, and within a minute."""
    if not person.is_invited or not person.is_active:
        raise Conflict(f"{person} has come in already, or the account was closed.")
    if Letter.objects.filter(user=person, kind=Letter.Kind.INVITE, created__gt=now - AGAIN_AFTER).exists():
        raise Conflict(f"A mail went to {person.email} a moment ago. Wait a minute before the next.")
    letters.void(person, Letter.Kind.INVITE)
    _mail(person, inviter)
    record_event(inviter.org_id, type=Event.Type.MEMBER, name=f"{person} was invited again", user_id=inviter.pk)


@transaction.atomic
def accept(email: str, token: str, *, password_1: str, password_2: str, now: datetime) -> User:
    """The person whose mail the token came in, with the password set. Raises Invalid; then the token can be used again."""
    letter = letters.opened(token, *ENTRY, email=email, now=now)
    if letter is None or letter.user is None or not letter.user.is_active:
        wrong = FieldError(("verification_token",), "invalid", "The token is wrong, used or too old, or was mailed to another address.")
        raise Invalid("You cannot come in with this token.", errors=[wrong])
    check_new_password(letter.user, password_1, password_2, names=("password_1", "password_2"))
    letter.user.set_password(password_1)
    letter.user.save(update_fields=["password"])
    letters.void(letter.user, *ENTRY, Letter.Kind.RESET)
    record_event(letter.user.org_id, type=Event.Type.MEMBER, name=f"{letter.user} came in", user_id=letter.user.pk)
    return letter.user
