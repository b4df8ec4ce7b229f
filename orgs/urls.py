"""This app's routes, by interface; `config/urls.py` puts them together."""

from django.urls import URLPattern, URLResolver, path

from orgs.api.views import OrgTokenViewSet, OwnOrgViewSet

api: list[URLPattern | URLResolver] = [  # under /api/
    path("org", OwnOrgViewSet.as_view({"get": "retrieve", "put": "update"})),
    path("org/tokens", OrgTokenViewSet.as_view({"get": "list", "post": "create"})),
    path("org/tokens/<str:id>", OrgTokenViewSet.as_view({"get": "retrieve", "put": "update", "delete": "destroy"})),
]
pages: list[URLPattern | URLResolver] = []  # under /app/
root: list[URLPattern | URLResolver] = []  # root paths
