"""This app's routes, by interface; `config/urls.py` puts them together."""

from django.urls import URLPattern, URLResolver, path

from billing.api.views import BillingViewSet, PurchaseViewSet
from billing.pages import Billing
from billing.session_api import billing
from config.api.session import routes

api: list[URLPattern | URLResolver] = [  # under /api/
    path("billing/plan", BillingViewSet.as_view({"get": "plan"})),
    path("billing/usage", BillingViewSet.as_view({"get": "usage"})),
    path("billing/invoices", BillingViewSet.as_view({"get": "invoices"})),
    path("billing/checkout", PurchaseViewSet.as_view({"post": "checkout"})),
    path("billing/portal", PurchaseViewSet.as_view({"post": "portal"})),
]
pages: list[URLPattern | URLResolver] = [path("settings/billing", Billing.as_view(), name="settings-billing")]  # under /app/
root: list[URLPattern | URLResolver] = [*routes(billing)]  # root paths
