"""The rows of an anomaly alone: other columns, more rows, read anew, or with what is masked shown, which is written down."""

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_http_methods

from accounts.models import User
from accounts.pages.readers import is_htmx, reader
from anomalies.models import Anomaly
from anomalies.pages.abilities import refusals_of
from anomalies.pages.access import anomaly_for
from anomalies.pages.detail import page_response
from anomalies.pages.records import Asked, Records, records_for
from config.api.addresses import client_address
from datastores.audit import record_unmasking
from datastores.models import AuditEntry


@require_http_methods(["GET", "POST"])
def source(request: HttpRequest, pk: int) -> HttpResponse:
    """The rows alone for htmx, else the page with them. A POST reads them anew (`refresh`) or shows what is masked (`reveal`)."""
    user = reader(request)
    reveals, refreshes = ("reveal" in request.POST, "refresh" in request.POST) if request.method == "POST" else (False, False)
    found = anomaly_for(user, pk, "anomaly.read")
    no = refusals_of(user, found)
    asked = Asked.read(request.POST if request.method == "POST" else request.GET)
    if (why_not := no.get("unmask") if reveals else no.get("rows")) or found.metric_id is not None:
        records = Records(trouble=why_not or "The points of a series are in its chart and table.")
        status = 403 if why_not else 404
    else:
        records, status = revealed(request, user, found, asked) if reveals else records_for(found, asked, refresh=refreshes), 200
    if is_htmx(request):
        context = {"records": records, "no": no, "anomaly": found, "part": True}
        response = render(request, "anomalies/_source.html", context, status=status)
    else:
        response = page_response(request, found, user, records=records, status=status)
    response["Cache-Control"] = "no-store"
    return response


@transaction.atomic
def revealed(request: HttpRequest, user: User, found: Anomaly, asked: Asked) -> Records:
    """The rows with masked values as they are, after it was written down that they are shown."""
    records = records_for(found, asked, unmasked=True)
    if records.masked and not records.trouble:
        record_unmasking(
            user,
            resource_type=AuditEntry.Resource.ANOMALY,
            resource_id=found.pk,
            masked_field_names=records.masked,
            endpoint=request.path,
            ip_address=client_address(request),
        )
    return records
