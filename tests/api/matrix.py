"""Who may do what, worked out from the permission table: every REST route x method x kind of caller.

The tests expect it and docs/permissions.md shows it.
"""

import itertools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any
from uuid import uuid4

from django.urls import URLPattern, get_resolver

from accounts.models import Level, PersonalToken, Role, User
from accounts.permissions import PERMISSIONS, ROLE_RANK, Need
from anomalies.models import Anomaly, SavedView
from anomalies.services import comment_on
from anomalies.services.tags import create_tag
from anomalies.services.tickets import Ticket, create_integration, link_ticket
from datastores.models import Datastore, Operation
from orgs.events import record_event
from orgs.services import create_org_token
from tests import factories

METHODS = ("get", "post", "put", "patch", "delete")
PLACE = re.compile(r"\{\w+\}")
DONE = "yes"  # let through: done, or refused for what was sent


class Scope(Enum):
    """What the address names."""

    NOTHING = "a list, or the caller's own org"
    ORG = "a row of the org"
    STORE = "a row on one datastore"
    OWN = "a row of one person"
    PICKED = "the one datastore that the caller sees"


@dataclass(frozen=True)
class Sample:
    """What the tests put into the address: `make` returns the id of a row of the org, `owner` is an Admin of it."""

    scope: Scope
    make: Callable[[Datastore, User], Any] = lambda datastore, owner: ""
    sent: str = "{}"
    content_type: str = "application/json"


def _metric(datastore: Datastore, owner: User) -> int:
    return factories.make_metric(datastore, f"cpu.{uuid4()}").pk


def _anomaly(datastore: Datastore, owner: User) -> int:
    return factories.make_anomaly(factories.make_metric(datastore, f"cpu.{uuid4()}")).pk


def _container_scan(datastore: Datastore, owner: User) -> int:
    anomaly = Anomaly.objects.get(pk=_anomaly(datastore, owner))
    Anomaly.objects.filter(pk=anomaly.pk).update(container_scan_id=anomaly.pk)
    return anomaly.pk


def _partition_scan(datastore: Datastore, owner: User) -> tuple[int, str]:
    anomaly = Anomaly.objects.get(pk=_anomaly(datastore, owner))
    Anomaly.objects.filter(pk=anomaly.pk).update(partition_scan_id=anomaly.pk)
    return anomaly.pk, "Acknowledged"


def _comment(datastore: Datastore, owner: User) -> int:
    return comment_on(Anomaly.objects.get(pk=_anomaly(datastore, owner)), user=owner, message="Seen before.").pk


def _tag(datastore: Datastore, owner: User) -> str:
    return create_tag(owner.org_id, name=f"Tag {uuid4()}").name


def _integration(datastore: Datastore, owner: User) -> int:
    return create_integration(owner.org_id, name=f"Jira {uuid4()}", type="jira", url="https://jira.example.com").pk


def _ticket_link(datastore: Datastore, owner: User) -> tuple[int, int]:
    anomaly, integration_id = Anomaly.objects.get(pk=_anomaly(datastore, owner)), _integration(datastore, owner)
    return anomaly.pk, link_ticket(anomaly, Ticket("1", "OPS-1", "New"), integration_id=integration_id, user=owner).pk


def _operation(datastore: Datastore, owner: User) -> int:
    return Operation.objects.create(org_id=datastore.org_id, datastore=datastore, kind=Operation.Kind.IMPORT).pk


def _bulk_operation(datastore: Datastore, owner: User) -> int:
    """One across datastores."""
    return Operation.objects.create(org_id=datastore.org_id, kind=Operation.Kind.BULK, user=owner).pk


def _token(datastore: Datastore, owner: User) -> int:
    factories.make_personal_token(owner)
    return PersonalToken.objects.filter(user=owner).latest("pk").pk


def _notice(datastore: Datastore, owner: User) -> int:
    return factories.make_notice(factories.make_anomaly(factories.make_metric(datastore, f"cpu.{uuid4()}")), owner).pk


NOTHING = Sample(Scope.NOTHING)
METRIC, ANOMALY, OPERATION = (Sample(Scope.STORE, make) for make in (_metric, _anomaly, _operation))
SERVICE = Sample(Scope.ORG, lambda datastore, owner: factories.make_user(owner.org, "CI", is_service=True).pk)
FLOW = Sample(Scope.ORG, lambda datastore, owner: factories.make_flow(datastore, name=f"A flow {uuid4()}").pk)
SAMPLES: dict[str, Sample] = {
    "anomalies": NOTHING,
    "anomalies/bulk-by-filter": NOTHING,
    "anomalies/export": NOTHING,
    "anomalies/facets": NOTHING,
    "anomalies/{id}": ANOMALY,
    "anomalies/{id}/comments": ANOMALY,
    "anomalies/{id}/duplicate-of": ANOMALY,
    "anomalies/{id}/failed-checks": ANOMALY,
    "anomalies/{id}/history": ANOMALY,
    "anomalies/{id}/image": ANOMALY,
    "anomalies/{id}/related": ANOMALY,
    "anomalies/{id}/restore": ANOMALY,
    "anomalies/{id}/snooze": ANOMALY,
    "anomalies/{id}/source-record": ANOMALY,
    "anomalies/{id}/source-record/csv": ANOMALY,
    "anomalies/{id}/source-record/download": ANOMALY,
    "anomalies/{id}/ticket-links": ANOMALY,
    "anomalies/{id}/ticket-links/{link_id}": Sample(Scope.STORE, _ticket_link),
    "audit-logs/masking": NOTHING,
    "container-scans/{id}/anomalies": Sample(Scope.STORE, _container_scan),
    "partitions/{id}/anomalies/{status}": Sample(Scope.STORE, _partition_scan),
    "comments": NOTHING,
    "comments/{id}": Sample(Scope.STORE, _comment),
    "anomalies/{id}/watch": ANOMALY,
    "billing/checkout": NOTHING,
    "billing/invoices": NOTHING,
    "billing/plan": NOTHING,
    "billing/portal": NOTHING,
    "billing/usage": NOTHING,
    "datastores": NOTHING,
    "datastores/{id}": Sample(Scope.STORE, lambda datastore, owner: datastore.pk),
    "events": NOTHING,
    "events/{id}": Sample(Scope.STORE, lambda d, owner: record_event(d.org_id, type="deploy", name="x", datastore_id=d.pk).pk),
    "flows": NOTHING,
    "flows/{id}": FLOW,
    "flows/{id}/execute": FLOW,
    "flows/{id}/history": FLOW,
    "global-tags": NOTHING,
    "global-tags/listing": NOTHING,
    "global-tags/{name}": Sample(Scope.ORG, _tag),
    "insights": NOTHING,
    "integrations": NOTHING,
    "integrations/{id}": Sample(Scope.ORG, _integration),
    "metrics": NOTHING,
    "metrics/import": Sample(Scope.PICKED, sent="a file without its header\n", content_type="text/csv"),
    "metrics/{id}": METRIC,
    "metrics/{id}/forecast": METRIC,
    "metrics/{id}/timeseries": METRIC,
    "operations": NOTHING,
    "operations/abort/{id}": OPERATION,
    "operations/{id}": OPERATION,
    "operations/{id}/results": OPERATION,
    "operations/{id}/undo": Sample(Scope.OWN, _bulk_operation),
    "org": NOTHING,
    "org/ingest-keys": NOTHING,
    "org/ingest-keys/{id}": Sample(Scope.STORE, lambda datastore, owner: factories.make_ingest_key(datastore)[0].pk),
    "org/tokens": NOTHING,
    "org/tokens/{id}": Sample(Scope.ORG, lambda datastore, owner: create_org_token(owner.org, name="x")[0].pk),
    "service-accounts": NOTHING,
    "service-accounts/{id}": SERVICE,
    "service-accounts/{id}/tokens": SERVICE,
    "teams": NOTHING,
    "teams/{id}": Sample(Scope.ORG, lambda datastore, owner: owner.org.teams.create(org=owner.org, name=f"A team {uuid4()}").pk),
    "saved-views": NOTHING,
    "saved-views/{id}": Sample(
        Scope.OWN, lambda d, owner: SavedView.objects.create(org_id=d.org_id, user=owner, name=f"A view {uuid4()}").pk
    ),
    "user-notifications": NOTHING,
    "user-notifications/acknowledge": NOTHING,
    "user-notifications/acknowledge/{id}": Sample(Scope.OWN, _notice),
    "user-notifications/settings": NOTHING,
    "user-tokens": NOTHING,
    "user-tokens/{id}": Sample(Scope.OWN, _token),
    "users": NOTHING,
    "users/me": NOTHING,
    "users/{id}": Sample(Scope.ORG, lambda datastore, owner: factories.make_user(owner.org, "Somebody").pk),
}


@dataclass(frozen=True)
class Kind:
    """One kind of caller; `home` is whether they are of the org that the row is of."""

    word: str
    role: Role = Role.MEMBER
    level: Level | None = None
    is_known: bool = True
    is_demo: bool = False
    is_org_token: bool = False
    reads_only: bool = False
    home: bool = True


KINDS = (
    Kind("anonymous", is_known=False),
    Kind("demo", level=Level.VIEWER, is_demo=True),
    Kind("member", level=None),
    *(Kind(level.label, level=level) for level in Level),
    Kind("manager", role=Role.MANAGER, level=Level.EDITOR),
    Kind("admin", role=Role.ADMIN, level=Level.EDITOR),
    Kind("other org's admin", role=Role.ADMIN, level=Level.EDITOR, home=False),
    Kind("org token", level=Level.VIEWER, is_org_token=True),
    Kind("read-only token", role=Role.ADMIN, level=Level.EDITOR, reads_only=True),
)


def expected(kind: Kind, need: Need | None, scope: Scope) -> str:
    """The status that the kind of caller gets, or DONE."""
    if need is None:
        return "405"
    if not kind.is_known:
        return "401"
    if not _may(kind, need):
        return "403"
    found = _of_row(kind, need.level or Level.REPORTER, scope)
    return "403" if found == DONE and need.own and not _is_owner(kind, scope) else found


def _may(kind: Kind, need: Need) -> bool:
    if kind.is_org_token:
        return need.org_token
    if kind.is_demo or kind.reads_only:
        return not need.writes
    return ROLE_RANK[kind.role] >= ROLE_RANK[need.role] or (need.or_level is not None and (kind.level or 0) >= need.or_level)


def _is_owner(kind: Kind, scope: Scope) -> bool:
    """What is made for the tests is the Admin's."""
    return scope == Scope.NOTHING or kind.role == Role.ADMIN


def _of_row(kind: Kind, level: Level, scope: Scope) -> str:
    if scope == Scope.NOTHING:
        return DONE
    if not kind.home:
        return DONE if scope == Scope.PICKED else "404"
    if scope == Scope.OWN:
        return DONE if kind.role == Role.ADMIN else "404"
    if scope == Scope.ORG:
        return DONE
    if kind.level is None:
        return "404"
    return DONE if kind.level >= level else "403"


@dataclass(frozen=True)
class Route:
    """One address under /api/ and the operation of each method that it takes."""

    address: str
    operations: dict[str, str]

    def path(self, row: object) -> str:
        """With the row's id in its place; a tuple fills several places in their order."""
        parts = iter(row) if isinstance(row, tuple) else itertools.repeat(row)
        return f"/api/{re.sub(PLACE, lambda _: str(next(parts)), self.address)}"

    def need(self, method: str) -> Need | None:
        operation = self.operations.get(method)
        return None if operation is None else PERMISSIONS[operation]

    def row(self, method: str) -> list[str]:
        return [expected(kind, self.need(method), SAMPLES[self.address].scope) for kind in KINDS]


def routes() -> list[Route]:
    """Every REST route of the resolver, in the order of their addresses."""
    return sorted(_found(get_resolver().url_patterns, ""), key=lambda route: route.address)


def _found(patterns: list[Any], prefix: str) -> Iterator[Route]:
    for pattern in patterns:
        here = prefix + str(pattern.pattern)
        if not isinstance(pattern, URLPattern):
            yield from _found(pattern.url_patterns, here)
        elif here.startswith("api/") and hasattr(pattern.callback, "actions"):
            view = pattern.callback
            operations = {method: view.cls.operations[action] for method, action in view.actions.items() if method in METHODS}
            yield Route(re.sub(r"<str:(\w+)>", r"{\1}", here.removeprefix("api/")), operations)


INTRODUCTION = """# Who may do what

Worked out from `accounts/permissions.py`, and compared with the running API for every cell by `tests/api/test_matrix.py`, which also
writes this page (`UPDATE_MATRIX=1`).

`yes`: let through. `401`: say who you are. `403`: it is there, and not for you. `404`: not there for you. A method that is not listed is
405 for everybody. Levels are what the caller has on the datastore of the thing that the address names; lists show what the caller may
see. *demo* is a demo user, *member* one without any team, *manager* a manager with the level editor, *read-only token* a personal token of
an Admin with the scope read. An anomaly's description needs the level editor; the name and the members of a team need an Admin.

"""


def page() -> str:
    """docs/permissions.md."""
    head = ["method", "address", "operation", *(kind.word for kind in KINDS)]
    lines = [head, ["---"] * len(head)]
    lines += [
        [method.upper(), f"/api/{route.address}", f"`{operation}`", *route.row(method)]
        for route in routes()
        for method, operation in route.operations.items()
    ]
    return INTRODUCTION + "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"
