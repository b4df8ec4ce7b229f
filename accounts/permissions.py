"""The permission table: what each operation needs. Views, pages and tests read it here and nowhere else.

An operation needs a global role and, where it touches a datastore, a team level there (data-quality roles: reporter < viewer <
drafter < author < editor). An Admin bypasses team levels. A demo user reads everything of the org and writes nothing.
Outside the caller's org or datastores a thing does not exist (404); inside, what is not allowed is 403.
"""

from collections.abc import Collection
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from accounts.callers import Caller, OrgCaller
from accounts.models import Level, PersonalToken, Role, User

ROLE_RANK: Final = MappingProxyType({Role.MEMBER: 0, Role.MANAGER: 1, Role.ADMIN: 2})


@dataclass(frozen=True)
class Need:
    """What one operation asks of its caller."""

    role: Role = Role.MEMBER
    level: Level | None = None
    writes: bool = False
    org_token: bool = False  # whether an org token, which stands for no person, may do it
    own: bool = False  # only to what is the caller's own
    own_or: Role | None = None  # and, with this role, to anybody's
    or_level: Level | None = None  # a level on any datastore that does instead of the role
    opens: bool = False  # an account, the org or what is sealed: not by an operator who acts as somebody

    @property
    def scope(self) -> PersonalToken.Scope:
        """The scope that a personal token needs for it: administering, writing or reading."""
        if not self.writes:
            return PersonalToken.Scope.READ
        return PersonalToken.Scope.ADMIN if self.role == Role.ADMIN else PersonalToken.Scope.WRITE


PERMISSIONS: Final = MappingProxyType(
    {
        "overview.read": Need(),
        "datastore.read": Need(level=Level.REPORTER),
        "metric.read": Need(level=Level.REPORTER, org_token=True),
        "metric.import": Need(level=Level.EDITOR, writes=True),
        "anomaly.read": Need(level=Level.REPORTER, org_token=True),
        "anomaly.history": Need(level=Level.VIEWER, org_token=True),
        "anomaly.update": Need(level=Level.AUTHOR, writes=True),
        "anomaly.describe": Need(level=Level.EDITOR, writes=True),
        "anomaly.archive": Need(level=Level.AUTHOR, writes=True),
        "anomaly.restore": Need(level=Level.AUTHOR, writes=True),
        "anomaly.snooze": Need(level=Level.AUTHOR, writes=True),
        "anomaly.deleted": Need(level=Level.EDITOR),
        "comment.read": Need(level=Level.VIEWER, org_token=True),
        "comment.create": Need(level=Level.VIEWER, writes=True),
        "comment.update": Need(level=Level.VIEWER, writes=True, own=True),
        "comment.delete": Need(level=Level.VIEWER, writes=True, own=True, own_or=Role.ADMIN),
        "anomaly.watch": Need(level=Level.VIEWER, writes=True),
        "insight.read": Need(level=Level.REPORTER, org_token=True),
        "flow.read": Need(role=Role.MANAGER),
        "flow.manage": Need(role=Role.MANAGER, writes=True),
        "flow.execute": Need(role=Role.MANAGER, writes=True),
        "view.read": Need(),
        "view.manage": Need(writes=True),
        "notification.read": Need(),
        "notification.acknowledge": Need(writes=True),
        "integration.read": Need(),
        "integration.manage": Need(role=Role.MANAGER, writes=True, opens=True),
        "ticket_link.read": Need(level=Level.VIEWER, org_token=True),
        "ticket_link.manage": Need(role=Role.MANAGER, level=Level.AUTHOR, writes=True),
        "audit.read": Need(role=Role.ADMIN),
        "source_record.read": Need(level=Level.VIEWER, org_token=True),
        "source_record.unmask": Need(level=Level.EDITOR, opens=True),
        "tag.read": Need(),
        "tag.manage": Need(role=Role.MANAGER, or_level=Level.EDITOR, writes=True),
        "operation.read": Need(level=Level.REPORTER),
        "operation.undo": Need(writes=True),
        "anomaly.bulk": Need(level=Level.AUTHOR, writes=True),
        "operation.abort": Need(level=Level.EDITOR, writes=True),
        "me.read": Need(),
        "me.update": Need(writes=True),
        "me.secure": Need(writes=True, opens=True),  # what guards the account: password, second factors, address, leaving
        "user.read": Need(role=Role.MANAGER),
        "user.manage": Need(role=Role.ADMIN, writes=True, opens=True),
        "service.read": Need(role=Role.MANAGER),
        "service.manage": Need(role=Role.ADMIN, writes=True, opens=True),
        "token.read": Need(),
        "token.manage": Need(writes=True, opens=True),
        "team.read": Need(role=Role.MANAGER),
        "team.grant": Need(role=Role.MANAGER, writes=True),
        "team.manage": Need(role=Role.ADMIN, writes=True),
        "org.read": Need(),
        "org.update": Need(role=Role.ADMIN, writes=True),
        "org_token.read": Need(role=Role.ADMIN),
        "org_token.manage": Need(role=Role.ADMIN, writes=True, opens=True),
        "ingest_key.read": Need(role=Role.MANAGER, level=Level.EDITOR),
        "ingest_key.manage": Need(role=Role.MANAGER, level=Level.EDITOR, writes=True, opens=True),
        "event.read": Need(level=Level.REPORTER),
        "event.create": Need(writes=True),
        "org.overview": Need(org_token=True),
        "org.feed": Need(org_token=True),
        "org.mark": Need(writes=True, org_token=True),
        "org.channels": Need(),
        "org.quota": Need(role=Role.ADMIN, org_token=True),
        "org.settings": Need(role=Role.ADMIN),
        "billing.read": Need(),
        "billing.invoices": Need(role=Role.ADMIN),
        "billing.manage": Need(role=Role.ADMIN, writes=True),
        "org.administer": Need(role=Role.ADMIN, writes=True, opens=True),
        "org.report_health": Need(role=Role.ADMIN, writes=True, org_token=True),
    }
)

# A stronger scope holds the weaker ones.
SCOPES_HELD: Final = MappingProxyType(
    {
        PersonalToken.Scope.READ: frozenset({PersonalToken.Scope.READ}),
        PersonalToken.Scope.WRITE: frozenset({PersonalToken.Scope.READ, PersonalToken.Scope.WRITE}),
        PersonalToken.Scope.ADMIN: frozenset(PersonalToken.Scope),
    }
)


HELD_BACK: Final = "Operators who act as somebody change nothing that opens an account or the organisation, and see nothing that is masked."


def is_held_back(user: Caller, operation: str) -> bool:
    """Whether the caller is an operator who acts as somebody, and `operation` would open a door."""
    return isinstance(user, User) and user.acted_by is not None and PERMISSIONS[operation].opens


def has_role(user: Caller, operation: str) -> bool:
    """Whether the caller's global role allows `operation` at all. Raises KeyError for an operation that is not in the table."""
    need = PERMISSIONS[operation]
    if isinstance(user, OrgCaller):
        return need.org_token
    if is_held_back(user, operation):
        return False
    if user.is_demo:
        return not need.writes
    return ROLE_RANK[Role(user.role)] >= ROLE_RANK[need.role]


def is_theirs(user: Caller, operation: str, *, owner_id: int | None) -> bool:
    """Whether the caller may do `operation` to something of this person's."""
    need = PERMISSIONS[operation]
    if not need.own or (owner_id is not None and owner_id == user.pk):
        return True
    return need.own_or is not None and not isinstance(user, OrgCaller) and ROLE_RANK[Role(user.role)] >= ROLE_RANK[need.own_or]


def has_scope(scopes: Collection[str], operation: str) -> bool:
    """Whether a token with `scopes` may do `operation`. Raises KeyError for an operation that is not in the table."""
    needed = PERMISSIONS[operation].scope
    return any(needed in SCOPES_HELD[PersonalToken.Scope(scope)] for scope in scopes)


def level_needed(operation: str) -> Level:
    return PERMISSIONS[operation].level or Level.REPORTER
