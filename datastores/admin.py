"""The operators' admin of datastores, levels and long work."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.admin import TabularInline

from datastores.closing import open_again
from datastores.models import AuditEntry, ClosedOrg, Container, Datastore, Operation, TeamAccess
from orgs.admin import EndlessAdmin, ReadOnlyAdmin, SameOrgFormSet, WithOrgRows
from orgs.tenancy import within


class AccessInline(TabularInline):
    model = TeamAccess
    formset = SameOrgFormSet
    fields = ("team", "level")
    autocomplete_fields = ("team",)
    extra = 0


@admin.register(Datastore)
class DatastoreAdmin(WithOrgRows):
    list_display = ("name", "org", "type", "created")
    list_filter = ("type", ("org", admin.RelatedOnlyFieldListFilter))
    list_select_related = ("org",)
    search_fields = ("name", "org__name")
    autocomplete_fields = ("org",)
    readonly_fields = ("created",)
    date_hierarchy = "created"
    inlines = (AccessInline,)

    def has_delete_permission(self, request: HttpRequest, obj: Datastore | None = None) -> bool:
        """Never: series, anomalies and their history would go along, and a flow about this datastore alone would be about all."""
        return False


@admin.register(TeamAccess)
class TeamAccessAdmin(ReadOnlyAdmin):
    """Edited on the page of the datastore."""

    list_display = ("team", "datastore", "level", "org")
    list_filter = ("level", ("org", admin.RelatedOnlyFieldListFilter))
    list_select_related = ("team", "datastore", "org")
    search_fields = ("team__name", "datastore__name", "org__name")


@admin.register(Operation)
class OperationAdmin(ReadOnlyAdmin):
    list_display = ("id", "org", "datastore", "kind", "status", "done", "total", "user", "created", "ended")
    list_filter = ("kind", "status", ("org", admin.RelatedOnlyFieldListFilter))
    list_select_related = ("org", "datastore", "user")
    search_fields = ("=id", "message", "org__name")
    date_hierarchy = "created"


@admin.register(Container)
class ContainerAdmin(ReadOnlyAdmin):
    list_display = ("name", "datastore", "org")
    list_filter = (("org", admin.RelatedOnlyFieldListFilter),)
    list_select_related = ("datastore", "org")
    search_fields = ("name", "datastore__name")


@admin.register(AuditEntry)
class AuditEntryAdmin(EndlessAdmin):
    list_display = ("created", "org", "user_email", "action", "resource_type", "resource_id", "masked_field_names", "ip_address")
    list_filter = ("action", "resource_type", "org", "created")
    search_fields = ("user_email", "=resource_id", "=ip_address")


@admin.register(ClosedOrg)
class ClosedOrgAdmin(ReadOnlyAdmin):
    """Orgs that were closed and are not erased yet."""

    list_display = ("name", "slug", "plan", "closed")
    search_fields = ("name", "slug")
    date_hierarchy = "closed"
    actions = ("open_orgs",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[ClosedOrg]:
        found: QuerySet[ClosedOrg] = super().get_queryset(request).exclude(closed=None)
        return found

    @admin.action(description="Open again: its admins can log in")
    def open_orgs(self, request: HttpRequest, chosen: QuerySet[ClosedOrg]) -> None:
        for org in list(chosen):
            with within(org.pk):
                admins = open_again(org)
            self.message_user(request, f"{org.name} is open again: {admins} admins can log in.")
