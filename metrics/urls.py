"""This app's routes, by interface; `config/urls.py` puts them together."""

from django.urls import URLPattern, URLResolver, path

from config.api.session import routes
from metrics.api.imports import ImportViewSet, ProgressViewSet
from metrics.api.views import MetricViewSet
from metrics.ingest import page_views
from metrics.ingest import views as ingest
from metrics.pages.quota import Quota
from metrics.pages.start import Start, tick
from metrics.session_api import js, org

api: list[URLPattern | URLResolver] = [  # under /api/
    path("metrics", MetricViewSet.as_view({"get": "list"})),
    path("metrics/import", ImportViewSet.as_view({"post": "create"})),
    path("operations/<str:id>", ProgressViewSet.as_view({"get": "retrieve"})),
    path("metrics/<str:id>", MetricViewSet.as_view({"get": "retrieve"})),
    path("metrics/<str:id>/timeseries", MetricViewSet.as_view({"get": "timeseries"})),
    path("metrics/<str:id>/forecast", MetricViewSet.as_view({"get": "forecast"})),
]
pages: list[URLPattern | URLResolver] = [  # under /app/
    path("settings/quota", Quota.as_view(), name="settings-quota"),
    path("start", Start.as_view(), name="start"),
    path("start/tick", tick, name="start-tick"),
]
root: list[URLPattern | URLResolver] = [  # root paths
    path("flux/metric_data", ingest.metric_data),
    path("flux/metric_data_post", ingest.metric_data_post),
    path("flux/prometheus/write", ingest.remote_write),
    path("api/v1/write", ingest.remote_write),
    path("api/v1/push", ingest.remote_write),
    path("api/prom/push", ingest.remote_write),
    path("api/ingest/events", page_views.events),
    *routes(org, js),
]
