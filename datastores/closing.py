"""How an org ends: at once nobody and nothing gets in any more; some days later it is erased. Until then an operator can open it again."""

from datetime import datetime, timedelta
from typing import Final

from django.db import transaction

from accounts import letters
from accounts.models import Letter, PersonalToken, Role, User
from billing.models import Account
from orgs.errors import Conflict, FieldError, Invalid
from orgs.events import record_event
from orgs.models import Event, IngestKey, Org, OrgToken, PublicKey

# The database's function that erases says the same (orgs/migrations/0009_closing.py).
GRACE: Final = timedelta(days=7)


@transaction.atomic
def close_org(org: Org, *, name: str, actor: User, now: datetime) -> Org:
    """Ends every way in, and tells the admins by mail.

    Raises Invalid for a name that is not the org's, Conflict while a subscription is being paid.
    """
    org = Org.objects.select_for_update().get(pk=org.pk)
    if name.strip() != org.name:
        raise Invalid("The name is not that of the organisation.", errors=[FieldError(("name",), "differs", f"Type {org.name}.")])
    if any(account.is_live for account in Account.objects.filter(org=org)):
        raise Conflict("A subscription is being paid. Cancel it under Billing, and close the organisation when it has ended.")
    for admin in User.objects.for_org(org).deciding_admins():
        details = {"closer": actor.name or actor.email, "days": GRACE.days, "name": org.name}
        letters.order(Letter.Kind.CLOSED, admin.email, user=admin, details=details)
    record_event(org.pk, type=Event.Type.SETTINGS, name="The organisation was closed", user_id=actor.pk, timestamp=now)
    Org.objects.filter(pk=org.pk).update(closed=now)
    User.objects.for_org(org).update(is_active=False)
    for model in (OrgToken, IngestKey, PublicKey, PersonalToken):
        model._default_manager.filter(org=org, revoked=None).update(revoked=now)
    org.closed = now
    return org


@transaction.atomic
def open_again(org: Org) -> int:
    """Lets those in again who were the admins of a closed org; how many. They open the accounts of the others.

    Whoever had been let go before stays out, and keys and tokens have to be made anew. Raises Conflict for an org that is not closed.
    """
    org = Org.objects.select_for_update().get(pk=org.pk)
    if org.closed is None:
        raise Conflict("This organisation is not closed.")
    # Closing told those alone who were admins then.
    told = Letter.objects.filter(org=org, kind=Letter.Kind.CLOSED, created__gte=org.closed).values("user")
    admins = User.objects.for_org(org).people().filter(pk__in=told, role=Role.ADMIN, is_demo=False)
    Org.objects.filter(pk=org.pk).update(closed=None)
    record_event(org.pk, type=Event.Type.SETTINGS, name="The organisation was opened again by an operator")
    return int(admins.update(is_active=True))
