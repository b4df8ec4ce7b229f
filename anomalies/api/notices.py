"""/api/user-notifications, and watching an anomaly."""

from typing import Any, ClassVar

from django.db import transaction
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_view, inline_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import Level, User
from anomalies.api.notice_examples import ACKNOWLEDGED, NOTICE, SETTINGS, WATCHING
from anomalies.models import Anomaly, Notice, NoticeSettings
from anomalies.services import following
from anomalies.services.notice_words import headline
from config.api import etags
from config.api.fields import MomentField, StrictSerializer
from config.api.filters import ListFilter, StrictFilterSet, TrueFalseFilter, one_of
from config.api.pagination import COUNT_CAP, EnvelopePagination
from config.api.views import ListMixin, OrgViewSet
from datastores.api.serializers import RefSerializer


class NoticeAnomalySerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    uuid = serializers.UUIDField()
    type = serializers.CharField()
    status = serializers.CharField()
    message = serializers.CharField()


class NoticeSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    kind = serializers.ChoiceField(Notice.Kind.values)
    text = serializers.SerializerMethodField(help_text="What happened, in one sentence.")
    anomaly = NoticeAnomalySerializer()
    user = RefSerializer(source="by", allow_null=True, help_text="Who did it; null when the system did, and `actor` says which part.")
    actor = serializers.CharField()
    changes = serializers.IntegerField(help_text="How many changes it tells of: unread ones of an anomaly that you watch are one notice.")
    changeset = serializers.DictField(child=serializers.ListField(min_length=2, max_length=2), help_text="{field: [before, after]}")
    comment = serializers.CharField(allow_blank=True, help_text="The beginning of the comment, if it is about one.")
    transaction_id = serializers.IntegerField(help_text="Of the newest change, as in the history of the anomaly.")
    created = MomentField()
    acknowledged = MomentField(allow_null=True, help_text="When you read it; null while it is unread.")

    def get_text(self, notice: Notice) -> str:
        return headline(notice)


class NoticeFilterSet(StrictFilterSet):
    unread = TrueFalseFilter(field_name="acknowledged", lookup_expr="isnull", help_text="Only unread ones, or only read ones.")
    kind = ListFilter(item=one_of(Notice.Kind.values), help_text="Any of mentioned, assigned, watched.")
    order: ClassVar = ("-created", "-pk")


class NoticePagination(EnvelopePagination):
    """The envelope with the number of unread ones beside it."""

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        described = super().get_paginated_response_schema(schema)
        description = "Unread ones in all, whatever the filter; counted up to 10,000."
        unread = {"type": "integer", "minimum": 0, "example": 1, "description": description}
        return {**described, "required": [*described["required"], "unread"], "properties": {**described["properties"], "unread": unread}}


class UntilSerializer(StrictSerializer):
    until = MomentField(required=False, help_text="Only those created up to then: what you have seen. All of them without it.")


class KindSettingsSerializer(StrictSerializer):
    in_app = serializers.BooleanField(required=False)
    email = serializers.BooleanField(required=False)


class NoticeSettingsSerializer(StrictSerializer):
    """By kind, where to be told; only what is sent is changed."""

    mentioned = KindSettingsSerializer(required=False)
    assigned = KindSettingsSerializer(required=False)
    watched = KindSettingsSerializer(required=False)
    auto_watch = serializers.BooleanField(required=False, help_text="Watch what you comment on, are assigned to or mentioned on.")


WATCHING_SHAPE = inline_serializer("Watching", {"watching": serializers.BooleanField()})


@extend_schema_view(
    list=extend_schema(
        summary="List what you were told",
        description="Newest first, and nothing that you did yourself. What tells of anomalies that you may no longer read is left out.",
        examples=[NOTICE],
    )
)
class NoticeViewSet(ListMixin, OrgViewSet):
    operations: ClassVar = {
        "list": "notification.read",
        "acknowledge_all": "notification.acknowledge",
        "acknowledge": "notification.acknowledge",
        "read_settings": "notification.read",
        "change_settings": "notification.acknowledge",
    }
    conditional: ClassVar = ("acknowledge", "change_settings")
    queryset = Notice.objects.select_related("anomaly", "by")
    serializer_class = NoticeSerializer
    filterset_class = NoticeFilterSet
    pagination_class = NoticePagination

    def visible(self, queryset: QuerySet[Any], *, level: Level) -> QuerySet[Any]:
        return queryset.visible_to(self.caller)  # type: ignore[attr-defined, no-any-return]  # a NoticeQuerySet

    def list(self, request: Request) -> Response:
        answer = super().list(request)
        answer.data["unread"] = self.get_queryset().unread().order_by()[:COUNT_CAP].count()  # type: ignore[attr-defined]  # a NoticeQuerySet
        return answer

    @extend_schema(
        summary="Mark everything as read",
        request=UntilSerializer,
        responses=inline_serializer("Acknowledged", {"acknowledged": serializers.IntegerField(help_text="How many that were.")}),
        examples=[ACKNOWLEDGED],
    )
    def acknowledge_all(self, request: Request) -> Response:
        sent = {} if request.data is None else self.body(UntilSerializer)
        return Response({"acknowledged": following.acknowledge_all(self.person, **sent)})

    @extend_schema(summary="Mark one as read", description="A read one stays as it is.", request=None, examples=[NOTICE])
    def acknowledge(self, request: Request, id: str) -> Response:
        notice = self.get_object()
        self.check_version(notice)
        return self.versioned(self.shown(following.acknowledge(notice)))

    @extend_schema(summary="Get what you want to be told", responses=NoticeSettingsSerializer, examples=[SETTINGS])
    def read_settings(self, request: Request) -> Response:
        return self.versioned(settings_shown(following.settings_of(self.person)))

    @extend_schema(
        summary="Change what you want to be told",
        description="For each kind, in the product and by e-mail.",
        request=NoticeSettingsSerializer,
        responses=NoticeSettingsSerializer,
        examples=[SETTINGS],
    )
    @transaction.atomic
    def change_settings(self, request: Request) -> Response:
        sent = self.body(NoticeSettingsSerializer)
        if etags.asks_for_version(request):
            User.objects.select_for_update(no_key=True).get(pk=self.person.pk)  # who never changed them has no row of settings to hold
            etags.check_if_match(request, etags.etag_of(settings_shown(following.settings_of(self.person))))
        changes = {f"{kind}_{way}": value for kind, ways in sent.items() if kind != "auto_watch" for way, value in ways.items()}
        if "auto_watch" in sent:
            changes["auto_watch"] = sent["auto_watch"]
        return self.versioned(settings_shown(following.change_settings(self.person, changes)))


def settings_shown(row: NoticeSettings) -> dict[str, Any]:
    shown: dict[str, Any] = {
        kind: {"in_app": getattr(row, f"{kind}_in_app"), "email": getattr(row, f"{kind}_email")} for kind in Notice.Kind.values
    }
    return {**shown, "auto_watch": row.auto_watch}


class WatchViewSet(OrgViewSet):
    """Whether the caller hears of an anomaly's changes."""

    operations: ClassVar = {"watching": "anomaly.history", "watch": "anomaly.watch", "unwatch": "anomaly.watch"}
    queryset = Anomaly.objects.all()

    @extend_schema(summary="Whether you watch an anomaly", responses=WATCHING_SHAPE, examples=[WATCHING])
    def watching(self, request: Request, id: str) -> Response:
        anomaly = self.get_object()
        return Response({"watching": not self.caller.is_demo and following.is_watching(anomaly, user=self.person)})

    @extend_schema(
        summary="Watch an anomaly",
        description="You are told of its changes from now on. Watching twice is once.",
        request=None,
        responses=WATCHING_SHAPE,
        examples=[WATCHING],
    )
    def watch(self, request: Request, id: str) -> Response:
        return Response({"watching": following.set_watch(self.get_object(), user=self.person, is_on=True).is_on})

    @extend_schema(
        summary="Stop watching an anomaly",
        description="Nothing that you do there later makes you watch it again, but watching it again.",
        request=None,
        responses={204: None},
    )
    def unwatch(self, request: Request, id: str) -> Response:
        following.set_watch(self.get_object(), user=self.person, is_on=False)
        return Response(status=204)
