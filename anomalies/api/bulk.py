"""/api/anomalies/bulk-by-filter: a change of everything that a filter finds, after a look at what that is; and taking it back."""

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from django.db import transaction
from django.db.models import QuerySet
from django.http import QueryDict
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import Level, User
from anomalies.api.bulk_examples import BY_FILTER, BY_TOKEN, PLAN, RESULTS
from anomalies.api.bulk_serializers import BulkByFilterSerializer, BulkPlanSerializer, ResultSerializer
from anomalies.api.documents import documents
from anomalies.api.filtersets import AnomalyFilterSet
from anomalies.api.serializers import AnomalySerializer
from anomalies.mentions import mentioned_in
from anomalies.models import Anomaly, BulkResult, Tag
from anomalies.querysets import AnomalyQuerySet
from anomalies.services import bulk, undo
from config.api.arrays import array_page
from config.api.filters import PAGING, form_errors, known_names, repeated_in, several_names
from config.api.views import OrgViewSet
from datastores.api.examples import BEGUN
from datastores.api.serializers import OperationSerializer
from datastores.models import Operation
from orgs.errors import FieldError, Invalid

SAMPLE: Final = 10


class BulkViewSet(OrgViewSet):
    operations: ClassVar = {"bulk_by_filter": "anomaly.bulk"}
    extra_errors: ClassVar = (404,)  # a token that is not the caller's
    queryset = Anomaly.objects.all()
    serializer_class = AnomalySerializer

    def get_queryset(self) -> QuerySet[Any]:
        """What the list shows: what of it may not be changed is told, not hidden."""
        return self.visible(Anomaly.objects.all(), level=Level.REPORTER)

    @extend_schema(
        summary="Change everything that a filter finds",
        description=(
            "First with `filter` and `change`: answers how many there are, a sample and a token, and changes nothing. Then with the "
            "`token`, within 15 minutes: changes exactly that set, whatever the filter would find by then, in the background; what cannot "
            "be changed is skipped, and `/api/operations/{id}/results` says why. At most 100,000 at once."
        ),
        request=BulkByFilterSerializer,
        responses={200: BulkPlanSerializer, 202: OpenApiResponse(OperationSerializer, description="It has begun.")},
        examples=[BY_FILTER, BY_TOKEN, PLAN, BEGUN],
    )
    def bulk_by_filter(self, request: Request) -> Response:
        sent = self.body(BulkByFilterSerializer)
        now = timezone.now()
        if "token" in sent:
            return begun(bulk.start(self.person, sent["token"], now=now))
        rows = self._found(sent["filter"])
        check_names(self.person, sent["change"])
        change = as_json(sent["change"])
        planned = bulk.plan(self.person, rows, query=sent["filter"].urlencode(), change=change, now=now)
        if not sent["dry_run"]:
            return begun(bulk.start(self.person, planned.token, now=now))
        shown = {
            "count": len(planned.bulk.ids),
            "forbidden": planned.forbidden,
            "sample": documents(list(rows.order_by(*AnomalyFilterSet.order).values_list("pk", flat=True)[:SAMPLE]), caller=self.caller),
            "token": planned.token,
            "expires_at": planned.bulk.expires,
        }
        return Response(shown)

    def _found(self, params: QueryDict) -> AnomalyQuerySet:
        """What the list shows with these filters. Raises Invalid naming each that does not do."""
        unknown = [name for name in params if name not in known_names(AnomalyFilterSet) - PAGING]
        errors = [FieldError(("query", name), "unknown_parameter", "The list of anomalies has no such filter.") for name in unknown]
        filterset = AnomalyFilterSet(params, queryset=self.get_queryset(), request=self.request)
        errors += [*repeated_in(params, several=several_names(AnomalyFilterSet)), *form_errors(filterset.form)]
        if errors:
            moved = [FieldError(("body", "filter", *error.loc[1:]), error.code, error.msg) for error in errors]
            raise Invalid("The list cannot be filtered like this.", errors=moved)
        found: AnomalyQuerySet = filterset.qs
        return found


def check_names(user: User, change: Mapping[str, Any]) -> None:
    """Raises Invalid naming each tag and person that the org does not have, those whom the comment mentions among them."""
    archive = change.get("archive") or {}
    comment = archive.get("comment", "")
    tags = [*placed(change, "tags_add"), *placed(change, "tags_remove")]
    people = [*placed(change, "assignee_ids_add"), *placed(change, "assignee_ids_remove")]
    people += [(("archive", *loc), pk) for loc, pk in placed(archive, "mentioned_user_ids")]
    people += [(("archive", "comment"), pk) for pk in mentioned_in(comment)]
    known_tags = set(Tag.objects.for_org(user.org_id).filter(name__in={name for _, name in tags}).values_list("name", flat=True))
    known_people = set(User.objects.for_org(user.org_id).filter(pk__in={pk for _, pk in people}).values_list("pk", flat=True))
    errors = [
        FieldError(("body", "change", *loc), "not_found", f"There is no {kind} {value!r}.")
        for kind, named, known in (("tag", tags, known_tags), ("person", people, known_people))
        for loc, value in named
        if value not in known
    ]
    if errors:
        raise Invalid("Nothing was planned.", errors=errors)


def placed(sent: Mapping[str, Any], field: str) -> list[tuple[tuple[str | int, ...], Any]]:
    """What the field names, each with its place."""
    return [((field, place), value) for place, value in enumerate(sent.get(field, ()))]


def as_json(change: Mapping[str, Any]) -> dict[str, Any]:
    """The change as it is kept."""
    kept = dict(change)
    if until := kept.get("snooze", {}).get("until"):
        kept["snooze"] = {"until": until.isoformat()}
    return kept


def begun(operation: Operation) -> Response:
    """202 with the operation."""
    shown = OperationSerializer(Operation.objects.select_related("datastore", "user").get(pk=operation.pk)).data
    return Response(shown, status=202, headers={"Location": f"/api/operations/{operation.pk}"})


class BulkOperationViewSet(OrgViewSet):
    """What came of a change of many, and taking it back."""

    operations: ClassVar = {"results": "operation.read", "undo": "operation.undo"}
    parameters: ClassVar = {"results": ("page", "size", "outcome")}
    queryset = Operation.objects.select_related("datastore", "user")
    serializer_class = OperationSerializer

    @extend_schema(
        summary="Get what became of each anomaly",
        description="Of a change of many: a plain array in order of the anomalies' ids. Empty for other operations.",
        parameters=[
            OpenApiParameter("page", OpenApiTypes.INT, description="Which page, from 1."),
            OpenApiParameter("size", OpenApiTypes.INT, description="Results on a page, 1 to 100; 50 without it."),
            OpenApiParameter("outcome", OpenApiTypes.STR, enum=BulkResult.Outcome.values, description="Only these."),
        ],
        responses=ResultSerializer(many=True),
        examples=[RESULTS],
        filters=False,
    )
    def results(self, request: Request, id: str) -> Response:
        found: QuerySet[BulkResult] = BulkResult.objects.filter(bulk_change__operation=self.get_object()).order_by("anomaly_id")
        if (outcome := request.query_params.get("outcome")) is not None:
            if outcome not in BulkResult.Outcome.values:
                error = FieldError(("query", "outcome"), "invalid_choice", "Say changed or skipped.")
                raise Invalid("There is no such outcome.", errors=[error])
            found = found.filter(outcome=outcome)
        return array_page(request, found, ResultSerializer)

    @extend_schema(
        summary="Undo a change of many anomalies",
        description=(
            "Within 10 minutes of its end, also of one that was aborted. What it changed and nobody changed since becomes what it was, in "
            "the background: the answer is an operation of its own. Asked for twice, it is the same one."
        ),
        request=None,
        responses={202: OperationSerializer},
        examples=[BEGUN],
    )
    @transaction.atomic
    def undo(self, request: Request, id: str) -> Response:
        return begun(undo.undo(self.get_object(), user=self.person, now=timezone.now()))
