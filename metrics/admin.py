"""The operators' admin of series and of the detector's own bookkeeping."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from metrics.models import DetectionBlock, DetectionOrder, DetectionShard, DetectionStep, Metric
from metrics.shards.orders import order_rebuild, order_relearn
from orgs.admin import PlumblineAdmin, ReadOnlyAdmin


@admin.register(Metric)
class MetricAdmin(PlumblineAdmin):
    """Series. Only the sensitivity is a person's to set; the rest is learned."""

    list_display = ("__str__", "org", "datastore", "state", "is_stale", "kind", "sensitivity", "resolution_s", "last_at")
    list_filter = ("state", "is_stale", "kind", "sensitivity", ("org", admin.RelatedOnlyFieldListFilter))
    list_select_related = ("org", "datastore")
    search_fields = ("name", "=id", "org__name")
    ordering = ("-pk",)
    fields = (
        "name", "org", "datastore", "labels", "sensitivity", "kind", "state", "is_stale", "resolution_s", "period_s",
        "last_at", "last_value", "created",
    )  # fmt: skip
    readonly_fields = tuple(name for name in fields if name != "sensitivity")
    actions = ("replay", "relearn")

    def has_add_permission(self, request: HttpRequest) -> bool:
        """A series comes to be with its first point."""
        return False

    @admin.action(description="Replay: learn anew from the stored points", permissions=["change"])
    def replay(self, request: HttpRequest, chosen: QuerySet[Metric]) -> None:
        self._order(request, chosen, order_rebuild, "learn anew")

    @admin.action(description="New normal: take the present level as normal", permissions=["change"])
    def relearn(self, request: HttpRequest, chosen: QuerySet[Metric]) -> None:
        self._order(request, chosen, order_relearn, "take their level as normal")

    def _order(self, request: HttpRequest, chosen: QuerySet[Metric], order: Any, words: str) -> None:
        for metric in chosen:
            order(metric)
        self.message_user(request, f"{len(chosen)} series will {words} with the detector's next step.")


@admin.register(DetectionShard)
class DetectionShardAdmin(ReadOnlyAdmin):
    list_display = ("shard", "shards", "seq", "mark", "checkpoint_mark", "last_tick")


@admin.register(DetectionStep)
class DetectionStepAdmin(ReadOnlyAdmin):
    list_display = ("shard", "seq", "mark", "now_ms")
    list_filter = ("shard",)
    ordering = ("-pk",)


@admin.register(DetectionBlock)
class DetectionBlockAdmin(ReadOnlyAdmin):
    """The states themselves are bytes; what is shown is how old they are."""

    fields = ("shard", "block", "seq", "version")
    list_display = ("shard", "block", "seq", "version")
    list_filter = ("shard",)
    ordering = ("shard", "block")

    def get_queryset(self, request: HttpRequest) -> QuerySet[DetectionBlock]:
        found: QuerySet[DetectionBlock] = super().get_queryset(request)
        return found.defer("series", "states")


@admin.register(DetectionOrder)
class DetectionOrderAdmin(ReadOnlyAdmin):
    list_display = ("metric_id", "op", "argument", "created")
    list_filter = ("op",)
    search_fields = ("=metric_id",)
