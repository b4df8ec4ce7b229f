"""Who is in the org: people and their roles, and invitations."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final

from django import forms
from django.db.models import Count, OuterRef, Q, QuerySet, Subquery
from django.utils import timezone

from accounts import people
from accounts.invitations import invite, invite_again
from accounts.letters import LIFE
from accounts.models import Letter, Role, User
from accounts.pages.settings import Done, RowForm, SettingsView, numbered_page, row_of

ROLES: Final = tuple((role.value, role.label) for role in Role)
ROLE_WORDS: Final = (
    ("Member", "works with anomalies where a team gives a level on the datastore"),
    ("Manager", "as well sees people and teams, gives levels where they are an editor, and makes ingest keys"),
    ("Admin", "may do everything in the org, on every datastore"),
)
INVITED: Final[timedelta] = LIFE[Letter.Kind.INVITE]


class InviteForm(forms.Form):
    add = forms.EmailField(label="E-mail", max_length=254)
    name = forms.CharField(label="Name", max_length=200, required=False)
    role = forms.ChoiceField(label="Role", choices=ROLES)


class RoleForm(RowForm):
    role = forms.ChoiceField(choices=ROLES)


def members_of(org_id: int, *, search: str) -> QuerySet[User]:
    """People by name, with `teams_count` and `invited_at`, when they were last mailed an invitation."""
    invited = Letter.objects.filter(user=OuterRef("pk"), kind=Letter.Kind.INVITE).order_by("-created").values("created")[:1]
    found = User.objects.for_org(org_id).people().annotate(teams_count=Count("teams"), invited_at=Subquery(invited))
    if search:
        found = found.filter(Q(name__icontains=search) | Q(email__icontains=search))
    ordered: QuerySet[User] = found.order_by("name", "pk")
    return ordered


class Members(SettingsView):
    title, part, place, operation = "Members", "datastores/_members.html", "settings-members", "user.read"
    changes: ClassVar = {
        "invite": "user.manage", "invite_again": "user.manage", "set_role": "user.manage",
        "close": "user.manage", "reopen": "user.manage", "remove": "user.manage",
    }  # fmt: skip
    form_classes: ClassVar = {
        "invite": InviteForm, "set_role": RoleForm, **dict.fromkeys(("invite_again", "close", "reopen", "remove"), RowForm),
    }  # fmt: skip

    def context(self) -> Mapping[str, Any]:
        search = self.request.GET.get("search", "").strip()[:200].replace("\x00", "")
        now = timezone.now()
        page = numbered_page(members_of(self.person.org_id, search=search), self.request.GET)
        rows = [(person, state_of(person, now)) for person in page.rows]
        return {"page": page, "rows": rows, "search": search, "roles": ROLES, "role_words": ROLE_WORDS}

    def invite(self, said: Mapping[str, Any]) -> Done:
        name = said["name"] or said["add"].partition("@")[0]
        person = invite(self.person, email=said["add"].lower(), name=name, role=Role(said["role"]))
        return Done(f"{person.email} was invited. The mail's link works for {INVITED.days} days.")

    def invite_again(self, said: Mapping[str, Any]) -> Done:
        person = self.member(said)
        invite_again(self.person, person, now=timezone.now())
        return Done(f"A new mail is on its way to {person.email}; the link of the former one has ended.")

    def set_role(self, said: Mapping[str, Any]) -> Done:
        person = people.change_user(self.member(said), actor_id=self.person.pk, role=said["role"])
        return Done(f"{person} is {'an' if person.is_admin else 'a'} {person.get_role_display().lower()} now.")

    def close(self, said: Mapping[str, Any]) -> Done:
        person = people.change_user(self.member(said), actor_id=self.person.pk, is_active=False)
        return Done(f"{person} cannot log in any more, and their tokens have ended.")

    def reopen(self, said: Mapping[str, Any]) -> Done:
        person = people.change_user(self.member(said), actor_id=self.person.pk, is_active=True)
        return Done(f"{person} can log in again.")

    def remove(self, said: Mapping[str, Any]) -> Done:
        person = self.member(said)
        people.remove_user(person, actor_id=self.person.pk)
        return Done(f"{person} was removed.")

    def member(self, said: Mapping[str, Any]) -> User:
        people_here: QuerySet[User] = User.objects.for_org(self.person.org_id).people()
        return row_of(people_here, said, gone="This person has left meanwhile.")


def state_of(person: User, now: datetime) -> str:
    """`active`, `closed`, `invited`, or `expired` for an invitation whose link works no more."""
    if not person.is_active:
        return "closed"
    if not person.is_invited:
        return "active"
    invited_at: datetime | None = getattr(person, "invited_at", None)
    return "invited" if invited_at is not None and invited_at > now - INVITED else "expired"
