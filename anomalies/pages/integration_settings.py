"""The ticketing systems of the org, from which tickets are linked to anomalies."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django import forms
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Count, QuerySet

from accounts.pages.settings import Done, RowForm, SettingsView, row_of
from anomalies.models import Integration
from anomalies.services.tickets import change_integration, create_integration, delete_integration
from config.api.fields import WebAddressField, is_web_address


def validate_address(text: str) -> None:
    """As the API does: a host of one word, as inside a company's network, is one too."""
    if not is_web_address(text):
        raise ValidationError(WebAddressField.default_error_messages["no_address"], code="no_address")


class IntegrationForm(forms.Form):
    type = forms.ChoiceField(label="System", choices=Integration.Type)
    name = forms.CharField(label="Name", max_length=200, help_text="What people call it, such as ServiceNow (EMEA).")
    url = forms.CharField(
        label="Address", max_length=2000, validators=[validate_address], widget=forms.URLInput,
        help_text="Where people find it, such as https://example.atlassian.net.",
    )  # fmt: skip


class IntegrationChangeForm(RowForm, IntegrationForm):
    pass


class Integrations(SettingsView):
    title, part, place, operation = "Integrations", "anomalies/_integration_settings.html", "settings-integrations", "integration.read"
    changes: ClassVar = dict.fromkeys(("make", "change", "remove"), "integration.manage")
    form_classes: ClassVar = {"make": IntegrationForm, "change": IntegrationChangeForm, "remove": RowForm}

    def rows(self) -> QuerySet[Integration]:
        return Integration.objects.visible_to(self.person)

    def context(self) -> Mapping[str, Any]:
        rows = self.rows().annotate(links=Count("ticket_links")).order_by("name", "pk")
        return {"integrations": rows, "types": Integration.Type.choices}

    def make(self, said: Mapping[str, Any]) -> Done:
        made = create_integration(self.person.org_id, **said)
        return Done(f"{made.name} was made. Tickets can be linked from the page of each anomaly.")

    @transaction.atomic
    def change(self, said: Mapping[str, Any]) -> Done:
        changed = change_integration(self.one(said), name=said["name"], type=said["type"], url=said["url"])
        return Done(f"{changed.name} was saved.")

    @transaction.atomic
    def remove(self, said: Mapping[str, Any]) -> Done:
        integration = self.one(said)
        delete_integration(integration, user=self.person)
        return Done(f"{integration.name} was deleted, with its links. The tickets themselves are untouched.")

    def one(self, said: Mapping[str, Any]) -> Integration:
        return row_of(self.rows().select_for_update(), said, gone="This integration was deleted meanwhile.")
