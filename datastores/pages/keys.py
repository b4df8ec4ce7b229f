"""The keys and tokens by which machines speak for the org: made, shown once, rotated, revoked."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar, Final

from django import forms
from django.conf import settings
from django.db.models import QuerySet
from django.utils import timezone

from accounts.models import Level
from accounts.pages.settings import Done, RowForm, SettingsView, row_of
from accounts.permissions import has_role
from datastores.models import Datastore
from datastores.pages.organisation import LinesField
from orgs.errors import FieldError, Invalid
from orgs.models import IngestKey, OrgToken, PublicKey, StoredSecret
from orgs.services import (
    change_public_key,
    change_secret,
    create_ingest_key,
    create_org_token,
    create_public_key,
    expiry_of,
    public_key_of,
    revoke,
    rotate,
)

LIVES: Final = (("", "until it is revoked"), ("30", "30 days"), ("90", "90 days"), ("365", "a year"))
# How many that have ended are still shown.
ENDED_SHOWN: Final = 10


class SourcesField(LinesField):
    def __init__(self) -> None:
        super().__init__(label="Only from", required=False, help_text="Networks such as 10.0.0.0/8, one per line. None: from anywhere.")


class NewTokenForm(forms.Form):
    name = forms.CharField(label="Name", max_length=200, help_text="Who uses it, such as grafana.")
    lives = forms.ChoiceField(label="Lives", choices=LIVES, required=False)
    sources = SourcesField()


class DatastoreForm(forms.Form):
    datastore = forms.TypedChoiceField(label="Datastore", coerce=int)


class NewKeyForm(DatastoreForm, NewTokenForm):
    rule = forms.ChoiceField(label="Two points of one series at one time", choices=IngestKey.Rule, help_text="Sums are for what counts.")
    field_order = ("name", "datastore", "rule", "lives", "sources")


class NewPublicKeyForm(DatastoreForm):
    name = forms.CharField(label="Name", max_length=200, help_text="Of the site, such as shop.")
    origins = LinesField(label="Origins of its pages", help_text="Such as https://www.example.com or https://*.example.com, one per line.")
    namespace = forms.CharField(label="Series begin with", max_length=100, initial="web")
    series_limit = forms.IntegerField(label="Series at most", initial=100, min_value=1, max_value=10_000)
    per_minute = forms.IntegerField(label="Requests a minute at most", initial=600, min_value=1, max_value=100_000)
    field_order = ("name", "datastore", "origins", "namespace", "series_limit", "per_minute")


class SecretForm(RowForm):
    name = forms.CharField(label="Name", max_length=200)
    sources = SourcesField()


class PublicKeyForm(RowForm):
    name = forms.CharField(label="Name", max_length=200)
    origins = LinesField(label="Origins of its pages")
    series_limit = forms.IntegerField(label="Series at most", min_value=1, max_value=10_000)
    per_minute = forms.IntegerField(label="Requests a minute at most", min_value=1, max_value=100_000)


class Keys(SettingsView):
    """Ingest and public keys of the datastores on which the reader is an editor; org tokens for admins."""

    title, part, place, operation = "Keys and tokens", "datastores/_keys.html", "settings-keys", "ingest_key.read"
    changes: ClassVar = {
        **dict.fromkeys(("make_key", "change_key", "rotate_key", "revoke_key"), "ingest_key.manage"),
        **dict.fromkeys(("make_public", "change_public", "revoke_public"), "ingest_key.manage"),
        **dict.fromkeys(("make_token", "change_token", "rotate_token", "revoke_token"), "org_token.manage"),
    }
    form_classes: ClassVar = {
        "make_key": NewKeyForm, "change_key": SecretForm, "rotate_key": RowForm, "revoke_key": RowForm,
        "make_public": NewPublicKeyForm, "change_public": PublicKeyForm, "revoke_public": RowForm,
        "make_token": NewTokenForm, "change_token": SecretForm, "rotate_token": RowForm, "revoke_token": RowForm,
    }  # fmt: skip

    def form(self, do: str, data: Any = None) -> forms.Form:
        form = super().form(do, data)
        if isinstance(form, DatastoreForm):
            form.fields["datastore"].choices = [(one.pk, one.name) for one in self.editable()]  # type: ignore[attr-defined]
        return form

    def editable(self) -> QuerySet[Datastore]:
        return Datastore.objects.visible_to(self.person, level=Level.EDITOR).filter(type=Datastore.Type.METRICS)

    def ingest_keys(self) -> QuerySet[IngestKey]:
        return IngestKey.objects.for_org(self.person.org_id).filter(datastore__in=self.editable()).select_related("datastore")

    def public_keys(self) -> QuerySet[PublicKey]:
        return PublicKey.objects.for_org(self.person.org_id).filter(datastore__in=self.editable()).select_related("datastore")

    def tokens(self) -> QuerySet[OrgToken]:
        return OrgToken.objects.for_org(self.person.org_id)

    def context(self) -> Mapping[str, Any]:
        now, reads_tokens = timezone.now(), has_role(self.person, "org_token.read")
        return {
            "is_editor": self.editable().exists(),
            "ingest_keys": listed(self.ingest_keys(), now),
            "public_keys": [(key, snippet_of(key)) for key in listed(self.public_keys(), now)],
            "tokens": listed(self.tokens(), now) if reads_tokens else None,
            "now": now,
        }

    def make_key(self, said: Mapping[str, Any]) -> Done:
        key, secret = create_ingest_key(
            self.datastore(said["datastore"]), name=said["name"], rule=said["rule"], expires=expiry(said), sources=said["sources"],
            actor_id=self.person.pk,
        )  # fmt: skip
        return Done(f"The ingest key {key.name} was made.", secret, "An ingest key")

    def make_token(self, said: Mapping[str, Any]) -> Done:
        token, secret = create_org_token(
            self.person.org, name=said["name"], expires=expiry(said), sources=said["sources"], actor_id=self.person.pk
        )
        return Done(f"The org token {token.name} was made.", secret, "An org token")

    def make_public(self, said: Mapping[str, Any]) -> Done:
        bounds = {name: said[name] for name in ("name", "origins", "namespace", "series_limit", "per_minute")}
        key, _ = create_public_key(self.datastore(said["datastore"]), **bounds, actor_id=self.person.pk)
        return Done(f"The public key {key.name} was made. Its snippet stands below.")

    def change_public(self, said: Mapping[str, Any]) -> Done:
        bounds = {name: said[name] for name in ("name", "origins", "series_limit", "per_minute")}
        change_public_key(one_of(self.public_keys(), said), **bounds, actor_id=self.person.pk)
        return Done("Saved. It holds within a second.")

    def revoke_public(self, said: Mapping[str, Any]) -> Done:
        return revoked(one_of(self.public_keys(), said), self.person.pk)

    def change_key(self, said: Mapping[str, Any]) -> Done:
        return changed(one_of(self.ingest_keys(), said), said, self.person.pk)

    def rotate_key(self, said: Mapping[str, Any]) -> Done:
        return rotated(one_of(self.ingest_keys(), said), self.person.pk)

    def revoke_key(self, said: Mapping[str, Any]) -> Done:
        return revoked(one_of(self.ingest_keys(), said), self.person.pk)

    def change_token(self, said: Mapping[str, Any]) -> Done:
        return changed(one_of(self.tokens(), said), said, self.person.pk)

    def rotate_token(self, said: Mapping[str, Any]) -> Done:
        return rotated(one_of(self.tokens(), said), self.person.pk)

    def revoke_token(self, said: Mapping[str, Any]) -> Done:
        return revoked(one_of(self.tokens(), said), self.person.pk)

    def datastore(self, pk: int) -> Datastore:
        found = self.editable().filter(pk=pk).first()
        if found is None:
            raise Invalid("There is no such datastore.", errors=[FieldError(("datastore",), "not_found", "Choose another.")])
        return found


def listed(found: QuerySet[Any], now: datetime) -> list[Any]:
    """The live ones by name, then the last few that have ended."""
    live = list(found.live(now).order_by("name", "pk"))  # type: ignore[attr-defined]  # of keys and tokens, whose querysets have it
    ended = found.exclude(pk__in=[one.pk for one in live]).order_by("-created", "-pk")[:ENDED_SHOWN]
    return [*live, *ended]


def one_of(found: QuerySet[Any], said: Mapping[str, Any]) -> Any:
    return row_of(found, said, gone="It is gone meanwhile, or not yours to change.")


def expiry(said: Mapping[str, Any]) -> datetime | None:
    return expiry_of(int(said["lives"]) if said["lives"] else None)


def changed(secret: StoredSecret, said: Mapping[str, Any], actor_id: int) -> Done:
    change_secret(secret, name=said["name"], sources=said["sources"], actor_id=actor_id)
    return Done("Saved. It holds within a second.")


def rotated(secret: StoredSecret, actor_id: int) -> Done:
    _, plain = rotate(secret, actor_id=actor_id)
    return Done(f"{secret.name} has a successor. The former one ends in 24 hours.", plain, "The successor")


def revoked(secret: StoredSecret, actor_id: int) -> Done:
    revoke(secret, actor_id=actor_id)
    return Done(f"{secret.name} has ended.")


def snippet_of(key: PublicKey) -> str:
    """What a page needs to count with this key. The first part keeps what is counted before the script is there."""
    return SNIPPET.replace("{script}", f"{settings.BASE_URL}/js/eventsender?key={public_key_of(key)}")


SNIPPET: Final = """<script>
window.plumbline = window.plumbline || {q: []};
["increment", "gauge", "event"].forEach(function (m) {
  window.plumbline[m] = window.plumbline[m] || function () { window.plumbline.q.push([m].concat([].slice.call(arguments))); };
});
</script>
<script async src="{script}"></script>"""
