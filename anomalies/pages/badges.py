"""The two numbers that every page shows: what waits in the inbox, and what the bell has to tell."""

from typing import Any, Final

from accounts.models import Level, User
from anomalies.models import Anomaly, Notice
from anomalies.pages.access import reach_of
from anomalies.pages.listing import CAP, in_words
from config.database.prepared import Query
from datastores.reach import PERSON, somebody

MOST_UNREAD: Final = 99
ORG: Final = {"org": PERSON["org"]}
WITHIN: Final = {"within": [30_059, 30_061]}


def _waiting(*, org: int, within: list[int] | None = None) -> Any:
    return Anomaly.objects.for_org(org).standing_in(within).open().awake().order_by().values_list("pk")[: CAP + 1]


def _unread(*, org: int, user: int, within: list[int] | None = None) -> Any:
    told = Notice.objects.told_to(somebody(user=user, org=org), within=within)
    return told.unread().order_by().values_list("pk")[: MOST_UNREAD + 1]


# Of those who see everything, and of those who see some datastores.
_WAITING: Final = (Query(_waiting, **ORG), Query(_waiting, **ORG, **WITHIN))
_UNREAD: Final = (Query(_unread, **PERSON), Query(_unread, **PERSON, **WITHIN))


def waiting(user: User) -> str:
    """How many open anomalies there are; empty for none."""
    count = _count(_WAITING, reach_of(user, Level.REPORTER), org=user.org_id)
    return in_words(count) if count else ""


def unread(user: User) -> str:
    """As the bell says it: "", "3", "99+"."""
    count = _count(_UNREAD, reach_of(user, Level.VIEWER), org=user.org_id, user=user.pk)
    return in_words(count, cap=MOST_UNREAD) if count else ""


def _count(queries: tuple[Query[Any], Query[Any]], within: frozenset[int] | None, **values: int) -> int:
    everywhere, there = queries
    return everywhere.count(**values) if within is None else there.count(**values, within=sorted(within))
