"""All routes: pages under /app/, REST under /api/, operators under /admin/, ingestion and the session API at the root."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

import accounts.urls
import anomalies.urls
import billing.urls
import datastores.urls
import metrics.urls
import orgs.urls
from config import operate, pages, problem_pages
from config.api import probes
from config.api import urls as api_urls

APPS = (orgs.urls, accounts.urls, billing.urls, datastores.urls, metrics.urls, anomalies.urls)

urlpatterns = [
    path("", RedirectView.as_view(url="/app/", permanent=False), name="home"),
    path("app", RedirectView.as_view(url="/app/", permanent=False)),  # as people type it
    path("admin/login/", pages.operators_only),
    path("admin/", include(operate.urls)),
    path("admin/", admin.site.urls),
    path("app/", include([route for app in APPS for route in app.pages])),
    path("api/health", probes.HealthView.as_view(), name="health"),
    path("api/status", probes.StatusView.as_view(), name="status"),
    path("api/", include([route for app in APPS for route in app.api])),
    path("problems/<slug:slug>", problem_pages.problem, name="problem"),
    *[route for app in APPS for route in app.root],
    *api_urls.root,
    path("api/", include(api_urls.api)),
]

handler400 = "config.pages.bad_request"
handler403 = "config.pages.permission_denied"
handler404 = "config.pages.not_found"
handler500 = "config.pages.server_error"
