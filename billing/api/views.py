"""/api/billing: the org's plan, its usage and its invoices; buying and managing a plan."""

from typing import Any, ClassVar

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from billing import checkout
from billing.api import examples
from billing.api.serializers import (
    CheckoutSerializer,
    InvoicesQuery,
    InvoicesSerializer,
    PageSerializer,
    PlanSerializer,
    PortalPageSerializer,
    PortalSerializer,
    UsageQuery,
    UsageSerializer,
)
from billing.invoices import invoices_of
from billing.provider import provider
from billing.standing import standing_of
from billing.usage import usage_of
from config.api.problems import flatten
from config.api.views import OrgViewSet
from orgs.errors import Invalid
from orgs.models import Org


class BillingViewSet(OrgViewSet):
    """What the org has and pays."""

    resource: ClassVar = "billing"
    operations: ClassVar = {"plan": "billing.read", "usage": "billing.read", "invoices": "billing.invoices"}
    parameters: ClassVar = {"usage": ("since", "until"), "invoices": ("limit",)}
    queryset = Org.objects.none()  # the address names nothing: it is the caller's org

    @extend_schema(summary="Get your org's plan", responses=PlanSerializer, examples=[examples.PLAN], filters=False)
    def plan(self, request: Request) -> Response:
        return Response(PlanSerializer(standing_of(self.person.org)).data)

    @extend_schema(
        summary="Get your org's usage by day",
        description="How many metrics counted towards the quota, at the last look of each day.",
        parameters=[UsageQuery],
        responses=UsageSerializer,
        examples=[examples.USAGE],
        filters=False,
    )
    def usage(self, request: Request) -> Response:
        today = timezone.now().date()
        asked = query_of(request, UsageQuery, today=today)
        return Response(UsageSerializer(usage_of(self.person.org, today=today, **asked)).data)

    @extend_schema(
        summary="List your org's invoices",
        description="As the payment provider had them at most 30 seconds ago.",
        parameters=[InvoicesQuery],
        responses=InvoicesSerializer,
        examples=[examples.INVOICES],
        filters=False,
    )
    def invoices(self, request: Request) -> Response:
        invoices = invoices_of(self.person.org, **query_of(request, InvoicesQuery))
        return Response(InvoicesSerializer({"enabled": provider().is_enabled, "invoices": invoices}).data)


class PurchaseViewSet(OrgViewSet):
    """Pages of the payment provider. 501 where billing is not enabled."""

    resource: ClassVar = "billing"
    operations: ClassVar = {"checkout": "billing.manage", "portal": "billing.manage"}
    extra_errors: ClassVar = (501,)
    queryset = Org.objects.none()

    @extend_schema(
        summary="Open a page to pay for a plan",
        description="Asked again for the same, it is the same page while that is open.",
        request=CheckoutSerializer,
        responses={201: PageSerializer},
        examples=[examples.CHECKOUT, examples.PAGE],
    )
    def checkout(self, request: Request) -> Response:
        checkout.enabled()
        said = self.body(CheckoutSerializer)
        plan = checkout.paid_plan(said["plan"])
        page = checkout.start_checkout(self.person, plan, return_url=said["return_url"], now=timezone.now())
        return Response({"id": page.id, "url": page.url}, status=201)

    @extend_schema(
        summary="Open the pages to change, cancel or pay",
        request=PortalSerializer,
        responses={201: PortalPageSerializer},
        examples=[examples.PORTAL, examples.PORTAL_PAGE],
    )
    def portal(self, request: Request) -> Response:
        checkout.enabled()
        said = self.body(PortalSerializer)
        plan = checkout.paid_plan(said["plan"]) if "plan" in said else None
        url = checkout.open_portal(
            self.person.org, return_url=said["return_url"], plan=plan, cancels=said["cancel"], pays=said["payment_method"]
        )
        return Response({"url": url}, status=201)


def query_of(request: Request, serializer_class: type[serializers.Serializer[Any]], **context: Any) -> dict[str, Any]:
    """What the address asks for. Raises Invalid naming every parameter that does not do."""
    sent = serializer_class(data=request.query_params.dict(), context=context)
    if not sent.is_valid():
        raise Invalid("Some parameters do not do; `errors` names them.", errors=tuple(flatten(sent.errors, ("query",))))
    return dict(sent.validated_data)
