"""/api/anomalies/{id}/comments and /api/comments."""

from typing import Any, ClassVar

import django_filters
from django.db import transaction
from django.db.models import Model, QuerySet
from django.http import Http404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.permissions import is_theirs
from anomalies.api.filtersets import EdgeFilter
from anomalies.api.serializers import AnomalyReferenceField
from anomalies.models import Anomaly, Comment
from anomalies.querysets import CommentQuerySet
from anomalies.services import comment_on, delete_comment, edit_comment
from anomalies.services.comments import MESSAGE_LIMIT
from anomalies.services.states import hold
from config.api.arrays import PAGE_PARAMETERS, array_page
from config.api.fields import MomentField, StrictSerializer, TextField
from config.api.filters import ListFilter, StrictFilterBackend, StrictFilterSet, TrueFalseFilter, read_flag, whole_number
from config.api.views import ListMixin, OrgViewSet, reference
from datastores.api.serializers import RefSerializer
from orgs.errors import FieldError, Forbidden, Invalid

SHOWN: dict[str, Any] = {
    "id": 91, "anomaly_id": 12345, "message": "Looks like the nightly import, see @[Alice Lee](42)",
    "user": {"id": 57, "name": "Bob Patel"}, "mentioned_users": [{"id": 42, "name": "Alice Lee"}],
    "created": "2026-05-15T17:40:00.000Z", "edited": None, "deleted": None,
}  # fmt: skip
COMMENT = OpenApiExample("A comment that mentions somebody", value=SHOWN, response_only=True)
SAID = {"message": "Looks like the nightly import, see @[Alice Lee](42)", "mentioned_user_ids": [42]}
NEW = OpenApiExample("Say something", value=SAID, request_only=True)
NEW_ANYWHERE = OpenApiExample("Say something about an anomaly", value={"anomaly_id": 12345, **SAID}, request_only=True)
EDIT = OpenApiExample("Say it better", value={"message": "It was the nightly import."}, request_only=True)


class CommentSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    anomaly_id = serializers.IntegerField()
    message = serializers.CharField(help_text="Mentions stand in it as `@[Name](id)`.")
    user = RefSerializer(allow_null=True, help_text="Null when that person was erased, and for what a housekeeping flow left.")
    mentioned_users = RefSerializer(many=True, source="mentioned")
    created = MomentField()
    edited = MomentField(allow_null=True, help_text="When it was last changed; null if it never was.")
    deleted = MomentField(allow_null=True, help_text="Set only where deleted comments were asked for.")


class CommentChangeSerializer(StrictSerializer):
    message = TextField(required=False, max_length=MESSAGE_LIMIT, trim_whitespace=False)
    mentioned_user_ids = serializers.ListField(
        child=serializers.IntegerField(min_value=1), required=False, help_text="People to tell, beside those whom the text mentions."
    )


class NewCommentSerializer(CommentChangeSerializer):
    message = TextField(max_length=MESSAGE_LIMIT, trim_whitespace=False, help_text="`@[Name](id)` mentions a person.")


class NewCommentAnywhereSerializer(NewCommentSerializer):
    anomaly_id = AnomalyReferenceField(help_text="The number or UUID of the anomaly.")


class StandingFilterSet(StrictFilterSet):
    """Without deleted comments, unless they are asked for."""

    start_date = EdgeFilter(field_name="created", lookup_expr="gte", help_text="Made at or after this moment or UTC day.")
    end_date = EdgeFilter(field_name="created", lookup_expr="lt", help_text="Made before this moment or UTC day.")
    include_deleted = TrueFalseFilter(method="unchanged", help_text="Whether deleted comments are listed too; false without it.")

    order: ClassVar = ("-created", "-pk")

    def filter_queryset(self, queryset: CommentQuerySet) -> CommentQuerySet:
        found = queryset if self.form.cleaned_data.get("include_deleted") else queryset.standing()
        return super().filter_queryset(found)  # type: ignore[no-any-return]  # django-filter has no types

    def unchanged(self, queryset: CommentQuerySet, name: str, value: bool) -> CommentQuerySet:  # noqa: FBT001
        return queryset


class CommentFilterSet(StandingFilterSet):
    anomaly = ListFilter(item=whole_number, help_text="Ids of anomalies.")
    user = ListFilter(item=whole_number, help_text="Ids of those who made them.")
    mentioned = ListFilter(item=whole_number, help_text="Ids of people whom they mention.", distinct=True)
    search = django_filters.CharFilter(field_name="message", lookup_expr="icontains", help_text="Part of the text.")

    sorts: ClassVar = {"created": "created"}


INCLUDE_DELETED = OpenApiParameter(
    "include_deleted", OpenApiTypes.BOOL, description="Whether deleted comments are shown too; false without it."
)


class AnomalyCommentViewSet(OrgViewSet):
    """What people said about one anomaly."""

    resource: ClassVar = "anomalies"
    operations: ClassVar = {"comments": "comment.read", "comment": "comment.create"}
    parameters: ClassVar = {"comments": ("page", "size", "start_date", "end_date", "include_deleted")}
    queryset = Anomaly.objects.all()
    serializer_class = CommentSerializer
    filterset_class = StandingFilterSet

    @extend_schema(
        summary="Get the comments on an anomaly",
        description="A plain array, newest first, a page at a time; `X-Total-Count` and `Link` tell of the rest.",
        parameters=[
            *PAGE_PARAMETERS,
            OpenApiParameter("start_date", OpenApiTypes.DATETIME, description="Made at or after this moment."),
            OpenApiParameter("end_date", OpenApiTypes.DATETIME, description="Made before this moment: ranges do not overlap."),
            INCLUDE_DELETED,
        ],
        responses=CommentSerializer(many=True),
        examples=[COMMENT],
        filters=False,
    )
    def comments(self, request: Request, id: str) -> Response:
        comments = Comment.objects.for_rows().filter(anomaly=self.get_object())
        return array_page(request, StrictFilterBackend().filter_queryset(request, comments, self), CommentSerializer)

    @extend_schema(
        summary="Comment on an anomaly",
        description=(
            "Whoever the text mentions as `@[Name](id)`, or `mentioned_user_ids` lists, is told; each needs Viewer on the datastore. "
            "An archived anomaly takes no comment (409)."
        ),
        request=NewCommentSerializer,
        responses={201: CommentSerializer},
        examples=[NEW, COMMENT],
    )
    @transaction.atomic
    def comment(self, request: Request, id: str) -> Response:
        anomaly = self.get_object()
        return self.created(comment_on(anomaly, user=self.person, **self.body(NewCommentSerializer)), path="comments")


@extend_schema_view(
    list=extend_schema(
        summary="List comments",
        description="Newest first, on the anomalies whose comments you may read.",
        examples=[COMMENT],
    )
)
class CommentViewSet(ListMixin, OrgViewSet):
    operations: ClassVar = {
        "list": "comment.read",
        "retrieve": "comment.read",
        "create": "comment.create",
        "update": "comment.update",
        "destroy": "comment.delete",
    }
    parameters: ClassVar = {"retrieve": ("include_deleted",)}
    queryset = Comment.objects.for_rows().select_related("anomaly")
    serializer_class = CommentSerializer
    filterset_class = CommentFilterSet

    def get_queryset(self) -> QuerySet[Comment]:
        found: CommentQuerySet = super().get_queryset()  # type: ignore[assignment]  # what its manager makes
        return found if self.action == "list" or self._wants_deleted() else found.standing()

    def _wants_deleted(self) -> bool:
        return read_flag(self.request.query_params, "include_deleted")

    def require(self, operation: str, row: Model) -> None:
        """Levels are on the anomaly's datastore; what is somebody's own is theirs to change."""
        anomaly = row.anomaly if isinstance(row, Comment) else row
        super().require(operation, anomaly)
        if isinstance(row, Comment) and not is_theirs(self.caller, operation, owner_id=row.user_id):
            raise Forbidden("That is somebody else's comment.")

    def locked_object(self) -> Comment:
        """Its anomaly first, as all hold the two."""
        hold(self.person.org_id, [self.get_object().anomaly_id])
        found: Comment = super().locked_object()
        return found

    @extend_schema(summary="Get one comment", parameters=[INCLUDE_DELETED], examples=[COMMENT])
    def retrieve(self, request: Request, id: str) -> Response:
        return self.versioned(self.shown(self.get_object()))

    @extend_schema(
        summary="Comment on an anomaly, named in the body",
        description="As `POST /api/anomalies/{id}/comments`.",
        request=NewCommentAnywhereSerializer,
        responses={201: CommentSerializer},
        examples=[NEW_ANYWHERE, COMMENT],
    )
    @transaction.atomic
    def create(self, request: Request) -> Response:
        said = self.body(NewCommentAnywhereSerializer)
        anomaly = self._anomaly(said.pop("anomaly_id"))
        return self.created(comment_on(anomaly, user=self.person, **said), path="comments")

    def _anomaly(self, ref: str) -> Anomaly:
        """An anomaly that the caller sees. Raises Invalid for any other, Forbidden for a caller without Viewer there."""
        try:
            found = Anomaly.objects.visible_to(self.person).filter(**reference(ref, Anomaly)).first()
        except Http404:
            found = None
        if found is None:
            raise Invalid(
                "There is no such anomaly.", errors=[FieldError(("body", "anomaly_id"), "not_found", f"There is no anomaly {ref}.")]
            )
        self.require("comment.create", found)
        return found

    @extend_schema(
        summary="Change a comment of yours",
        description="Only the fields that are sent; whoever it newly mentions is told. Nobody changes another's, not even an Admin.",
        request=CommentChangeSerializer,
        examples=[EDIT, COMMENT],
    )
    @transaction.atomic
    def update(self, request: Request, id: str) -> Response:
        comment = self.locked_object()
        edit_comment(comment, user=self.person, **self.body(CommentChangeSerializer))
        return self.versioned(self.shown(self.get_object()))

    @extend_schema(
        summary="Delete a comment",
        description="Yours; an Admin deletes anybody's. It stays in the history, and `include_deleted=true` shows it.",
        responses={204: None},
    )
    @transaction.atomic
    def destroy(self, request: Request, id: str) -> Response:
        delete_comment(self.locked_object(), user=self.person)
        return Response(status=204)
