"""Which tickets of which ticketing systems are about an anomaly. Whether people may is checked by the caller."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from django.db import transaction
from django.utils import timezone

from accounts.models import User
from anomalies.models import Anomaly, Integration, TicketLink
from anomalies.services.archived import refuse_archived
from anomalies.services.history import USER, Line, write_history
from anomalies.services.states import hold
from orgs.errors import Conflict, FieldError, Invalid, NotFound
from orgs.models import Org
from orgs.uniqueness import conflict_if_taken

MOST: Final = 100


@dataclass(frozen=True)
class Ticket:
    """A ticket as the caller knows it; `status` is the other system's word."""

    ticket_id: str
    ticket_number: str
    status: str
    ticket_url: str = ""
    ticket_metadata: Mapping[str, Any] = field(default_factory=dict)


@transaction.atomic
def link_ticket(anomaly: Anomaly, ticket: Ticket, *, integration_id: int, user: User) -> TicketLink:
    """The anomaly with one more ticket, and its line of history.

    Raises Archived for an archived anomaly, Invalid for an integration that the org has not, Conflict for a ticket that it has already.
    """
    refuse_archived(anomaly)
    integration = Integration.objects.for_org(anomaly.org_id).filter(pk=integration_id).first()
    if integration is None:
        error = FieldError(("body", "integration_id"), "not_found", f"There is no integration {integration_id}.")
        raise Invalid("The ticket was not linked.", errors=[error])
    # The lock on the anomaly keeps others from linking the same at the same time.
    if TicketLink.objects.filter(anomaly=anomaly, integration=integration, ticket_id=ticket.ticket_id).exists():
        raise Conflict(f"{integration.name} {ticket.ticket_number} is linked to this anomaly already.")
    link = TicketLink.objects.create(org_id=anomaly.org_id, anomaly=anomaly, integration=integration, user=user, **vars(ticket))
    tell([link], made=True, user=user)
    return link


@transaction.atomic
def unlink_ticket(link: TicketLink, *, user: User) -> None:
    """Forgets the association; the ticket itself is nobody's concern here.

    Raises Archived for an archived anomaly, NotFound for a link that somebody else has just taken away.
    """
    refuse_archived(link.anomaly)
    if tell([link], made=False, user=user) is None:
        raise NotFound("This ticket is no longer linked.")
    link.delete()


@transaction.atomic
def create_integration(org_id: int, *, name: str, type: str, url: str) -> Integration:
    """Raises Conflict for a name that is taken, and when the org has as many as it may have."""
    Org.objects.select_for_update(no_key=True).only("pk").get(pk=org_id)  # one after the other, so that the limit holds
    if Integration.objects.for_org(org_id).count() >= MOST:
        raise Conflict(f"There are {MOST} integrations already. Delete one that nobody needs.")
    return stored(Integration(org_id=org_id, name=name, type=type, url=url))


def change_integration(integration: Integration, **changes: str) -> Integration:
    """The integration with what is given of name, type and url. Raises Conflict for a name that is taken."""
    for name, value in changes.items():
        setattr(integration, name, value)
    return stored(integration)


@transaction.atomic
def delete_integration(integration: Integration, *, user: User) -> None:
    """The integration and its links, with a line of history for each anomaly that loses some. A constant number of statements."""
    mine = TicketLink.objects.filter(integration=integration)
    hold(integration.org_id, set(mine.values_list("anomaly_id", flat=True)))
    links = list(mine.select_related("integration").select_for_update(of=("self",)))
    tell(links, made=False, user=user)
    integration.delete()


def stored(integration: Integration) -> Integration:
    with conflict_if_taken(f"There is an integration of the name {integration.name} already."):
        integration.save()
    return integration


def tell(links: Sequence[TicketLink], *, made: bool, user: User) -> int | None:
    """One line of history per anomaly that has got links (`made`) or is about to lose them: all its links before and after.

    The transaction id, None where none of them stands.
    """
    these, anomalies = {link.pk for link in links}, {link.anomaly_id for link in links}
    standing = TicketLink.objects.filter(anomaly__in=anomalies).select_related("integration").order_by("anomaly_id", "pk")
    lines = []
    for pk, group in itertools.groupby(standing, key=lambda link: link.anomaly_id):
        whole = list(group)
        more, fewer = [shown(link) for link in whole], [shown(link) for link in whole if link.pk not in these]
        if fewer != more:
            lines.append(Line(whole[0].org_id, pk, {"ticket_links": (fewer, more) if made else (more, fewer)}))
    return write_history(lines, actor=USER, user=user, at=timezone.now())


def shown(link: TicketLink) -> dict[str, object]:
    return {"id": link.pk, "name": link.ticket_number, "ticket_id": link.ticket_id, "integration": link.integration.name}
