"""This app's routes, by interface; `config/urls.py` puts them together."""

from typing import Any

from django.urls import URLPattern, URLResolver, path
from django.views.generic import RedirectView

from anomalies.api.bulk import BulkOperationViewSet, BulkViewSet
from anomalies.api.checks import FailedCheckViewSet
from anomalies.api.comments import AnomalyCommentViewSet, CommentViewSet
from anomalies.api.export import ExportViewSet
from anomalies.api.facets import FacetViewSet
from anomalies.api.flows import FlowViewSet
from anomalies.api.insights import InsightViewSet
from anomalies.api.notices import NoticeViewSet, WatchViewSet
from anomalies.api.saved_views import SavedViewViewSet
from anomalies.api.sources import SourceRecordViewSet
from anomalies.api.tags import GlobalTagViewSet, TagListingViewSet
from anomalies.api.tickets import IntegrationViewSet, TicketLinkViewSet
from anomalies.api.verbs import AnomalyVerbViewSet, PartitionViewSet
from anomalies.api.views import AnomalyViewSet, RelatedViewSet, ScanViewSet
from anomalies.pages import acts, conversation, detail, inbox, leaving, many, notifications, overview, reveal, series, views_menu
from anomalies.pages.housekeeping import Housekeeping
from anomalies.pages.insights import insights_page
from anomalies.pages.integration_settings import Integrations
from anomalies.pages.tag_settings import Tags
from anomalies.session_api import org
from config.api.session import routes

CHANGES: dict[str, Any] = {"get": "retrieve", "put": "update", "delete": "destroy"}

api: list[URLPattern | URLResolver] = [  # under /api/
    path("anomalies/bulk-by-filter", BulkViewSet.as_view({"post": "bulk_by_filter"})),
    path("operations/<str:id>/results", BulkOperationViewSet.as_view({"get": "results"})),
    path("operations/<str:id>/undo", BulkOperationViewSet.as_view({"post": "undo"})),
    path("anomalies/export", ExportViewSet.as_view({"get": "export"})),
    path("anomalies/facets", FacetViewSet.as_view({"get": "facets"})),
    path("anomalies", AnomalyViewSet.as_view({"get": "list", "patch": "bulk_update", "delete": "bulk_destroy"})),
    path("anomalies/<str:id>", AnomalyViewSet.as_view(CHANGES)),
    path("anomalies/<str:id>/duplicate-of", AnomalyVerbViewSet.as_view({"post": "mark_duplicate", "delete": "unmark_duplicate"})),
    path("anomalies/<str:id>/related", RelatedViewSet.as_view({"get": "list"})),
    path("anomalies/<str:id>/restore", AnomalyVerbViewSet.as_view({"post": "restore"})),
    path("anomalies/<str:id>/snooze", AnomalyVerbViewSet.as_view({"post": "snooze", "delete": "wake"})),
    path("container-scans/<str:id>/anomalies", ScanViewSet.as_view({"get": "list"})),
    path("partitions/<str:id>/anomalies/<str:status>", PartitionViewSet.as_view({"put": "change_anomalies"})),
    path("anomalies/<str:id>/history", AnomalyViewSet.as_view({"get": "history"})),
    path("anomalies/<str:id>/image", AnomalyViewSet.as_view({"get": "image"})),
    path("anomalies/<str:id>/failed-checks", FailedCheckViewSet.as_view({"get": "failed_checks"})),
    path("anomalies/<str:id>/comments", AnomalyCommentViewSet.as_view({"get": "comments", "post": "comment"})),
    path("anomalies/<str:id>/source-record", SourceRecordViewSet.as_view({"get": "source_record"})),
    path("anomalies/<str:id>/source-record/download", SourceRecordViewSet.as_view({"get": "download_source_record"})),
    path("anomalies/<str:id>/source-record/csv", SourceRecordViewSet.as_view({"get": "source_record_csv"})),
    path("anomalies/<str:id>/ticket-links", TicketLinkViewSet.as_view({"get": "ticket_links", "post": "link_ticket"})),
    path("anomalies/<str:id>/ticket-links/<str:link_id>", TicketLinkViewSet.as_view({"delete": "unlink_ticket"})),
    path("global-tags", GlobalTagViewSet.as_view({"get": "list", "post": "create"})),
    path("global-tags/listing", TagListingViewSet.as_view({"get": "list"})),
    path("global-tags/<str:name>", GlobalTagViewSet.as_view(CHANGES)),
    path("integrations", IntegrationViewSet.as_view({"get": "list", "post": "create"})),
    path("integrations/<str:id>", IntegrationViewSet.as_view(CHANGES)),
    path("comments", CommentViewSet.as_view({"get": "list", "post": "create"})),
    path("comments/<str:id>", CommentViewSet.as_view(CHANGES)),
    path("anomalies/<str:id>/watch", WatchViewSet.as_view({"get": "watching", "post": "watch", "delete": "unwatch"})),
    path("flows", FlowViewSet.as_view({"get": "list", "post": "create"})),
    path("flows/<str:id>", FlowViewSet.as_view(CHANGES)),
    path("flows/<str:id>/execute", FlowViewSet.as_view({"post": "execute"})),
    path("flows/<str:id>/history", FlowViewSet.as_view({"get": "history"})),
    path("insights", InsightViewSet.as_view({"get": "insights"})),
    path("saved-views", SavedViewViewSet.as_view({"get": "list", "post": "create"})),
    path("saved-views/<str:id>", SavedViewViewSet.as_view(CHANGES)),
    path("user-notifications", NoticeViewSet.as_view({"get": "list"})),
    path("user-notifications/acknowledge", NoticeViewSet.as_view({"put": "acknowledge_all"})),
    path("user-notifications/acknowledge/<str:id>", NoticeViewSet.as_view({"put": "acknowledge"})),
    path("user-notifications/settings", NoticeViewSet.as_view({"get": "read_settings", "put": "change_settings"})),
]
pages: list[URLPattern | URLResolver] = [  # under /app/
    path("", overview.overview, name="overview"),
    path("inbox", inbox.inbox, name="inbox"),
    path("inbox/arrivals", inbox.arrivals, name="arrivals"),
    path("inbox/facets", inbox.facets, name="inbox-facets"),
    path("inbox/change", many.change_many, name="inbox-change"),
    path("inbox/change/start", many.start, name="inbox-start"),
    path("inbox/operations/<int:pk>", many.operation, name="inbox-operation"),
    path("inbox/operations/<int:pk>/undo", many.take_back, name="inbox-undo"),
    path("inbox/views", views_menu.save_view, name="inbox-views"),
    path("inbox/columns", views_menu.keep_columns, name="inbox-columns"),
    path("datastores", RedirectView.as_view(pattern_name="inbox")),  # which has a facet of them, and for everybody
    path("anomalies", RedirectView.as_view(pattern_name="inbox", query_string=True)),  # what is left of an address that was cut short
    path("anomalies/<int:pk>", detail.anomaly, name="anomaly"),
    path("anomalies/<int:pk>/spark", inbox.spark, name="anomaly-spark"),
    path("anomalies/<int:pk>/status", acts.change_status, name="anomaly-status"),
    path("anomalies/<int:pk>/description", acts.describe, name="anomaly-describe"),
    path("anomalies/<int:pk>/assign", acts.assign, name="anomaly-assign"),
    path("anomalies/<int:pk>/tag", acts.tag, name="anomaly-tag"),
    path("anomalies/<int:pk>/snooze", acts.snooze, name="anomaly-snooze"),
    path("anomalies/<int:pk>/wake", acts.wake, name="anomaly-wake"),
    path("anomalies/<int:pk>/archive", acts.archive, name="anomaly-archive"),
    path("anomalies/<int:pk>/restore", acts.restore, name="anomaly-restore"),
    path("anomalies/<int:pk>/remove", acts.remove, name="anomaly-remove"),
    path("anomalies/<int:pk>/undo", acts.undo, name="anomaly-undo"),
    path("anomalies/<int:pk>/watch", acts.watch, name="anomaly-watch"),
    path("anomalies/<int:pk>/comments", conversation.comment, name="anomaly-comment"),
    path("anomalies/<int:pk>/comments/<int:comment_id>", conversation.change_comment, name="anomaly-comment-change"),
    path("anomalies/<int:pk>/comments/<int:comment_id>/delete", conversation.drop_comment, name="anomaly-comment-delete"),
    path("anomalies/<int:pk>/tickets", conversation.add_ticket, name="anomaly-ticket"),
    path("anomalies/<int:pk>/tickets/<int:link_id>/delete", conversation.drop_ticket, name="anomaly-ticket-delete"),
    path("anomalies/<int:pk>/people", conversation.people, name="anomaly-people"),
    path("anomalies/<int:pk>/markdown", conversation.markdown, name="anomaly-markdown"),
    path("anomalies/<int:pk>/source", reveal.source, name="anomaly-source"),
    path("settings/tags", Tags.as_view(), name="settings-tags"),
    path("settings/integrations", Integrations.as_view(), name="settings-integrations"),
    path("settings/housekeeping", Housekeeping.as_view(), name="settings-housekeeping"),
    path("settings/danger", leaving.Danger.as_view(), name="settings-danger"),
    path("settings/danger/export", leaving.export, name="settings-export"),
    path("insights", insights_page, name="insights"),
    path("notifications", notifications.notifications, name="notifications"),
    path("notifications/read", notifications.acknowledge, name="notifications-read"),
    path("notifications/wishes", notifications.save_wishes, name="notification-wishes"),
    path("notifications/bell", notifications.bell, name="bell"),
    path("metrics", series.metrics, name="metrics"),
    path("metrics/<int:pk>", series.metric, name="metric"),
    path("metrics/<int:pk>/points", series.metric_points, name="metric-points"),
]
root: list[URLPattern | URLResolver] = [*routes(org)]  # root paths
