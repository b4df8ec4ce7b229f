"""The second wall: which rows PostgreSQL shows to the role that the product connects as (docs/tenancy.md).

After every `migrate` the policies are brought to what the tables are then: a table with a column `org_id`, or with a foreign key to a table
that has one, gets its policy without a word. What is exempt, and everything that reaches past the wall, is listed in this file.
"""

from dataclasses import dataclass
from typing import Final

from django.conf import settings

from orgs.ages import ANSWERS_KEPT, KEPT
from orgs.tenancy import Reason

# The role that looks across orgs: a role of its own, so that the planner need not think of it when one org asks.
ACROSS_SUFFIX: Final = "_across"


@dataclass(frozen=True)
class Opening:
    """What one reason to look across orgs may do with one table; `where` narrows it to some rows."""

    reason: Reason
    table: str
    commands: tuple[str, ...] = ("SELECT",)
    where: str = "true"


FORGET: Final = ("SELECT", "DELETE")
OPENINGS: Final = (
    Opening(Reason.DETECTION, "metrics_batch"),
    Opening(Reason.DETECTION, "metrics_metric", ("SELECT", "UPDATE")),
    Opening(Reason.DETECTION, "metrics_detectionblock", ("SELECT", "INSERT", "UPDATE", "DELETE")),
    Opening(Reason.UPKEEP, "orgs_org"),
    Opening(Reason.UPKEEP, "metrics_batch"),
    Opening(Reason.UPKEEP, "metrics_verdict"),
    Opening(Reason.UPKEEP, "metrics_point_hour"),
    Opening(Reason.UPKEEP, "metrics_verdict_hour"),
    Opening(Reason.UPKEEP, "metrics_fold"),
    Opening(Reason.UPKEEP, "datastores_operation"),
    Opening(Reason.UPKEEP, "accounts_letter"),
    Opening(Reason.UPKEEP, "anomalies_flow"),
    Opening(Reason.UPKEEP, "anomalies_listchange"),
    Opening(Reason.UPKEEP, "anomalies_anomaly", where="snooze_until IS NOT NULL"),
    Opening(Reason.UPKEEP, "anomalies_notice", where="mail_due IS NOT NULL"),
    Opening(Reason.UPKEEP, "orgs_delivery"),
    Opening(Reason.USAGE, "orgs_org"),
    Opening(Reason.USAGE, "datastores_datastore"),
    Opening(Reason.USAGE, "metrics_metric"),
    Opening(Reason.USAGE, "billing_usageday", ("SELECT", "INSERT", "UPDATE")),
    Opening(Reason.AGE, "accounts_session", FORGET, where="expire_date < now()"),
    Opening(Reason.AGE, "accounts_letter", FORGET, where=f"created < now() - interval '{KEPT.days} days' AND kind <> 'report'"),
    Opening(Reason.AGE, "orgs_delivery", FORGET, where=f"created < now() - interval '{KEPT.days} days'"),
    Opening(Reason.AGE, "orgs_idempotentanswer", FORGET, where=f"created < now() - interval '{ANSWERS_KEPT.days} day'"),
    Opening(Reason.POST, "accounts_letter", ("SELECT", "INSERT", "UPDATE"), where="org_id IS NULL"),
    Opening(Reason.PAYMENTS, "billing_stripeevent", ("SELECT", "INSERT")),
    Opening(Reason.PAYMENTS, "billing_eventeffect", ("SELECT", "INSERT")),
    Opening(Reason.PAYMENTS, "billing_account"),
    Opening(Reason.VISITORS, "orgs_org", where="is_demo"),
    Opening(Reason.BROWSERS, "orgs_org", where="cardinality(origins) > 0"),
)

# By the value of which columns anybody may learn to which org a row belongs, and nothing else: the columns are unique.
FOUND_BY: Final = {
    "orgs_org": ("slug",),
    "orgs_orgtoken": ("digest",),
    "orgs_ingestkey": ("digest",),
    "orgs_publickey": ("digest",),
    "accounts_personaltoken": ("digest",),
    "accounts_user": ("id", "email"),
    "accounts_letter": ("id", "digest"),
    "accounts_session": ("session_key",),
    "accounts_passkey": ("credential_id",),
    "billing_account": ("customer_id",),
    "datastores_operation": ("id",),
    "metrics_metric": ("id",),
}

# Tables of no org, and why nothing in them needs the wall.
EXEMPT: Final = {
    "auth_group": "Django's; not used, rights come from roles and levels",
    "auth_group_permissions": "Django's; not used",
    "auth_permission": "Django's: names of models",
    "django_content_type": "Django's: names of models",
    "django_migrations": "Django's: names of migrations",
    "metrics_detectionorder": "numbers of series; written by triggers, read by the shards",
    "metrics_detectionshard": "how far a shard is",
    "metrics_detectionstep": "how far a shard was",
    "metrics_epoch": "numbers of datastores and how often series were deleted there",
}
# Tables of no org that hold what belongs to orgs all the same: to be seen across orgs only.
SHARED: Final = ("billing_eventeffect", "billing_stripeevent", "metrics_detectionblock")

# Tables in which nothing is altered or deleted, and the columns that may be emptied after all.
APPEND_ONLY: Final = {
    "accounts_impersonation": ("operator_id", "user_id"),
    "anomalies_change": ("user_id",),
    "billing_stripeevent": (),
    "datastores_auditentry": ("user_id",),
}
READ_ONLY: Final = ("auth_permission", "django_content_type", "django_migrations")


class WallError(Exception):
    """The wall cannot be built, or does not stand; the message says what to do."""


def role() -> str:
    """The role that the product connects as; to be asked by the owner, who gives it its rights."""
    return str(settings.DATABASE_APPLICATION_ROLE)


def role_across(application: str = "") -> str:
    """The role that the product takes on to look across orgs. `application` is what it is connected as, where that is known."""
    return (application or role()) + ACROSS_SUFFIX
