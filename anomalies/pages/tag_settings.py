"""The org's tags: what each weighs and looks like; made, changed and deleted."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any, ClassVar

from django import forms
from django.db import transaction

from accounts.pages.settings import DEMO, Done, RowForm, SettingsView, numbered_page, row_of
from anomalies.models import Tag
from anomalies.models.tags import validate_tag_name
from anomalies.services.tags import change_tag, create_tag, delete_tag
from datastores.levels import may_at_all


class TagForm(forms.Form):
    name = forms.CharField(label="Name", max_length=100, validators=[validate_tag_name])
    weight_modifier = forms.IntegerField(
        label="Weight", min_value=-10, max_value=10, initial=0, help_text="What it adds to the weight of an anomaly, -10 to 10."
    )
    category = forms.CharField(label="Category", max_length=100, required=False, help_text="A word that groups tags, such as urgency.")
    description = forms.CharField(label="Description", max_length=500, required=False)
    color = forms.RegexField("^#[0-9a-fA-F]{6}$", label="Colour", initial="#0b7a75", widget=forms.TextInput(attrs={"type": "color"}))


class TagChangeForm(RowForm, TagForm):
    pass


class Tags(SettingsView):
    title, part, place, operation = "Tags", "anomalies/_tag_settings.html", "settings-tags", "tag.read"
    changes: ClassVar = dict.fromkeys(("make", "change", "remove"), "tag.manage")
    form_classes: ClassVar = {"make": TagForm, "change": TagChangeForm, "remove": RowForm}
    nobody = "Managers, Admins and whoever is Editor of a datastore can change this."

    @cached_property
    def is_keeper(self) -> bool:
        return may_at_all(self.person, "tag.manage")

    def may(self, do: str) -> bool:
        return self.is_keeper

    def why_not(self) -> str:
        if self.is_keeper:
            return ""
        return DEMO if self.person.is_demo else self.nobody

    def context(self) -> Mapping[str, Any]:
        search = self.request.GET.get("search", "").strip().replace("\0", "")
        found = Tag.objects.visible_to(self.person).order_by("name", "pk")
        return {"search": search, "page": numbered_page(found.filter(name__icontains=search) if search else found, self.request.GET)}

    def make(self, said: Mapping[str, Any]) -> Done:
        tag = create_tag(self.person.org_id, **said)
        return Done(f"The tag {tag.name} was made.")

    @transaction.atomic
    def change(self, said: Mapping[str, Any]) -> Done:
        tag = change_tag(self.one(said), user=self.person, **{name: value for name, value in said.items() if name != "id"})
        return Done(f"{tag.name} was saved.")

    @transaction.atomic
    def remove(self, said: Mapping[str, Any]) -> Done:
        tag = self.one(said)
        delete_tag(tag, user=self.person)
        return Done(f"{tag.name} was deleted, and taken off what carried it.")

    def one(self, said: Mapping[str, Any]) -> Tag:
        return row_of(Tag.objects.visible_to(self.person), said, gone="This tag was deleted meanwhile.")
