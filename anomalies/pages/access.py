"""The one way by which a page gets at a row: what is not yours is 404, what you may see but not do is 403."""

from django.core.exceptions import PermissionDenied
from django.shortcuts import get_object_or_404

from accounts.models import Level, User
from accounts.permissions import PERMISSIONS, has_role, level_needed
from anomalies.conditions import once
from anomalies.models import Anomaly
from datastores.models import Datastore
from datastores.querysets import sees_whole_org
from datastores.reach import levels_held
from metrics.models import Metric


def reach_of(user: User, level: Level) -> frozenset[int] | None:
    """Datastores on which the user has at least `level`; None for those who have it on all.

    A page asks this for half a dozen lists. It is looked up once: to write it into each as a query takes longer than the lists do.
    """
    if sees_whole_org(user, level=level):
        return None
    levels = once(user, "levels", lambda: levels_held(user))
    return frozenset(datastore for datastore, held in levels if held >= level)


def allowed_datastores(user: User, operation: str) -> frozenset[int]:
    """Datastores on which the user may do `operation` (one query at most); empty when their role forbids it anywhere."""
    if not has_role(user, operation):
        return frozenset()
    within = reach_of(user, level_needed(operation))
    return frozenset(Datastore.objects.for_org(user.org_id).values_list("pk", flat=True)) if within is None else within


def anomaly_for(user: User, pk: int, operation: str) -> Anomaly:
    """The anomaly with its metric and datastore.

    Raises Http404 outside the user's reach, PermissionDenied where they may not do `operation`.
    """
    visible = Anomaly.objects.visible_to(user).select_related("metric", "datastore", "container")
    anomaly: Anomaly = get_object_or_404(visible, pk=pk)
    if PERMISSIONS[operation].writes and anomaly.datastore_id not in allowed_datastores(user, operation):
        raise PermissionDenied
    return anomaly


def metric_for(user: User, pk: int) -> Metric:
    """The series with its datastore. Raises Http404 outside the user's reach."""
    metric: Metric = get_object_or_404(Metric.objects.visible_to(user).select_related("datastore"), pk=pk)
    return metric
