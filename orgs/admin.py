"""The operators' admin of orgs and their secrets, and the bases that every app's admin shares."""

import re
from collections.abc import Mapping
from contextlib import suppress
from functools import cached_property
from typing import Any, ClassVar, Final, cast

from django.contrib import admin
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.db.models import Q, QuerySet
from django.forms import BaseInlineFormSet, ModelForm
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from unfold.admin import ModelAdmin

from orgs.errors import Invalid
from orgs.models import (
    AdminAlert,
    Channel,
    Delivery,
    Event,
    IdempotentAnswer,
    IngestKey,
    Org,
    OrgToken,
    PublicKey,
    RefusedSeries,
    ServiceApp,
    StoredSecret,
)
from orgs.services import NEW_SECRETS, revoke, rotate, store_secret, tell_change
from orgs.sources import checked_sources

COUNTED: Final = 10_000
AN_ID: Final = re.compile(r"[0-9]+|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
NAMED: Final = 1_000  # people or series that a search finds by name


class CappedPaginator(Paginator):
    """Counts so far and no further, and says so: behind that, people search instead of leafing."""

    template_name = "admin/capped_pages.html"

    @cached_property
    def _counted(self) -> int:
        rows = cast("QuerySet[Any]", self.object_list)
        return rows.order_by()[: COUNTED + 1].count()

    @property
    def count(self) -> int:
        return min(self._counted, COUNTED)

    @property
    def is_capped(self) -> bool:
        return self._counted > COUNTED


class PlumblineAdmin(ModelAdmin):
    """Lists that stay quick on big tables: no count of everything, one query for what a row names."""

    list_per_page = 50
    paginator: type[Paginator] = CappedPaginator
    show_full_result_count = False
    list_filter_submit = True
    compressed_fields = True
    warn_unsaved_form = True

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str] | tuple[str, ...]:
        """Whose a thing is cannot change: what hangs on it would stay behind, in another org than it."""
        fields = tuple(super().get_readonly_fields(request, obj))
        return (*fields, "org") if obj is not None and "org" in self.autocomplete_fields else fields

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Where nothing is left out, the header offers nothing more; the count stands below the list."""
        shown = super().get_changelist_instance(request)
        if not (shown.query or shown.has_active_filters):
            shown.full_result_count = shown.result_count
        return shown


class WithOrgRows(PlumblineAdmin):
    """Rows that are edited inside another's page belong to that page's org."""

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:  # noqa: FBT001
        for row in formset.save(commit=False):
            row.org_id = form.instance.org_id
            row.save()
        for row in formset.deleted_objects:
            row.delete()


class SameOrgFormSet(BaseInlineFormSet):
    """Rows inside another's page that name only things of its org."""

    def clean(self) -> None:
        super().clean()
        for form in self.forms:
            named = (value for value in getattr(form, "cleaned_data", {}).values() if hasattr(value, "org_id"))
            if any(value.org_id != self.instance.org_id for value in named):
                form.add_error(None, "That belongs to another org.")


class ReadOnlyAdmin(PlumblineAdmin):
    """What the product writes and nobody may alter."""

    warn_unsaved_form = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class EndlessAdmin(ReadOnlyAdmin):
    """What is written without an end, read backwards from the newest: no index has another order of all orgs' rows.

    Its filters may ask for nothing that has to look at all rows: of which orgs there are any, which values there are, how many of each.
    Nothing is joined: under row-level security the planner takes an org for one with few rows, and would sort those of all. What a line
    names is fetched beside it (`list_prefetch_related`). What rows refer to is searched first, by relation and column (`search_beside`).
    """

    ordering = ("-pk",)
    sortable_by = ()
    list_select_related = ()
    list_disable_select_all = True
    show_facets = admin.ShowFacets.NEVER
    list_prefetch_related: ClassVar[tuple[str, ...]] = ("org",)
    search_beside: ClassVar[Mapping[str, str]] = {}

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows: QuerySet[Any] = super().get_queryset(request)
        return rows.prefetch_related(*self.list_prefetch_related)

    def get_search_results(self, request: HttpRequest, queryset: QuerySet[Any], search_term: str) -> tuple[QuerySet[Any], bool]:
        """A number or UUID is one of the ids that are searched, so that their indexes serve; other texts are parts of what is searched."""
        text = search_term.strip()
        if not text:
            return queryset, False
        found = self._exactly(text)
        if not (found and AN_ID.fullmatch(text)):
            found |= self._partly(text)
        return (queryset.filter(found) if found else queryset.none()), False

    def _exactly(self, text: str) -> Q:
        found = Q()
        for name in (name[1:] for name in self.search_fields if name.startswith("=")):
            field: Any = self.model._meta.get_field(name.split("__")[0])
            with suppress(ValidationError):
                found |= Q(**{name: (field.target_field if field.is_relation else field).clean(text, None)})
        return found

    def _partly(self, text: str) -> Q:
        found = Q()
        for name in (name for name in self.search_fields if not name.startswith("=")):
            found |= Q(**{f"{name}__icontains": text})
        for relation, column in self.search_beside.items():
            field: Any = self.model._meta.get_field(relation)
            there = field.related_model._default_manager.filter(**{f"{column}__icontains": text})
            found |= Q(**{f"{relation}__in": list(there.values_list("pk", flat=True)[:NAMED])})
        return found


class KnownFilter(admin.SimpleListFilter):
    """One of the values that are known to be there, without a look for them. `parameter_name` is the column."""

    known: ClassVar[tuple[str, ...]]

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(value, value) for value in self.known]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(**{str(self.parameter_name): self.value()}) if self.value() in self.known else queryset


class SecretForm(ModelForm):
    """What an operator says of a secret; it may be bound to networks only."""

    def clean_sources(self) -> list[str]:
        try:
            return checked_sources(self.cleaned_data["sources"] or ())
        except Invalid as refusal:
            raise ValidationError([error.msg for error in refusal.errors], code="invalid_network") from refusal


class StoredSecretAdmin(PlumblineAdmin):
    """Secrets by name and prefix. A new one is shown once, on the page after it was made; the org's feed hears of all that is done."""

    form = SecretForm
    list_display: ClassVar[tuple[str, ...]] = ("name", "org", "prefix", "is_live", "last_used", "expires", "created")
    list_filter: ClassVar[tuple[Any, ...]] = (("org", admin.RelatedOnlyFieldListFilter), "expires", "revoked")
    list_select_related: ClassVar[tuple[str, ...]] = ("org",)
    search_fields: ClassVar[tuple[str, ...]] = ("name", "prefix", "org__name")
    autocomplete_fields: ClassVar[tuple[str, ...]] = ("org",)
    readonly_fields: ClassVar[tuple[str, ...]] = ("prefix", "created", "last_used", "revoked")
    date_hierarchy = "created"
    actions: ClassVar[tuple[str, ...]] = ("rotate_secrets", "revoke_secrets")

    @admin.display(boolean=True, description="live")
    def is_live(self, secret: StoredSecret) -> bool:
        return secret.is_live(timezone.now())

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Whose a secret is cannot change: it would hand over what it opens."""
        return (*self.readonly_fields, *self.autocomplete_fields) if obj else self.readonly_fields

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Revoked, never deleted: the list says what there once was."""
        return False

    def save_model(self, request: HttpRequest, obj: StoredSecret, form: "ModelForm[Any]", change: bool) -> None:  # noqa: FBT001
        if change:
            before = type(obj)._default_manager.get(pk=obj.pk)
            super().save_model(request, obj, form, change)
            # The form takes every list that it is sent for another.
            changed = [name for name in form.changed_data if getattr(before, name) != getattr(obj, name)]
            tell_change(obj, changed, actor_id=request.user.pk)
        else:
            said = str(obj._meta.verbose_name).capitalize()
            _, obj.plain = store_secret(obj, NEW_SECRETS[type(obj)](), said=said, actor_id=request.user.pk)  # type: ignore[attr-defined]  # for the next page only

    def response_add(self, request: HttpRequest, obj: StoredSecret, post_url_continue: str | None = None) -> HttpResponse:
        return self.shown_once(request, [(obj, obj.plain)])  # type: ignore[attr-defined]  # set where it was made

    def shown_once(self, request: HttpRequest, made: list[tuple[StoredSecret, str]]) -> HttpResponse:
        """The only page that ever holds these secrets; kept by no session, and by no cache, like every page of the admin."""
        context = self.admin_site.each_context(request) | {"title": "Shown once", "opts": self.opts, "made": made}
        return TemplateResponse(request, "admin/shown_once.html", context)

    @admin.action(description="Rotate: make a successor, end the old one in 24 hours", permissions=["change"])
    def rotate_secrets(self, request: HttpRequest, chosen: QuerySet[StoredSecret]) -> HttpResponse:
        now = timezone.now()
        return self.shown_once(request, [rotate(secret, actor_id=request.user.pk) for secret in chosen if secret.is_live(now)])

    @admin.action(description="Revoke now", permissions=["change"])
    def revoke_secrets(self, request: HttpRequest, chosen: QuerySet[StoredSecret]) -> None:
        for secret in chosen:
            revoke(secret, actor_id=request.user.pk)
        self.message_user(request, f"{len(chosen)} revoked.")


@admin.register(Org)
class OrgAdmin(PlumblineAdmin):
    list_display = ("name", "slug", "plan", "metric_limit", "retention_days", "timezone", "created")
    list_filter = ("plan", "retention_days")
    search_fields = ("name", "slug")
    readonly_fields = ("created",)
    date_hierarchy = "created"

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """An org goes with everything it has; that is no click in a list."""
        return False

    def has_add_permission(self, request: HttpRequest) -> bool:
        """`datastores.services.create_org` makes one with what it needs to live."""
        return False


@admin.register(OrgToken)
class OrgTokenAdmin(StoredSecretAdmin):
    fields = ("org", "name", "prefix", "sources", "expires", "revoked", "last_used", "created")


@admin.register(IngestKey)
class IngestKeyAdmin(StoredSecretAdmin):
    fields = ("datastore", "name", "rule", "prefix", "sources", "expires", "revoked", "last_used", "created")
    list_display = ("name", "org", "datastore", "rule", "prefix", "is_live", "last_used", "expires", "created")
    list_select_related = ("org", "datastore")
    autocomplete_fields = ("datastore",)

    def save_model(self, request: HttpRequest, obj: StoredSecret, form: "ModelForm[Any]", change: bool) -> None:  # noqa: FBT001
        if isinstance(obj, IngestKey):
            obj.org_id = obj.datastore.org_id
        super().save_model(request, obj, form, change)


@admin.register(Event)
class EventAdmin(ReadOnlyAdmin):
    list_display = ("name", "type", "org", "user", "timestamp")
    list_filter = ("type", ("org", admin.RelatedOnlyFieldListFilter))
    list_select_related = ("org", "user")
    search_fields = ("name", "org__name", "user__name")
    date_hierarchy = "timestamp"


@admin.register(RefusedSeries)
class RefusedSeriesAdmin(ReadOnlyAdmin):
    list_display = ("org", "day", "refused", "example")
    list_filter = (("org", admin.RelatedOnlyFieldListFilter),)
    list_select_related = ("org",)
    search_fields = ("org__name", "example")
    date_hierarchy = "day"


@admin.register(IdempotentAnswer)
class IdempotentAnswerAdmin(ReadOnlyAdmin):
    """What was answered is not shown: an answer may have held a new token."""

    fields = ("org", "caller", "key", "status", "created")
    list_display = ("key", "org", "caller", "status", "created")
    list_filter = ("status",)
    list_select_related = ("org",)
    search_fields = ("key", "caller")
    date_hierarchy = "created"


@admin.register(Channel)
class ChannelAdmin(ReadOnlyAdmin):
    """Where alerts can go. The address is sealed and never shown."""

    list_display = ("name", "service", "org", "created")
    list_filter = ("service", ("org", admin.RelatedOnlyFieldListFilter))
    list_select_related = ("org",)
    search_fields = ("name", "org__name")
    date_hierarchy = "created"
    exclude = ("sealed_url",)


@admin.register(AdminAlert)
class AdminAlertAdmin(ReadOnlyAdmin):
    """Trouble with orgs' data: what goes on, and since when it has been told."""

    list_display = ("org", "kind", "is_enabled", "wait_s", "since", "told")
    list_filter = ("kind", "is_enabled", ("since", admin.EmptyFieldListFilter))
    list_select_related = ("org", "channel")
    search_fields = ("org__name",)


@admin.register(ServiceApp)
class ServiceAppAdmin(ReadOnlyAdmin):
    """Apps by whose tokens channels are listed and written to. The token is sealed and never shown."""

    list_display = ("service", "workspace", "org", "listed", "created")
    list_filter = ("service", ("org", admin.RelatedOnlyFieldListFilter))
    list_select_related = ("org",)
    search_fields = ("workspace", "org__name")
    date_hierarchy = "created"
    exclude = ("sealed_token",)


@admin.register(Delivery)
class DeliveryAdmin(ReadOnlyAdmin):
    """Messages to channels and telephones, and what became of each."""

    list_display = ("title", "method", "to", "org", "status", "tries", "answer", "created", "ended")
    list_filter = ("status", "method", ("org", admin.RelatedOnlyFieldListFilter))
    list_select_related = ("org",)
    search_fields = ("title", "to", "org__name")
    date_hierarchy = "created"


@admin.register(PublicKey)
class PublicKeyAdmin(ReadOnlyAdmin):
    """Keys of web pages. They are made in the settings of their org, which also show their snippet."""

    list_display = ("name", "org", "datastore", "prefix", "namespace", "origins", "series_limit", "per_minute", "last_used", "revoked")
    list_filter = (("org", admin.RelatedOnlyFieldListFilter), "revoked")
    list_select_related = ("org", "datastore")
    search_fields = ("name", "prefix", "namespace", "org__name")
    date_hierarchy = "created"
    exclude = ("sealed",)
