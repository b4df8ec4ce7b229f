"""/api/anomalies/{id}/ticket-links and /api/integrations."""

from typing import Any, ClassVar, Final

import django_filters
import orjson
from django.db import transaction
from django.http import Http404
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from anomalies.models import Anomaly, Integration, TicketLink
from anomalies.services.states import hold
from anomalies.services.tickets import (
    Ticket,
    change_integration,
    create_integration,
    delete_integration,
    link_ticket,
    unlink_ticket,
)
from config.api.arrays import PAGE_PARAMETERS, array_page
from config.api.fields import MomentField, OneOfField, StrictSerializer, TextField, WebAddressField
from config.api.filters import ListFilter, StrictFilterSet, one_of
from config.api.views import ListMixin, OrgViewSet, RetrieveMixin, reference
from datastores.api.serializers import RefSerializer

METADATA_LIMIT: Final = 16_384  # bytes of JSON

INTEGRATION_SHOWN: dict[str, Any] = {
    "id": 3, "name": "ServiceNow", "type": "servicenow", "url": "https://example.service-now.com", "created": "2026-05-15T17:22:08.000Z",
}  # fmt: skip
INTEGRATION = OpenApiExample("A ServiceNow", value=INTEGRATION_SHOWN, response_only=True)
NEW_INTEGRATION = OpenApiExample(
    "A ServiceNow", value={"name": "ServiceNow", "type": "servicenow", "url": "https://example.service-now.com"}, request_only=True
)
RENAME = OpenApiExample("Rename it", value={"name": "ServiceNow (EMEA)"}, request_only=True)
TICKET: dict[str, Any] = {
    "ticket_id": "abc123sys", "ticket_number": "INC0010001",
    "ticket_url": "https://example.service-now.com/incident.do?sys_id=abc123sys", "status": "New",
}  # fmt: skip
LINK = OpenApiExample(
    "An incident in ServiceNow",
    value={
        "id": 11, "anomaly_id": 12345, "integration": {"id": 3, "name": "ServiceNow", "type": "servicenow"}, **TICKET,
        "ticket_metadata": {"priority": 2}, "user": {"id": 57, "name": "Bob Patel"}, "created": "2026-05-15T17:50:00.000Z",
    },
    response_only=True,
)  # fmt: skip
NEW_LINK = OpenApiExample("An incident in ServiceNow", value={"integration_id": 3, **TICKET}, request_only=True)


class IntegrationRefSerializer(RefSerializer):
    type = serializers.CharField()


class IntegrationSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    name = serializers.CharField()
    type = serializers.ChoiceField(Integration.Type.choices)
    url = serializers.CharField()
    created = MomentField()


class IntegrationChangeSerializer(StrictSerializer):
    name = TextField(max_length=200, required=False)
    type = OneOfField(Integration.Type.choices, required=False)
    url = WebAddressField(required=False)


class NewIntegrationSerializer(StrictSerializer):
    name = TextField(max_length=200)
    type = OneOfField(Integration.Type.choices)
    url = WebAddressField(help_text="Where people find it, such as https://example.atlassian.net.")


class IntegrationFilterSet(StrictFilterSet):
    search = django_filters.CharFilter(field_name="name", lookup_expr="icontains", help_text="Part of the name.")
    type = ListFilter(item=one_of(Integration.Type.values), help_text="Any of these types.")

    sorts: ClassVar = {"name": "name", "created": "created"}
    order: ClassVar = ("name", "pk")


class TicketLinkSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    anomaly_id = serializers.IntegerField()
    integration = IntegrationRefSerializer()
    ticket_id = serializers.CharField()
    ticket_number = serializers.CharField()
    ticket_url = serializers.CharField(allow_blank=True)
    status = serializers.CharField(help_text="The other system's word.")
    ticket_metadata = serializers.DictField()
    user = RefSerializer(allow_null=True, help_text="Who linked it; null when that person was erased.")
    created = MomentField()


class NewTicketLinkSerializer(StrictSerializer):
    integration_id = serializers.IntegerField(
        min_value=1, max_value=2**63 - 1, help_text="The ticketing integration that owns this ticket."
    )
    ticket_id = TextField(max_length=200, help_text="External ticket identifier, such as the ServiceNow sys_id.")
    ticket_number = TextField(max_length=200, help_text="Human-readable ticket number, such as INC0010001.")
    ticket_url = WebAddressField(required=False, allow_blank=True, help_text="Direct URL to the ticket.")
    status = TextField(max_length=100, help_text="Current external status of the ticket.")
    ticket_metadata = serializers.DictField(required=False, help_text="What else is to be kept with it.")

    def validate_ticket_metadata(self, value: dict[str, Any]) -> dict[str, Any]:
        text = orjson.dumps(value)
        if len(text) > METADATA_LIMIT:
            raise serializers.ValidationError(f"At most {METADATA_LIMIT:,} bytes of JSON.", code="too_long")
        if rb"\u0000" in text:
            raise serializers.ValidationError("No NUL characters.", code="null_characters_not_allowed")
        return value


class TicketLinkViewSet(OrgViewSet):
    """The tickets of one anomaly."""

    resource: ClassVar = "anomalies"
    operations: ClassVar = {"ticket_links": "ticket_link.read", "link_ticket": "ticket_link.manage", "unlink_ticket": "ticket_link.manage"}
    parameters: ClassVar = {"ticket_links": ("page", "size")}
    conditional: ClassVar = ("unlink_ticket",)
    queryset = Anomaly.objects.all()
    serializer_class = TicketLinkSerializer

    @extend_schema(
        summary="Get the tickets of an anomaly",
        description="A plain array, oldest first, a page at a time; `X-Total-Count` and `Link` tell of the rest.",
        parameters=list(PAGE_PARAMETERS),
        responses=TicketLinkSerializer(many=True),
        examples=[LINK],
        filters=False,
    )
    def ticket_links(self, request: Request, id: str) -> Response:
        links = self.get_object().ticket_links.select_related("integration", "user").order_by("pk")
        return array_page(request, links, TicketLinkSerializer)

    @extend_schema(
        summary="Link a ticket to an anomaly",
        description=(
            "Keeps the association; the other system is not called. A ticket is linked to an anomaly once (409), and an archived anomaly "
            "takes none (409)."
        ),
        request=NewTicketLinkSerializer,
        responses={201: TicketLinkSerializer},
        examples=[NEW_LINK, LINK],
    )
    @transaction.atomic
    def link_ticket(self, request: Request, id: str) -> Response:
        anomaly, said = self.get_object(), self.body(NewTicketLinkSerializer)
        link = link_ticket(anomaly, integration_id=said.pop("integration_id"), user=self.person, ticket=Ticket(**said))
        return self.created(link, path=f"anomalies/{anomaly.pk}/ticket-links")

    @extend_schema(
        summary="Unlink a ticket from an anomaly",
        description="Removes the association only; the external ticket is left untouched.",
        responses={204: None},
    )
    @transaction.atomic
    def unlink_ticket(self, request: Request, id: str, link_id: str) -> Response:
        anomaly = self.get_object()
        hold(anomaly.org_id, [anomaly.pk])
        links = TicketLink.objects.select_related("integration", "user", "anomaly").filter(anomaly=anomaly)
        link = links.select_for_update(of=("self",)).filter(**reference(link_id, TicketLink)).first()
        if link is None:
            raise Http404
        self.check_version(link)
        unlink_ticket(link, user=self.person)
        return Response(status=204)


@extend_schema_view(
    list=extend_schema(summary="List ticketing integrations", description="Of the org, by name.", examples=[INTEGRATION]),
    retrieve=extend_schema(summary="Get one integration", examples=[INTEGRATION]),
)
class IntegrationViewSet(ListMixin, RetrieveMixin, OrgViewSet):
    operations: ClassVar = {
        "list": "integration.read",
        "retrieve": "integration.read",
        "create": "integration.manage",
        "update": "integration.manage",
        "destroy": "integration.manage",
    }
    queryset = Integration.objects.all()
    serializer_class = IntegrationSerializer
    filterset_class = IntegrationFilterSet

    @extend_schema(
        summary="Make an integration",
        description="A ticketing system that tickets can be linked from. A name that is taken is 409, and so is one more than an org may "
        "have (100).",
        request=NewIntegrationSerializer,
        responses={201: IntegrationSerializer},
        examples=[NEW_INTEGRATION, INTEGRATION],
    )
    @transaction.atomic
    def create(self, request: Request) -> Response:
        integration = create_integration(self.person.org_id, **self.body(NewIntegrationSerializer))
        return self.created(integration, path="integrations")

    @extend_schema(
        summary="Change an integration",
        description="Only the fields that are sent. A name that is taken is 409.",
        request=IntegrationChangeSerializer,
        examples=[RENAME, INTEGRATION],
    )
    @transaction.atomic
    def update(self, request: Request, id: str) -> Response:
        integration = self.locked_object()
        return self.versioned(self.shown(change_integration(integration, **self.body(IntegrationChangeSerializer))))

    @extend_schema(
        summary="Delete an integration",
        description="Its ticket links go too; the history of each anomaly says so. The tickets themselves are left untouched.",
        responses={204: None},
    )
    @transaction.atomic
    def destroy(self, request: Request, id: str) -> Response:
        delete_integration(self.locked_object(), user=self.person)
        return Response(status=204)
