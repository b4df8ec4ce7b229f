"""The operators' admin of people, teams and personal tokens."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.models import LogEntry
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from unfold.admin import TabularInline
from unfold.decorators import action
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from accounts import impersonation, passwords, people, second_factors
from accounts.models import (
    Authenticator,
    Impersonation,
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
from orgs.errors import Conflict, DomainError

admin.site.unregister(Group)  # rights come from roles and team levels, not from Django's groups


class MembershipInline(TabularInline):
    model = TeamMember
    hide_title = True
    formset = SameOrgFormSet
    fields = ("team",)
    autocomplete_fields = ("team",)
    extra = 0


class MemberInline(TabularInline):
    model = TeamMember
    hide_title = True
    formset = SameOrgFormSet
    fields = ("user",)
    autocomplete_fields = ("user",)
    extra = 0


class PersonForm(UserChangeForm):
    """What an operator changes of a person; an org keeps an admin."""

    def clean(self) -> dict[str, Any]:
        said: dict[str, Any] = super().clean()
        fields = ("role", "is_active", "is_demo", "is_service")
        if not self.errors and people.would_leave_no_admin(self.instance.pk, **{name: said[name] for name in fields if name in said}):
            raise forms.ValidationError("This is the last admin of the org. Make somebody else an admin first.", code="last_admin")
        return said


class PasswordForm(AdminPasswordChangeForm):
    """A new password, as if the person had set it: every session ends, every client is new, and they are told."""

    def save(self, commit: bool = True) -> Any:  # noqa: FBT001, FBT002 - Django's own
        passwords.set_password(self.user, self.cleaned_data["password1"], forget_clients=True)
        return self.user


class ReasonForm(forms.Form):
    reason = forms.CharField(label="Why", max_length=500, widget=forms.Textarea(attrs={"rows": 3}))


@admin.register(User)
class UserAdmin(DjangoUserAdmin, WithOrgRows):
    """People. The password is set on a page of its own; not even its hash is shown. An operator may act as a person, who is no operator."""

    form = PersonForm
    add_form = UserCreationForm
    change_password_form = PasswordForm
    actions = ("log_out", "turn_off_second_factors")
    actions_detail = ("act_as",)

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

    def get_actions(self, request: HttpRequest) -> Any:
        """People are erased one by one, so that what stands in the way can be said."""
        return {name: found for name, found in super().get_actions(request).items() if name != "delete_selected"}

    def delete_model(self, request: HttpRequest, obj: User) -> None:
        people.remove_user(obj, actor_id=request.user.pk)

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        try:
            return super().delete_view(request, object_id, extra_context)
        except Conflict as refusal:
            messages.error(request, refusal.detail)
            return redirect("admin:accounts_user_change", object_id)

    @admin.action(description="Log out everywhere", permissions=["change"])
    def log_out(self, request: HttpRequest, chosen: QuerySet[User]) -> None:
        for person in chosen:
            person.sessions.all().delete()
            self.log_change(request, person, "Logged out everywhere.")
        self.message_user(request, f"{len(chosen)} logged out everywhere.")

    @admin.action(description="Turn off authenticator app and passkeys, for who has lost them", permissions=["change"])
    def turn_off_second_factors(self, request: HttpRequest, chosen: QuerySet[User]) -> None:
        for person in chosen:
            second_factors.turn_off_all(person)
            self.log_change(request, person, "Authenticator app and passkeys turned off.")
        self.message_user(request, f"{len(chosen)} changed. Each has been told by mail.")

    def has_impersonate_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        return request.user.has_perm("accounts.impersonate_user")

    @action(description="Act as this person", url_path="act-as", permissions=["impersonate"])  # type: ignore[untyped-decorator]  # unfold has no types
    def act_as(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Asks why, then makes the session the person's; the banner on every page ends it."""
        person, form = get_object_or_404(User.objects.select_related("org"), pk=object_id), ReasonForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            try:
                impersonation.begin(request, request.user, person, reason=form.cleaned_data["reason"], now=timezone.now())  # type: ignore[arg-type]  # operators are Users
                return HttpResponseRedirect(reverse("overview"))
            except DomainError as refusal:
                form.add_error("reason", refusal.detail)
        about = {"title": f"Act as {person.name}", "person": person, "form": form, "opts": self.opts}
        return TemplateResponse(request, "admin/act_as.html", self.admin_site.each_context(request) | about)


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
    """Looked at, narrowed and revoked. None is made here: its secret would let an operator act as its person, with no record of it."""

    actions = ("revoke_secrets",)
    fields = ("user", "name", "scopes", "prefix", "sources", "expires", "revoked", "last_used", "created")
    list_display = ("name", "user", "org", "scopes", "prefix", "is_live", "last_used", "expires", "created")
    list_select_related = ("org", "user")
    search_fields = ("name", "prefix", "user__email", "org__name")
    autocomplete_fields = ("user",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False


@admin.register(Impersonation)
class ImpersonationAdmin(ReadOnlyAdmin):
    """Who has acted as whom, and why. The database lets nobody alter or delete it."""

    list_display = ("created", "operator_email", "action", "user_email", "org", "reason", "address")
    list_filter = ("action", ("org", admin.RelatedOnlyFieldListFilter))
    list_select_related = ("org",)
    search_fields = ("operator_email", "user_email", "reason", "org__name", "request_id")
    date_hierarchy = "created"


@admin.register(LogEntry)
class LogEntryAdmin(ReadOnlyAdmin):
    """What operators have changed in this admin."""

    list_display = ("action_time", "user", "action_flag", "content_type", "object_repr", "change_message")
    list_filter = ("action_flag", "content_type")
    list_select_related = ("user", "content_type")
    search_fields = ("object_repr", "change_message", "user__email")
    date_hierarchy = "action_time"


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
