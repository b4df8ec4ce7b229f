"""This app's routes, by interface; `config/urls.py` puts them together."""

from typing import Any

from django.urls import URLPattern, URLResolver, path

from config.api.session import routes
from datastores.api.audit import MaskingAuditViewSet
from datastores.api.events import EventViewSet
from datastores.api.keys import IngestKeyViewSet
from datastores.api.teams import TeamViewSet
from datastores.api.views import DatastoreViewSet, OperationViewSet
from datastores.pages import signup as signup_pages
from datastores.pages.alerts import Alerts
from datastores.pages.channels import Channels
from datastores.pages.events import Events
from datastores.pages.keys import Keys
from datastores.pages.members import Members
from datastores.pages.organisation import Organisation
from datastores.pages.teams import Teams, TeamView
from datastores.session_api import org_events, signup

CHANGES: dict[str, Any] = {"get": "retrieve", "put": "update", "delete": "destroy"}

api: list[URLPattern | URLResolver] = [  # under /api/
    path("datastores", DatastoreViewSet.as_view({"get": "list"})),
    path("datastores/<str:id>", DatastoreViewSet.as_view({"get": "retrieve"})),
    path("operations", OperationViewSet.as_view({"get": "list"})),
    path("operations/abort/<str:id>", OperationViewSet.as_view({"put": "abort"})),
    path("teams", TeamViewSet.as_view({"get": "list", "post": "create"})),
    path("teams/<str:id>", TeamViewSet.as_view(CHANGES)),
    path("org/ingest-keys", IngestKeyViewSet.as_view({"get": "list", "post": "create"})),
    path("org/ingest-keys/<str:id>", IngestKeyViewSet.as_view(CHANGES)),
    path("audit-logs/masking", MaskingAuditViewSet.as_view({"get": "list"})),
    path("events", EventViewSet.as_view({"get": "list", "post": "create"})),
    path("events/<str:id>", EventViewSet.as_view({"get": "retrieve"})),
]
pages: list[URLPattern | URLResolver] = [  # under /app/
    path("settings", Organisation.as_view(), name="settings"),
    path("signup", signup_pages.SignUp.as_view(), name="signup"),
    path("signup/sent", signup_pages.sent, name="signup-sent"),
    path("settings/members", Members.as_view(), name="settings-members"),
    path("settings/teams", Teams.as_view(), name="settings-teams"),
    path("settings/teams/<int:pk>", TeamView.as_view(), name="settings-team"),
    path("settings/keys", Keys.as_view(), name="settings-keys"),
    path("settings/channels", Channels.as_view(), name="settings-channels"),
    path("settings/alerts", Alerts.as_view(), name="settings-alerts"),
    path("settings/events", Events.as_view(), name="settings-events"),
]
root: list[URLPattern | URLResolver] = [*routes(signup, org_events)]  # root paths
