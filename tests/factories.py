"""Coherent rows with few words: each function makes what it is named for and whatever that needs."""

import functools
import itertools
from datetime import UTC, datetime
from typing import Any

from django.contrib.auth.hashers import make_password

from accounts.models import Level, PersonalToken, Role, Team, TeamMember, User
from anomalies.models import Anomaly, AnomalyAssignee, AnomalyTag, Flow, Notice, Tag
from datastores.models import Datastore, TeamAccess
from datastores.services import create_org
from metrics.models import Metric, name_digest
from orgs import keys
from orgs.models import IngestKey, Org
from orgs.services import create_ingest_key, create_org_token

PASSWORD = "a plumb line hangs true"
STARTED = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
_numbers = itertools.count(1)


@functools.cache
def password_hash() -> str:
    """One slow hash for all users of a session."""
    return make_password(PASSWORD)


def make_org(name: str = "Acme", *, slug: str = "", **fields: Any) -> Org:
    """An org with its public team and the datastore "Metrics"."""
    return create_org(name=name, slug=slug or f"org-{next(_numbers)}", **fields)


def make_user(
    org: Org, name: str = "Ursula User", *, email: str = "", level: Level | None = None, datastore: Datastore | None = None, **fields: Any
) -> User:
    """A user who logs in with PASSWORD; with a level, through a team of one that has it on `datastore`."""
    email = email or f"{name.lower().replace(' ', '.')}.{next(_numbers)}@example.com"
    user = User.objects.create(org=org, name=name, email=email, password=password_hash(), **{"role": Role.MEMBER, **fields})
    if level is not None:
        grant(user, datastore or org.datastores.get(), level)
    return user


def grant(user: User, datastore: Datastore, level: Level) -> Team:
    """A team with this user as its one member and `level` on the datastore."""
    team = Team.objects.create(org=user.org, name=f"{user.name} {next(_numbers)}")
    TeamMember.objects.create(org=user.org, team=team, user=user)
    TeamAccess.objects.create(org=user.org, team=team, datastore=datastore, level=level)
    return team


def make_metric(datastore: Datastore, name: str = "cpu", **fields: Any) -> Metric:
    return Metric.objects.create(org_id=datastore.org_id, datastore=datastore, name=name, digest=name_digest(name), **fields)


def make_anomaly(metric: Metric, **fields: Any) -> Anomaly:
    """An active spike of the series, up from 1.0 to 9.5, that began at STARTED and lasts."""
    defaults: dict[str, Any] = {
        "type": Anomaly.Type.METRIC, "message": f"{metric.name} is higher than expected", "created": STARTED, "started_at": STARTED,
        "kind": "spike", "direction": "up", "peak_at": STARTED, "peak_value": 9.5, "score": 87.0,
        "expected": 1.0, "expected_lower": 0.5, "expected_upper": 1.5, "detectors": [{"name": "spike", "score": 87.0}],
    }  # fmt: skip
    return Anomaly.objects.create(org_id=metric.org_id, datastore_id=metric.datastore_id, metric=metric, **(defaults | fields))


def put_tag(anomaly: Anomaly, name: str = "High", **fields: Any) -> Tag:
    """The org's tag of this name, made with `fields` if it is new, now on the anomaly. No history."""
    tag, _ = Tag.objects.get_or_create(org_id=anomaly.org_id, name=name, defaults=fields)
    AnomalyTag.objects.create(org_id=anomaly.org_id, anomaly=anomaly, tag=tag)
    return tag


def assign(anomaly: Anomaly, *users: User) -> None:
    """No history."""
    AnomalyAssignee.objects.bulk_create(AnomalyAssignee(org_id=anomaly.org_id, anomaly=anomaly, user=user) for user in users)


def make_flow(datastore: Datastore, **fields: Any) -> Flow:
    """Discards what nobody has touched on the datastore for a week."""
    defaults = {"name": "Old noise", "action": "archive", "inactivity": "week", "archive_status": "Discarded"}
    flow = Flow.objects.create(org_id=datastore.org_id, **(defaults | fields))
    flow.datastores.add(datastore)
    return flow


def make_notice(anomaly: Anomaly, user: User, **fields: Any) -> Notice:
    """An unread word to the user that somebody acknowledged the anomaly that they watch."""
    defaults = {
        "kind": "watched",
        "transaction_id": 1,
        "actor": "user",
        "created": STARTED,
        "changeset": {"status": ["Active", "Acknowledged"]},
    }
    return Notice.objects.create(org_id=anomaly.org_id, user=user, anomaly=anomaly, **(defaults | fields))


def make_ingest_key(datastore: Datastore, **fields: Any) -> tuple[IngestKey, str]:
    """The row and its secret."""
    return create_ingest_key(datastore, **{"name": "agent", **fields})


def make_org_token(org: Org) -> str:
    """The secret."""
    return create_org_token(org, name="robot")[1]


def make_personal_token(user: User, *scopes: str, **fields: Any) -> str:
    """The secret of a token with these scopes; all three when none is named."""
    secret = keys.new_bearer_token()
    fields = {"name": "laptop", "digest": keys.digest_of(secret), "prefix": keys.prefix_of(secret), **fields}
    PersonalToken.objects.create(org=user.org, user=user, scopes=list(scopes or PersonalToken.Scope.values), **fields)
    return secret
