"""The API's description, its two readers, and the answer to every address that does not exist. Included last under /api/."""

from django.urls import path, re_path
from drf_spectacular.views import SpectacularJSONAPIView, SpectacularRedocView, SpectacularSwaggerView
from rest_framework.permissions import AllowAny

from config import session_api
from config.api.session import doc, routes
from config.api.views import not_found

# What the API looks like is no secret, and a client has to read it before it can log in.
OPEN = {"permission_classes": [AllowAny], "authentication_classes": []}
document = SpectacularJSONAPIView.as_view(**OPEN)

api = [
    path("openapi.json", document, name="openapi"),
    path("docs", SpectacularSwaggerView.as_view(url_name="openapi", **OPEN), name="api-docs"),
    path("redoc", SpectacularRedocView.as_view(url_name="openapi", template_name="api/redoc.html", **OPEN), name="api-redoc"),
    re_path(r"^(?P<rest>.*)$", not_found),
]
root = [*routes(session_api, doc), path("api", not_found)]
