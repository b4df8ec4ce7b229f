"""Changing people and service accounts, and taking leave of them. An org always keeps one admin."""

import secrets
from datetime import datetime
from typing import Any, Final

from django.db import transaction

from accounts import letters, limits
from accounts.models import Letter, User
from orgs.errors import Conflict, NotFound
from orgs.events import record_event
from orgs.models import Event, Org

# What of a person is the org's business; the rest is theirs and not told.
TOLD: Final = ("name", "role", "is_active", "description")


@transaction.atomic
def change_user(user: User, *, actor_id: int | None, **changes: Any) -> User:
    """Changes the given fields of a person or service account. Raises Conflict if the org would be left without an admin."""
    was_admin = _hold(user).is_admin
    changed = [field for field, value in changes.items() if getattr(user, field) != value]
    if not changed:
        return user
    for field in changed:
        setattr(user, field, changes[field])
    user.save(update_fields=changed)
    _require_an_admin(user.org_id, if_left=was_admin)
    if told := [field for field in TOLD if field in changed]:
        record_event(user.org_id, type=Event.Type.MEMBER, name=f"{user}: {', '.join(told)} changed", user_id=actor_id)
    return user


def change_self(person: User, **changes: Any) -> None:
    """What a person changes about themselves and nobody else is told of."""
    for field, value in changes.items():
        setattr(person, field, value)
    if changes:
        person.save(update_fields=list(changes))


@transaction.atomic
def ask_to_move(person: User, email: str) -> None:
    """Mails a token to the address that the person wants, and tells the one they have: somebody else may be at their desk."""
    limits.mail(person, to=email)
    letters.void(person, Letter.Kind.ADDRESS)
    sentence = f"Somebody who is logged in as you wants the address {email} for your account. It counts when it is confirmed from there."
    letters.order(Letter.Kind.SECURITY, person.email, user=person, details={"sentence": sentence})
    letters.order(Letter.Kind.ADDRESS, email, user=person)


@transaction.atomic
def move(person: User, token: str, *, now: datetime) -> None:
    """Gives the person the address that the token was mailed to, and tells the old one. Raises Invalid."""
    new, old = letters.confirmed_address(person, token, now=now), person.email
    change_self(person, email=new)
    letters.void(person, Letter.Kind.RESET, Letter.Kind.CHALLENGE)  # they were mailed to the old one
    sentence = f"Your account has another address now: {new}. This one does not log in any more."
    letters.order(Letter.Kind.SECURITY, old, user=person, details={"sentence": sentence})


@transaction.atomic
def remove_user(user: User, *, actor_id: int | None) -> None:
    """Erases a person or service account with its tokens; what they did stays, without their name. Raises Conflict for the last admin."""
    was_admin, pk, name = _hold(user).is_admin, user.pk, str(user)
    user.delete()
    _require_an_admin(user.org_id, if_left=was_admin)
    record_event(user.org_id, type=Event.Type.MEMBER, name=f"{name} left", user_id=None if actor_id == pk else actor_id)


@transaction.atomic
def create_service_account(org_id: int, *, name: str, role: str, description: str = "", actor_id: int | None = None) -> User:
    """A user without password or mailbox, who acts through tokens only."""
    email = f"{secrets.token_hex(8)}@service.invalid"
    user = User.objects.create_user(email, None, org_id=org_id, name=name, role=role, description=description, is_service=True)
    record_event(org_id, type=Event.Type.MEMBER, name=f"Service account {name} made", user_id=actor_id)
    return user


def _hold(user: User) -> User:
    """Locks the org for changes of its people, so that of two admins who leave at once only one does; the user as it is now."""
    Org.objects.select_for_update().get(pk=user.org_id)
    try:
        user.refresh_from_db()
    except User.DoesNotExist as exc:
        raise NotFound("This user has left.") from exc
    return user


@transaction.atomic
def would_leave_no_admin(user_id: int | None, **changes: Any) -> bool:
    """Whether the org would have nobody to administer it if this person were so. Holds the org in the caller's transaction."""
    user = User.objects.filter(pk=user_id).first()
    if user is None or not User.objects.for_org(user.org_id).deciding_admins().filter(pk=user.pk).exists():
        return False
    _hold(user)
    for field, value in changes.items():
        setattr(user, field, value)
    decides = user.is_admin and user.is_active and not user.is_demo and not user.is_service
    return not decides and not User.objects.for_org(user.org_id).deciding_admins().exclude(pk=user.pk).exists()


def _require_an_admin(org_id: int, *, if_left: bool) -> None:
    if if_left and not User.objects.for_org(org_id).deciding_admins().exists():
        raise Conflict("This is the last admin of the org. Make somebody else an admin first.")
