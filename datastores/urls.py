"""This app's routes, by interface; `config/urls.py` puts them together."""

from django.urls import URLPattern, URLResolver, path

from datastores.api.views import DatastoreViewSet, OperationViewSet

api: list[URLPattern | URLResolver] = [  # under /api/
    path("datastores", DatastoreViewSet.as_view({"get": "list"})),
    path("datastores/<str:id>", DatastoreViewSet.as_view({"get": "retrieve"})),
    path("operations", OperationViewSet.as_view({"get": "list"})),
    path("operations/<str:id>", OperationViewSet.as_view({"get": "retrieve"})),
    path("operations/abort/<str:id>", OperationViewSet.as_view({"put": "abort"})),
]
pages: list[URLPattern | URLResolver] = []  # under /app/
root: list[URLPattern | URLResolver] = []  # root paths
