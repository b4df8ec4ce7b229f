"""The operators' admin of people, teams and personal tokens."""

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from django.http import HttpRequest
from unfold.admin import TabularInline
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from accounts.models import (
    Authenticator,
    KnownClient,
    Letter,
    Passkey,
    PersonalToken,
    RecoveryCode,
    Session,
    Team,
    TeamMember,
    User,
)
from orgs.admin import ReadOnlyAdmin, SameOrgFormSet, StoredSecretAdmin, WithOrgRows

admin.site.unregister(Group)  # rights come from roles and team levels, not from Django's groups


class MembershipInline(TabularInline):
    model = TeamMember
    formset = SameOrgFormSet
    fields = ("team",)
    autocomplete_fields = ("team",)
    extra = 0


class MemberInline(TabularInline):
    model = TeamMember
    formset = SameOrgFormSet
    fields = ("user",)
    autocomplete_fields = ("user",)
    extra = 0


@admin.register(User)
class UserAdmin(DjangoUserAdmin, WithOrgRows):
    """People. The password is set on a page of its own; not even its hash is shown."""

    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm

    list_display = ("email", "name", "org", "role", "is_demo", "is_service", "is_active", "is_staff", "last_login")
    list_filter = ("role", "is_active", "is_staff", "is_demo", "is_service", ("org", admin.RelatedOnlyFieldListFilter))
    list_select_related = ("org",)
    search_fields = ("email", "name", "org__name")
    ordering = ("email",)
    autocomplete_fields = ("org",)
    readonly_fields = ("created", "last_login")
    filter_horizontal = ()
    date_hierarchy = "created"
    inlines = (MembershipInline,)
    fieldsets = (
        (None, {"fields": ("org", "email", "name", "role")}),
        ("Preferences", {"fields": ("phone", "timezone", "theme")}),
        ("Access", {"fields": ("is_active", "is_staff", "is_superuser", "is_demo", "is_service", "last_login", "created")}),
    )
    add_fieldsets = ((None, {"classes": ("wide",), "fields": ("org", "email", "name", "role", "password1", "password2")}),)

    def get_inlines(self, request: HttpRequest, obj: Any) -> Any:
        return self.inlines if obj else ()


@admin.register(Team)
class TeamAdmin(WithOrgRows):
    list_display = ("name", "org", "is_public")
    list_filter = ("is_public", ("org", admin.RelatedOnlyFieldListFilter))
    list_select_related = ("org",)
    search_fields = ("name", "org__name")
    autocomplete_fields = ("org",)
    readonly_fields = ("is_public",)
    inlines = (MemberInline,)


@admin.register(TeamMember)
class TeamMemberAdmin(ReadOnlyAdmin):
    """Edited on the pages of the team and of the person."""

    list_display = ("user", "team", "org")
    list_filter = (("org", admin.RelatedOnlyFieldListFilter),)
    list_select_related = ("user", "team", "org")
    search_fields = ("user__email", "user__name", "team__name")


@admin.register(PersonalToken)
class PersonalTokenAdmin(StoredSecretAdmin):
    fields = ("user", "name", "scopes", "prefix", "sources", "expires", "revoked", "last_used", "created")
    list_display = ("name", "user", "org", "scopes", "prefix", "is_live", "last_used", "expires", "created")
    list_select_related = ("org", "user")
    search_fields = ("name", "prefix", "user__email", "org__name")
    autocomplete_fields = ("user",)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:  # noqa: FBT001
        obj.org_id = obj.user.org_id
        super().save_model(request, obj, form, change)


@admin.register(Session)
class SessionAdmin(ReadOnlyAdmin):
    """Who is logged in. Deleting one logs that client out."""

    list_display = ("user", "began", "seen", "address", "agent", "expire_date")
    list_select_related = ("user",)
    search_fields = ("user__email", "user__name", "address")
    date_hierarchy = "seen"
    exclude = ("session_key", "session_data")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return True


@admin.register(KnownClient)
class KnownClientAdmin(ReadOnlyAdmin):
    """Where people have proved the second factor. Deleting one makes that client new again."""

    list_display = ("user", "name", "org", "created", "last_used")
    list_filter = (("org", admin.RelatedOnlyFieldListFilter),)
    list_select_related = ("user", "org")
    search_fields = ("user__email", "user__name", "name")
    date_hierarchy = "last_used"
    exclude = ("digest",)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return True


@admin.register(Authenticator)
class AuthenticatorAdmin(ReadOnlyAdmin):
    """Whose authenticator app is on. The secret is sealed, and shown nowhere."""

    list_display = ("user", "org", "confirmed", "last_used", "created")
    list_filter = (("confirmed", admin.EmptyFieldListFilter), ("org", admin.RelatedOnlyFieldListFilter))
    list_select_related = ("user", "org")
    search_fields = ("user__email", "user__name")
    date_hierarchy = "created"


@admin.register(RecoveryCode)
class RecoveryCodeAdmin(ReadOnlyAdmin):
    list_display = ("user", "org", "created", "used")
    list_filter = (("used", admin.EmptyFieldListFilter), ("org", admin.RelatedOnlyFieldListFilter))
    list_select_related = ("user", "org")
    search_fields = ("user__email", "user__name")


@admin.register(Passkey)
class PasskeyAdmin(ReadOnlyAdmin):
    list_display = ("name", "user", "org", "created", "last_used")
    list_filter = (("org", admin.RelatedOnlyFieldListFilter),)
    list_select_related = ("user", "org")
    search_fields = ("name", "user__email", "user__name")
    date_hierarchy = "created"


@admin.register(Letter)
class LetterAdmin(ReadOnlyAdmin):
    """Mails that went out or wait, and what people reported. The secrets in them are nowhere but in the mails."""

    list_display = ("kind", "email", "org", "created", "sent", "tries", "used")
    list_filter = ("kind", ("sent", admin.EmptyFieldListFilter), ("org", admin.RelatedOnlyFieldListFilter))
    list_select_related = ("org", "user")
    search_fields = ("email", "user__name", "org__name")
    date_hierarchy = "created"
    exclude = ("digest", "code_digest")
