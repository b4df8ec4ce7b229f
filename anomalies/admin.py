"""The operators' admin of anomalies and their history. Whatever it changes goes through the services and is written down."""

from collections.abc import Callable
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.forms import ModelForm
from django.http import HttpRequest
from unfold.admin import TabularInline

from accounts.models import User
from anomalies.models import (
    Anomaly,
    AnomalyAssignee,
    AnomalyTag,
    BulkChange,
    BulkResult,
    Change,
    Comment,
    DefaultView,
    FailedCheck,
    FailedField,
    Flow,
    FlowEntry,
    Integration,
    ListChange,
    Mention,
    Notice,
    NoticeSettings,
    SavedView,
    SourceRow,
    SourceTable,
    Tag,
    TicketLink,
    Watch,
)
from anomalies.services import change_anomaly, close_anomaly
from anomalies.services.history import ACTORS
from anomalies.services.tags import change_tag, delete_tag
from metrics.detection.layout import KINDS
from orgs.admin import EndlessAdmin, KnownFilter, PlumblineAdmin, ReadOnlyAdmin
from orgs.errors import DomainError


def operator_of(request: HttpRequest) -> User:
    assert isinstance(request.user, User)  # noqa: S101 - the admin stands behind a login
    return request.user


class NeverChanged(TabularInline):
    """Rows of a page that can only be read."""

    extra = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class ChangeInline(NeverChanged):
    model = Change
    fields = readonly_fields = ("timestamp", "actor", "user", "changeset")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Change]:
        found: QuerySet[Change] = super().get_queryset(request)
        return found.select_related("user")


class FailedCheckInline(NeverChanged):
    model = FailedCheck
    fields = readonly_fields = ("rule_type", "message")


class KindFilter(KnownFilter):
    title = parameter_name = "kind"
    known = KINDS


class ActorFilter(KnownFilter):
    title = parameter_name = "actor"
    known = ACTORS


@admin.register(Anomaly)
class AnomalyAdmin(EndlessAdmin):
    list_display = ("id", "org", "type", "status", "weight", "metric", "said", "kind", "created", "ended_at")
    list_filter = ("status", "type", KindFilter, "direction", "is_backfilled", "org", "created")
    list_prefetch_related = ("org", "metric")
    search_fields = ("=id", "=uuid", "message")
    search_beside: ClassVar = {"metric": "name"}
    inlines = (FailedCheckInline, ChangeInline)
    actions = ("acknowledge", "close")

    @admin.display(description="message")
    def said(self, anomaly: Anomaly) -> str:
        return anomaly.message if len(anomaly.message) <= 100 else f"{anomaly.message[:99]}…"

    def has_triage_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("anomalies.change_anomaly")

    @admin.action(description="Acknowledge", permissions=["triage"])
    def acknowledge(self, request: HttpRequest, chosen: QuerySet[Anomaly]) -> None:
        self._each(request, chosen, lambda anomaly, user: change_anomaly(anomaly, user=user, status=Anomaly.Status.ACKNOWLEDGED))

    @admin.action(description="Close as resolved", permissions=["triage"])
    def close(self, request: HttpRequest, chosen: QuerySet[Anomaly]) -> None:
        self._each(request, chosen, lambda anomaly, user: close_anomaly(anomaly, user=user))

    def _each(self, request: HttpRequest, chosen: QuerySet[Anomaly], change: Callable[[Anomaly, User], Anomaly]) -> None:
        """Changes one after the other and says which were refused."""
        user, done = operator_of(request), 0
        for anomaly in chosen:
            try:
                change(anomaly, user)
                done += 1
            except DomainError as refused:
                self.message_user(request, f"#{anomaly.pk}: {refused.detail}", messages.ERROR)
        self.message_user(request, f"{done} changed.")


@admin.register(Change)
class ChangeAdmin(EndlessAdmin):
    list_display = ("timestamp", "org", "anomaly_id", "actor", "user", "changeset")
    list_filter = (ActorFilter, "org", "timestamp")
    list_prefetch_related = ("org", "user")
    search_fields = ("=anomaly__id", "=transaction_id")
    search_beside: ClassVar = {"user": "email"}


@admin.register(FailedCheck)
class FailedCheckAdmin(EndlessAdmin):
    list_display = ("anomaly_id", "org", "rule_type", "message")
    list_filter = ("org",)
    search_fields = ("=anomaly__id", "message")


@admin.register(Tag)
class TagAdmin(PlumblineAdmin):
    """Goes through the services: a tag that counts anew or goes changes the weight of anomalies."""

    list_display = ("name", "org", "category", "weight_modifier", "description")
    list_filter = (("org", admin.RelatedOnlyFieldListFilter),)
    list_select_related = ("org",)
    search_fields = ("name", "org__name")
    autocomplete_fields = ("org",)

    def save_model(self, request: HttpRequest, obj: Tag, form: "ModelForm[Any]", change: bool) -> None:  # noqa: FBT001
        if change:
            change_tag(obj, user=operator_of(request), **{name: form.cleaned_data[name] for name in form.changed_data})
        else:
            super().save_model(request, obj, form, change)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> tuple[list[str], dict[str, int], set[str], list[str]]:
        """What hangs on a tag goes by the service, which needs nobody's leave to take it off anomalies; one that a flow is about stays."""
        flows = Flow.objects.filter(tags__in=[tag.pk for tag in objs]).distinct().order_by("pk")
        return [str(tag) for tag in objs], {"tags": len(objs)}, set(), [f"Flow: {flow.name}" for flow in flows]

    def delete_model(self, request: HttpRequest, obj: Tag) -> None:
        delete_tag(obj, user=operator_of(request))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Tag]) -> None:
        for tag in queryset:
            delete_tag(tag, user=operator_of(request))


class MentionInline(NeverChanged):
    model = Mention
    fields = readonly_fields = ("user",)


@admin.register(Comment)
class CommentAdmin(EndlessAdmin):
    list_display = ("created", "org", "anomaly_id", "user", "message", "edited", "deleted")
    list_filter = (("deleted", admin.EmptyFieldListFilter), "org", "created")
    list_prefetch_related = ("org", "user")
    search_fields = ("=anomaly__id", "message")
    search_beside: ClassVar = {"user": "email"}
    inlines = (MentionInline,)


@admin.register(Mention)
class MentionAdmin(EndlessAdmin):
    list_display = ("comment_id", "org", "user")
    list_filter = ("org",)
    list_prefetch_related = ("org", "user")
    search_fields = ("=comment__id",)
    search_beside: ClassVar = {"user": "email"}


@admin.register(FailedField)
class FailedFieldAdmin(EndlessAdmin):
    list_display = ("anomaly_id", "org", "name")
    search_fields = ("=anomaly__id", "=name")


@admin.register(AnomalyTag)
class AnomalyTagAdmin(EndlessAdmin):
    list_display = ("anomaly_id", "org", "tag")
    list_prefetch_related = ("org", "tag")
    search_fields = ("=anomaly__id",)
    search_beside: ClassVar = {"tag": "name"}


@admin.register(AnomalyAssignee)
class AnomalyAssigneeAdmin(EndlessAdmin):
    list_display = ("anomaly_id", "org", "user")
    list_prefetch_related = ("org", "user")
    search_fields = ("=anomaly__id",)
    search_beside: ClassVar = {"user": "email"}


@admin.register(Integration)
class IntegrationAdmin(PlumblineAdmin):
    list_display = ("name", "type", "org", "url", "created")
    list_filter = ("type", ("org", admin.RelatedOnlyFieldListFilter))
    list_select_related = ("org",)
    search_fields = ("name", "org__name")
    autocomplete_fields = ("org",)
    readonly_fields = ("created",)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Its links would go without a line in the history of their anomalies."""
        return False


@admin.register(TicketLink)
class TicketLinkAdmin(EndlessAdmin):
    list_display = ("ticket_number", "integration", "anomaly_id", "org", "status", "user", "created")
    list_filter = ("integration__type", "org", "created")
    list_prefetch_related = ("integration", "org", "user")
    search_fields = ("=anomaly__id", "ticket_number", "ticket_id")


@admin.register(SourceTable)
class SourceTableAdmin(EndlessAdmin):
    """Which rows of the source are kept; the rows themselves are for those who may read the datastore."""

    list_display = ("anomaly_id", "org", "total", "created")
    list_filter = ("org", "created")
    search_fields = ("=anomaly__id",)


@admin.register(SourceRow)
class SourceRowAdmin(EndlessAdmin):
    """Where rows are, not what stands in them: an operator runs the installation, and need not read its data."""

    fields = list_display = ("anomaly_id", "org", "place")
    search_fields = ("=anomaly__id",)


@admin.register(BulkChange)
class BulkChangeAdmin(ReadOnlyAdmin):
    list_display = ("pk", "org", "user", "query", "created", "expires", "operation")
    list_filter = (("org", admin.RelatedOnlyFieldListFilter),)
    list_select_related = ("org", "user", "operation")
    search_fields = ("=pk", "user__email")


@admin.register(BulkResult)
class BulkResultAdmin(EndlessAdmin):
    list_display = ("bulk_change_id", "anomaly_id", "org", "outcome", "code")
    list_filter = ("outcome", "org")
    search_fields = ("=bulk_change__id", "=anomaly_id")


@admin.register(Flow)
class FlowAdmin(ReadOnlyAdmin):
    list_display = ("name", "org", "is_active", "action", "inactivity", "last_run")
    list_filter = ("is_active", "action", ("org", admin.RelatedOnlyFieldListFilter))
    list_select_related = ("org",)
    search_fields = ("name",)


@admin.register(FlowEntry)
class FlowEntryAdmin(EndlessAdmin):
    list_display = ("timestamp", "flow", "org", "user", "operation")
    list_filter = ("org",)
    list_prefetch_related = ("org", "flow", "user", "operation")
    search_fields = ("=operation__id",)
    search_beside: ClassVar = {"flow": "name", "user": "email"}


@admin.register(ListChange)
class ListChangeAdmin(EndlessAdmin):
    list_display = ("at", "org_id", "xid")
    search_fields = ("=xid",)


@admin.register(Watch)
class WatchAdmin(EndlessAdmin):
    list_display = ("anomaly_id", "user", "org", "is_on", "created")
    list_filter = ("is_on", "org")
    list_prefetch_related = ("org", "user")
    search_fields = ("=anomaly__id",)
    search_beside: ClassVar = {"user": "email"}


@admin.register(Notice)
class NoticeAdmin(EndlessAdmin):
    list_display = ("created", "kind", "user", "anomaly_id", "org", "acknowledged")
    list_filter = ("kind", "org")
    list_prefetch_related = ("org", "user")
    search_fields = ("=anomaly__id",)
    search_beside: ClassVar = {"user": "email"}


@admin.register(NoticeSettings)
class NoticeSettingsAdmin(ReadOnlyAdmin):
    list_display = ("user", "org", "auto_watch")
    list_filter = (("org", admin.RelatedOnlyFieldListFilter),)
    list_select_related = ("org", "user")
    search_fields = ("user__email",)


@admin.register(SavedView)
class SavedViewAdmin(ReadOnlyAdmin):
    list_display = ("name", "org", "user", "team", "updated")
    list_filter = (("org", admin.RelatedOnlyFieldListFilter),)
    list_select_related = ("org", "user", "team")
    search_fields = ("name", "user__email")


@admin.register(DefaultView)
class DefaultViewAdmin(ReadOnlyAdmin):
    list_display = ("user", "org", "view")
    list_filter = (("org", admin.RelatedOnlyFieldListFilter),)
    list_select_related = ("org", "user", "view")
    search_fields = ("user__email", "view__name")
