"""The one way by which a page gets at a row: what is not yours is 404, what you may see but not do is 403."""

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.shortcuts import get_object_or_404

from accounts.models import User
from accounts.permissions import PERMISSIONS, has_role, level_needed
from anomalies.models import Anomaly
from datastores.models import Datastore
from metrics.models import Metric


def reader(request: HttpRequest) -> User:
    """The person behind the request. Pages are behind a login, so there is one."""
    user = request.user
    assert isinstance(user, User)  # noqa: S101 - LoginRequiredMiddleware stands before every page
    return user


def allowed_datastores(user: User, operation: str) -> frozenset[int]:
    """Datastores on which the user may do `operation` (one query); empty when their role forbids it anywhere."""
    if not has_role(user, operation):
        return frozenset()
    return frozenset(Datastore.objects.visible_to(user, level=level_needed(operation)).values_list("pk", flat=True))


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
