"""Where alerts can go: Slack and Teams channels, by their webhooks or by a Slack app; and what became of what was sent."""

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from django import forms
from django.conf import settings
from django.db.models import QuerySet
from django.utils import timezone

from accounts.pages.settings import Done, RowForm, SettingsView, row_of
from orgs import channels
from orgs.delivery import outbox
from orgs.errors import FieldError, Invalid
from orgs.models import AdminAlert, Channel, Delivery, ServiceApp

DELIVERIES_SHOWN: Final = 20


class WebhookForm(forms.Form):
    service = forms.ChoiceField(label="Service", choices=Channel.Service)
    name = forms.CharField(label="Name", max_length=200, help_text="Of the channel, such as #ops.")
    url = forms.URLField(label="Webhook", max_length=2000, assume_scheme="https", help_text="A secret: kept sealed, never shown.")


class AppForm(forms.Form):
    slack_token = forms.CharField(label="Bot token", max_length=500, widget=forms.PasswordInput(attrs={"autocomplete": "off"}))


class Channels(SettingsView):
    title, part, place, operation = "Channels", "datastores/_channels.html", "settings-channels", "org.channels"
    changes: ClassVar = dict.fromkeys(
        ("connect", "connect_app", "refresh", "disconnect", "disconnect_app", "try_out", "again"), "org.administer"
    )
    form_classes: ClassVar = {
        "connect": WebhookForm, "connect_app": AppForm, "disconnect": RowForm, "try_out": RowForm, "again": RowForm,
    }  # fmt: skip

    def rows(self) -> QuerySet[Channel]:
        return Channel.objects.for_org(self.person.org_id)

    def deliveries(self) -> QuerySet[Delivery]:
        return Delivery.objects.for_org(self.person.org_id).order_by("-created", "-pk")

    def context(self) -> Mapping[str, Any]:
        routed = set(AdminAlert.objects.for_org(self.person.org_id).exclude(channel=None).values_list("channel", flat=True))
        recent = list(self.deliveries()[:DELIVERIES_SHOWN]) if self.may("connect") or self.person.is_demo else []
        return {
            "channels": [(channel, channel.pk in routed) for channel in self.rows()],
            "app": ServiceApp.objects.for_org(self.person.org_id).filter(service=Channel.Service.SLACK).first(),
            "deliveries": recent,
            "is_sending": any(one.status == Delivery.Status.WAITING and one.tries == 0 for one in recent),
            "has_sms": bool(settings.SMS_URL),
        }

    def connect(self, said: Mapping[str, Any]) -> Done:
        service = Channel.Service(said["service"])
        try:
            channel = channels.connect(self.person.org, service, name=said["name"], url=said["url"], actor_id=self.person.pk)
        except Invalid as exc:
            raise Invalid(exc.detail, errors=[beside_url(error) for error in exc.errors]) from exc
        return Done(f"{channel} was connected. Send a test to see whether it works.")

    def connect_app(self, said: Mapping[str, Any]) -> Done:
        found = channels.look_at_slack(said["slack_token"].strip())
        channels.connect_slack_app(self.person.org, found, actor_id=self.person.pk)
        return Done(f"The Slack app was connected; it lists {len(found.channels)} channels.")

    def refresh(self, said: Mapping[str, Any]) -> Done:
        channels.refresh_slack(self.person.org, now=timezone.now())
        return Done("These are the channels that Slack lists now.")

    def disconnect(self, said: Mapping[str, Any]) -> Done:
        channel = self.one(said)
        channels.disconnect(self.person.org, Channel.Service(channel.service), name=channel.name, actor_id=self.person.pk)
        return Done(f"{channel} was let go of.")

    def disconnect_app(self, said: Mapping[str, Any]) -> Done:
        channels.disconnect(self.person.org, Channel.Service.SLACK, actor_id=self.person.pk)
        return Done("Slack was let go of, with its channels.")

    def try_out(self, said: Mapping[str, Any]) -> Done:
        channel = self.one(said)
        text = f"{self.person} tries whether {self.person.org} reaches this channel. It does."
        outbox.to_channel(channel, title="A test from Plumbline", text=text, url=f"{settings.BASE_URL}{self.request.path}")
        return Done(f"A test is on its way to {channel}; what came of it stands below.")

    def again(self, said: Mapping[str, Any]) -> Done:
        ended = self.deliveries().exclude(status=Delivery.Status.WAITING)
        delivery = row_of(ended, said, gone="It is gone, or still being sent.")
        outbox.again(delivery, actor_id=self.person.pk)
        return Done(f"It is on its way to {delivery.to} once more.")

    def one(self, said: Mapping[str, Any]) -> Channel:
        return row_of(self.rows(), said, gone="This channel was let go of meanwhile.")


def beside_url(error: FieldError) -> FieldError:
    """The reason of a refusal, at the one field that the form has for an address."""
    return FieldError(("url",), error.code, error.msg)
