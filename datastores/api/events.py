"""/api/events: what the org did, and markers from outside."""

from typing import Any, ClassVar

import django_filters
from django.db import transaction
from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import Level
from config.api.fields import MomentField, OneOfField, StrictSerializer, parse_moment
from config.api.filters import ListFilter, MomentFilter, StrictFilterSet, one_of, whole_number
from config.api.parsers import CloudEventParser, JsonParser
from config.api.views import ListMixin, OrgViewSet, RetrieveMixin
from datastores.api.serializers import RefSerializer
from datastores.events import seen_by
from datastores.models import Datastore
from orgs.cloudevents import Marker, attributes_of, marker_of, moment_of
from orgs.errors import FieldError, Invalid
from orgs.events import is_address, record_event, told_before
from orgs.models import Event, Org


class EventSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    type = serializers.ChoiceField(Event.Type.values)
    name = serializers.CharField()
    description = serializers.CharField(allow_blank=True)
    url = serializers.CharField(allow_blank=True)
    timestamp = MomentField(help_text="When it happened.")
    created = MomentField(help_text="When it was told.")
    user = RefSerializer(allow_null=True)
    datastore = RefSerializer(allow_null=True, help_text="Null when it is about the whole org.")
    metric_id = serializers.IntegerField(allow_null=True)
    anomaly_id = serializers.IntegerField(allow_null=True)


class NewEventSerializer(StrictSerializer):
    name = serializers.CharField(max_length=200)
    type = OneOfField([str(type) for type in Event.POSTED], required=False, help_text="deploy without it.")
    description = serializers.CharField(required=False, allow_blank=True, max_length=10_000)
    url = serializers.URLField(required=False, allow_blank=True, max_length=2000)
    timestamp = MomentField(required=False, help_text="Now without it.")
    datastore = serializers.IntegerField(required=False, min_value=1, help_text="The whole org sees it without one.")


class CloudEventSerializer(serializers.Serializer[Any]):
    """The attributes of a CloudEvent 1.0 that are looked at; others are let be."""

    specversion = serializers.ChoiceField(["1.0"])
    id = serializers.CharField(max_length=2000, help_text="With `source` it says which event this is.")
    source = serializers.CharField(max_length=2000)  # type: ignore[assignment]  # CloudEvents' name
    type = serializers.CharField(max_length=2000)
    subject = serializers.CharField(required=False, max_length=2000)
    time = serializers.CharField(required=False, help_text="RFC 3339; now without it.")
    data = serializers.JSONField(  # type: ignore[assignment]  # CloudEvents' name
        required=False, help_text="`name`, `description`, `url` and `type` (deploy or marker) are read."
    )


class EventFilterSet(StrictFilterSet):
    type = ListFilter(item=one_of(Event.Type.values), help_text="Any of these types.")
    search = django_filters.CharFilter(field_name="name", lookup_expr="icontains", help_text="Part of the name.")
    start_date = MomentFilter("timestamp", lookup_expr="gte", help_text="From this moment on.")
    end_date = MomentFilter("timestamp", lookup_expr="lt", help_text="Before this moment.")
    user = ListFilter(item=whole_number, help_text="Ids of the people who did it.")
    datastore = ListFilter(item=whole_number, help_text="Ids of datastores.")
    metric = ListFilter("metric_id", item=whole_number, help_text="Ids of metrics.")
    anomaly = ListFilter("anomaly_id", item=whole_number, help_text="Ids of anomalies.")

    sorts: ClassVar = {"timestamp": "timestamp", "created": "created"}
    order: ClassVar = ("-timestamp", "-pk")


EVENT = OpenApiExample(
    "A deploy",
    value={
        "id": 310, "type": "deploy", "name": "checkout 2.14.0", "description": "", "url": "https://ci.example.com/builds/981",
        "timestamp": "2026-05-15T17:22:08.000Z", "created": "2026-05-15T17:22:09.000Z", "user": {"id": 77, "name": "CI"},
        "datastore": None, "metric_id": None, "anomaly_id": None,
    },
    response_only=True,
)  # fmt: skip
NEW_EVENT = OpenApiExample(
    "From a pipeline", value={"name": "checkout 2.14.0", "url": "https://ci.example.com/builds/981"}, request_only=True
)
CLOUD_EVENT = OpenApiExample(
    "A CloudEvent",
    value={
        "specversion": "1.0", "id": "9f1c", "source": "https://ci.example.com/checkout", "type": "dev.cdevents.service.deployed.0.1.1",
        "subject": "checkout 2.14.0", "time": "2026-05-15T17:22:08Z", "data": {"url": "https://ci.example.com/builds/981"},
    },
    media_type=CloudEventParser.media_type,
    request_only=True,
)  # fmt: skip


@extend_schema_view(
    list=extend_schema(
        summary="List events", description="Newest first: what the org did, and markers that were posted.", examples=[EVENT]
    ),
    retrieve=extend_schema(summary="Get one event", examples=[EVENT]),
)
class EventViewSet(ListMixin, RetrieveMixin, OrgViewSet):
    operations: ClassVar = {"list": "event.read", "retrieve": "event.read", "create": "event.create"}
    queryset = Event.objects.select_related("user", "datastore")
    serializer_class = EventSerializer
    filterset_class = EventFilterSet
    parser_classes = (JsonParser, CloudEventParser)

    def visible(self, queryset: QuerySet[Any], *, level: Level) -> QuerySet[Any]:
        return queryset.filter(seen_by(self.person, level=level))

    @extend_schema(
        summary="Post a marker",
        description=(
            "Such as a deploy; graphs show it. A CloudEvent 1.0 does as well, structured (`application/cloudevents+json`) or binary "
            "(`ce-*` headers, with its data as JSON): its name is `data.name`, else its `subject`, else its type; a type that speaks of "
            "a deploy, release or rollout is a deploy, any other a marker. Told again with the same `source` and `id` it is answered with "
            "200 and told once."
        ),
        request={"application/json": NewEventSerializer, CloudEventParser.media_type: CloudEventSerializer},
        responses={200: EventSerializer, 201: EventSerializer},
        examples=[NEW_EVENT, CLOUD_EVENT, EVENT],
    )
    @transaction.atomic
    def create(self, request: Request) -> Response:
        if request.content_type.startswith(CloudEventParser.media_type) or "ce-specversion" in request.headers:
            return self._cloud_event(request)
        said = {"type": Event.Type.DEPLOY, **self.body(NewEventSerializer)}
        datastore_id = self._seen(said.pop("datastore", None))
        event = record_event(self.person.org_id, user_id=self.person.pk, datastore_id=datastore_id, **said)
        return self.created(event, path="events")

    def _cloud_event(self, request: Request) -> Response:
        marker = cloud_marker(request)
        at = moment_of(marker, parse_moment)
        # Of two that tell it at once one waits here, and finds it told.
        Org.objects.select_for_update(no_key=True).get(pk=self.person.org_id)
        if known := told_before(self.person.org_id, marker.external_id):
            return Response(self.shown(known), headers={"Location": f"/api/events/{known.pk}"})
        event = record_event(
            self.person.org_id,
            type=marker.type,
            name=marker.name,
            description=marker.description[:10_000],
            url=checked_url(marker.url),
            timestamp=at,
            user_id=self.person.pk,
            external_id=marker.external_id,
        )
        return self.created(event, path="events")

    def _seen(self, datastore_id: int | None) -> int | None:
        if datastore_id is None or Datastore.objects.visible_to(self.person).filter(pk=datastore_id).exists():
            return datastore_id
        wrong = FieldError(("body", "datastore"), "not_found", f"There is no datastore {datastore_id}.")
        raise Invalid("There is no such datastore.", errors=[wrong])


def cloud_marker(request: Request) -> Marker:
    """What the CloudEvent of a request says. Raises Invalid."""
    if "ce-specversion" in request.headers:
        return marker_of(attributes_of(request.headers), request.data)
    document = request.data
    if not isinstance(document, dict):
        raise Invalid("This is no CloudEvent.", errors=[FieldError(("body",), "invalid", "A JSON object with the event's attributes.")])
    return marker_of(document, document.get("data"))


def checked_url(url: str) -> str:
    """The address, if it is one that a reader may follow. Raises Invalid."""
    if url and not (len(url) <= 2000 and is_address(url)):
        raise Invalid(
            "The event's address cannot be kept.", errors=[FieldError(("body", "data", "url"), "invalid", "An http or https address.")]
        )
    return url
