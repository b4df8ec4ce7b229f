"""One's own personal tokens: making one, which is shown once, and ending it."""

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from django import forms
from django.utils import timezone

from accounts import tokens
from accounts.models import PersonalToken
from accounts.pages.profile import ProfileView
from accounts.pages.settings import Done, RowForm, row_of
from orgs.services import revoke

SCOPES: Final = [
    ("read", "Read: see what you may see"),
    ("write", "Write: change what you may change"),
    ("admin", "Administer: what only an admin may do"),
]
LIVES: Final = {"7": "a week", "30": "30 days", "90": "90 days", "365": "a year", "": "until it is revoked"}
SHOWN: Final = 100


class TokenForm(forms.Form):
    name = forms.CharField(label="Name", max_length=200, help_text="What it is for, such as my laptop.")
    scopes = forms.MultipleChoiceField(label="It may", choices=SCOPES, widget=forms.CheckboxSelectMultiple)
    expires_in_days = forms.ChoiceField(label="It lives", choices=list(LIVES.items()), required=False)
    sources = forms.CharField(
        label="Networks that it may come from",
        required=False,
        max_length=2000,
        help_text="Such as 10.0.0.0/8, with commas between. None: anywhere.",
    )

    def clean_sources(self) -> list[str]:
        return [part for part in self.cleaned_data["sources"].replace(",", " ").split() if part]


class Tokens(ProfileView):
    """Programs that act as the person, and no longer than the person lets them."""

    title, part, place, operation = "Tokens", "accounts/_tokens.html", "profile-tokens", "token.read"
    changes: ClassVar = {"make": "token.manage", "revoke": "token.manage"}
    form_classes: ClassVar = {"make": TokenForm, "revoke": RowForm}

    def initial(self, do: str) -> Mapping[str, Any]:
        return {"scopes": ["read", "write"], "expires_in_days": "90"} if do == "make" else {}

    def context(self) -> Mapping[str, Any]:
        now, mine = timezone.now(), PersonalToken.objects.filter(user=self.person)[: SHOWN + 1]
        rows = sorted(mine, key=lambda token: not token.is_live(now))
        return {"tokens": [(token, token.status(now)) for token in rows[:SHOWN]], "has_more": len(rows) > SHOWN}

    def make(self, said: Mapping[str, Any]) -> Done:
        days = int(said["expires_in_days"]) if said["expires_in_days"] else None
        wanted = {"name": said["name"], "scopes": said["scopes"], "sources": said["sources"], "expires_in_days": days}
        secret = tokens.create_personal_token(self.person, **wanted)[1]
        return Done(f"The token {said['name']} is made.", secret, "The token")

    def revoke(self, said: Mapping[str, Any]) -> Done:
        token = row_of(PersonalToken.objects.filter(user=self.person), said, gone="This token is gone already.")
        revoke(token, actor_id=self.person.pk)
        return Done(f"The token {token.name} is revoked. Whoever used it gets 401 from now on.")
