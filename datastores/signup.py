"""How an org is born from a sign-up, and how a visitor gets into a demo org."""

import secrets

from django.db import IntegrityError, transaction
from django.utils.text import slugify

from accounts import letters
from accounts.models import Letter, Role, User
from billing.plans import FREE
from datastores.services import create_org
from orgs import tenancy
from orgs.models import Org


def sign_up(*, email: str, user_name: str, org_name: str, timezone: str, is_test: bool) -> User:
    """An org with its first admin, who can come in with the token that is mailed.

    If somebody has the address already, all the same is made and taken back, the owner of the address is told by mail, and what is
    returned was never stored: whoever asks cannot tell.
    """
    try:
        return _sign_up(email=email, user_name=user_name, org_name=org_name, timezone=timezone, is_test=is_test)
    except IntegrityError:  # somebody was faster with the same address: now it is taken
        return _sign_up(email=email, user_name=user_name, org_name=org_name, timezone=timezone, is_test=is_test)


@transaction.atomic
def _sign_up(*, email: str, user_name: str, org_name: str, timezone: str, is_test: bool) -> User:
    home = tenancy.org_of(User, email=email)
    point = transaction.savepoint()
    address = f"{secrets.token_hex(8)}@taken.invalid" if home else email
    person = _make(address, user_name=user_name, org_name=org_name, timezone=timezone, is_test=is_test)
    if home is None:
        letters.order(Letter.Kind.VERIFY, email, user=person)
        return person
    transaction.savepoint_rollback(point)
    with tenancy.within(home):
        owner = User.objects.get(email=email)
        # Who never chose a password has lost the first mail.
        letters.order(Letter.Kind.TAKEN if owner.has_usable_password() else Letter.Kind.VERIFY, owner.email, user=owner)
    person.email = email
    return person


def _make(email: str, *, user_name: str, org_name: str, timezone: str, is_test: bool) -> User:
    slug = f"{slugify(org_name)[:48] or 'org'}-{secrets.token_hex(4)}"
    org = create_org(name=org_name, slug=slug, timezone=timezone, metric_limit=FREE.metric_limit)
    with tenancy.within(org.pk):
        Org.objects.filter(pk=org.pk).update(plan=FREE.code, is_test=is_test)
        org.refresh_from_db()
        return User.objects.create_user(email, None, org=org, name=user_name, role=Role.ADMIN)


def visit(org: Org, *, email: str, name: str) -> User:
    """A demo user of a demo org: sees everything, changes nothing. The address is kept, but nobody can log in by it."""
    made_up = f"{secrets.token_hex(8)}@demo.invalid"
    with tenancy.within(org.pk):
        return User.objects.create_user(made_up, None, org=org, name=name, is_demo=True, contact_email=email)
