"""/org: what the org has, its quota, and what test requests brought."""

from typing import Any

from django.conf import settings

from accounts.callers import Caller
from accounts.models import User
from accounts.session_api.shown import org_of_user_shown
from config.api.session import Call, Data, Kind, endpoint, stamps
from config.api.session.parameters import Flag, Text, Words, page
from datastores.models import Datastore
from metrics import quota
from metrics.ingest import trials
from orgs.errors import FieldError, Invalid
from orgs.models import IngestKey, OrgToken, StoredSecret

NO_VALUE = frozenset({"value_missing", "value_invalid"})


@endpoint("/org/info", operation="org.overview")
def info(call: Call) -> Data:
    """The org: its plan and quota, where points go, and for admins its tokens and keys by name and prefix."""
    org, now = call.org, call.now
    shown = org_of_user_shown(org, now=now, zone=call.zone)
    used = quota.quota_of(org)
    more = {
        "slug": org.slug,
        "plan": org.plan,
        "metric_limit": used.limit,
        "metric_count": used.used,
        "validate_clients": org.validates_clients,
        "ingest": {"host": settings.BASE_URL, "keys": keys_of(call)},
        "tokens": secrets_shown(OrgToken.objects.filter(org=org), call) if is_admin(call.caller) else None,
    }
    return {"org": shown | more}


def is_admin(caller: Any) -> bool:
    return isinstance(caller, User) and caller.is_admin


def keys_of(call: Call) -> list[dict[str, Any]] | None:
    return secrets_shown(IngestKey.objects.filter(org=call.org), call) if is_admin(call.caller) else None


def secrets_shown(found: Any, call: Call) -> list[dict[str, Any]]:
    """The live secrets by name and prefix, never whole."""
    return [secret_shown(secret, call) for secret in found.live(call.now).order_by("-created", "-pk")]


def secret_shown(secret: StoredSecret, call: Call) -> dict[str, Any]:
    return {
        "id": secret.pk,
        "name": secret.name,
        "prefix": secret.prefix,
        **stamps("created", secret.created, call.zone),
        **stamps("last_used", secret.last_used, call.zone),
        **stamps("expires", secret.expires, call.zone),
    }


@endpoint(
    "/org/getquotametrics",
    operation="org.quota",
    parameters=(*page(most=5000), Text(name="q", default="", limit=500, help="Part of the name.")),
    example={"limit": 2},
)
def getquotametrics(call: Call, *, limit: int, offset: int, q: str) -> Data:
    """The metrics that count towards the quota. A metric counts until it is removed, also when nothing arrives any more."""
    used = quota.quota_of(call.org)
    rows = quota.counting(call.org, search=q)[offset : offset + limit]
    told = [{"id": metric.pk, "name": metric.name, **stamps("last", metric.last_at, call.zone)} for metric in rows]
    return {"quota": used.limit, "used": used.used, "remaining": used.remaining, "metrics": told}


@endpoint(
    "/org/removequotametrics",
    kind=Kind.WRITE,
    operation="org.administer",
    parameters=(
        Words(name="metrics", limit=quota.MOST_AT_ONCE, help="Names. A name with a comma has to come in a JSON array."),
        Words(name="patterns", limit=100, help="`*` is any characters, `?` one; a pattern fits a whole name."),
        Flag(name="dry_run", default=True, help="Only tells what would be removed."),
    ),
    example={"patterns": ["staging.*"], "dry_run": True},
)
def removequotametrics(call: Call, *, metrics: tuple[str, ...], patterns: tuple[str, ...], dry_run: bool) -> Data:
    """Removes metrics with their anomalies, and so frees their quota. Without `dry_run` false nothing is changed.

    Their points can be read no more, and are erased from the disk when the org's retention ends. At most 5,000 metrics go at once;
    `more` tells that others fit, which the same call takes next.
    """
    if not metrics and not patterns:
        raise Invalid("Say which.", errors=[FieldError(("metrics",), "required", "Give metrics, patterns or both.")])
    removed = quota.remove(call.org, names=metrics, patterns=patterns, dry_run=dry_run, actor_id=call.person().pk)
    used = quota.quota_of(call.org)
    told = {"removed_metrics": removed.names, "removed_count": len(removed.names), "more": removed.more, "dry_run": dry_run}
    return told | {"used": used.used, "remaining": used.remaining}


@endpoint("/org/testmetrics", operation="org.quota", parameters=(Text(name="namespace", default="", help="Only names that begin so."),))
def testmetrics(call: Call, *, namespace: str) -> Data:
    """What arrived in the last minutes in requests that were sent as tests: nothing of it was stored, no quota was used."""
    kept = trial_requests(call.caller)  # type: ignore[arg-type]  # the operation lets nobody else in
    names = [name for one in kept for name in one["metrics"] if name.startswith(namespace)]
    dropped = [(name, code) for one in kept for name, code in one["dropped"] if name.startswith(namespace)]
    without = sorted({name for name, code in dropped if code in NO_VALUE})
    gone = [(name, code) for name, code in dropped if code not in NO_VALUE]
    return {
        "ingest_count": sum(one["would_store"] for one in kept) if not namespace else len(names),
        "metrics": sorted(set(names)),
        "drop_count": len(gone),
        "dropped": [{"metric": name, "reason": code} for name, code in gone],
        "no_values_count": len(without),
        "metrics_with_no_values": without,
    }


def trial_requests(caller: Caller) -> list[dict[str, Any]]:
    stores = Datastore.objects.visible_to(caller).filter(type=Datastore.Type.METRICS)
    return [one for store in stores for one in trials.recent(caller.org_id, store.pk)]
