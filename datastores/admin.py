"""The operators' admin of datastores, levels and long work."""

from django.contrib import admin
from unfold.admin import TabularInline

from datastores.models import AuditEntry, Container, Datastore, Operation, TeamAccess
from orgs.admin import ReadOnlyAdmin, SameOrgFormSet, WithOrgRows


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
class AuditEntryAdmin(ReadOnlyAdmin):
    list_display = ("created", "org", "user_email", "action", "resource_type", "resource_id", "masked_field_names", "ip_address")
    list_filter = ("action", "resource_type", ("org", admin.RelatedOnlyFieldListFilter))
    list_select_related = ("org",)
    search_fields = ("user_email", "=resource_id", "=ip_address")
    date_hierarchy = "created"
