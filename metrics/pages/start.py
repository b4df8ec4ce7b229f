"""The way to the first point: what to write into which agent, a key for it, and a sign as soon as something arrives."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Final

from django import forms
from django.conf import settings
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from accounts.models import Level, User
from accounts.pages.readers import reader
from accounts.pages.settings import Done, SettingsView
from accounts.permissions import has_role
from datastores.models import Datastore
from metrics.agents import PLACEHOLDER, agents
from metrics.models import Metric
from metrics.points import NEWEST_LIVE
from orgs.errors import Conflict
from orgs.models import IngestKey, RefusedSeries
from orgs.services import create_ingest_key

# Seconds between two looks for the first point: whoever has just pasted a command waits for it, whoever has left does not.
WAITS_S: Final = (2, 2, 2, 3, 3, 5, 5, 8, 8, 13, 13, 21)
LONGEST_S: Final = 30
LATEST: Final = 4_102_444_800  # 2100


@dataclass(frozen=True)
class Arrival:
    """What has come since the page was opened or the key was made: nothing yet, or a point, of a new series if there is one."""

    has_come: bool
    metric: Metric | None = None
    refused: str = ""
    is_used: bool = False


class AgentForm(forms.Form):
    agent = forms.CharField(max_length=32, required=False)


class Start(SettingsView):
    title, place, operation = "Send your first point", "start", "overview.read"
    frame, body, part = "metrics/start.html", "metrics/_start.html", ""
    changes: ClassVar = {"make_key": "ingest_key.manage"}
    form_classes: ClassVar = {"make_key": AgentForm}
    key: IngestKey | None = None
    secret: str = PLACEHOLDER

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        note_introduced(self.person)
        return super().get(request, *args, **kwargs)

    def context(self) -> Mapping[str, Any]:
        found = agents(settings.BASE_URL, self.secret)
        asked = self.request.POST.get("agent") or self.request.GET.get("agent")
        since = int((self.key.created if self.key else timezone.now()).timestamp())
        return {
            "agents": found, "chosen": next((one for one in found if one.code == asked), found[0]), "is_filled": self.secret != PLACEHOLDER,
            "datastore": self.datastore(), "key": self.key, "since": since, "wait": WAITS_S[0],
            "has_metrics": Metric.objects.visible_to(self.person).exists(),
        }  # fmt: skip

    def datastore(self) -> Datastore | None:
        """Where the points of a new key go: the first datastore for metrics on which the reader is an editor."""
        mine = Datastore.objects.visible_to(self.person, level=Level.EDITOR).filter(type=Datastore.Type.METRICS)
        return mine.order_by("pk").first()

    def make_key(self, said: Mapping[str, Any]) -> Done:
        datastore = self.datastore()
        if datastore is None:
            raise Conflict("An ingest key needs the level editor on a datastore. Ask an admin for it, or for a key.")
        name = f"{said['agent'] or 'agent'}, set up by {self.person.name}"[:200]
        self.key, self.secret = create_ingest_key(datastore, name=name, actor_id=self.person.pk)
        return Done("The key stands in the configuration below.", self.secret, "An ingest key")


def note_introduced(person: User) -> None:
    """A newcomer is brought here once, by the overview."""
    if not person.is_demo and not person.onboarding_flags.get("main_intro"):
        person.onboarding_flags = {**person.onboarding_flags, "main_intro": True}
        person.save(update_fields=["onboarding_flags"])


def is_new_here(person: User) -> bool:
    """Whether the person has not been shown how to send, although the org has nothing and the person could make a key."""
    return not person.is_demo and has_role(person, "ingest_key.manage") and not person.onboarding_flags.get("main_intro")


@require_GET
def tick(request: HttpRequest) -> HttpResponse:
    """Whether a point has come: since the key `key` was made, else since `since` (unix seconds). Asks again by itself, ever slower."""
    person = reader(request)
    turn = min(number_of(request, "turn", 0), len(WAITS_S))
    key = IngestKey.objects.for_org(person.org_id).filter(pk=number_of(request, "key", 0)).first()
    since = key.created if key else datetime.fromtimestamp(min(number_of(request, "since", 0), LATEST), UTC)
    arrival = arrived(person, key, since=since)
    wait = WAITS_S[turn] if turn < len(WAITS_S) else LONGEST_S
    context = {"arrival": arrival, "key": key, "since": int(since.timestamp()), "turn": turn + 1, "wait": wait}
    return render(request, "metrics/_tick.html", context)


def arrived(person: User, key: IngestKey | None, *, since: datetime) -> Arrival:
    """With a key, what came by it; other agents of the org may have been sending all along."""
    is_used = key is not None and key.last_used is not None
    if not (is_used or key is None) or not received_since(person.org_id, since):
        return Arrival(has_come=False, refused=refusal_since(person.org_id, since), is_used=is_used)
    newest = Metric.objects.visible_to(person).order_by("-pk").first()
    is_new = newest is not None and newest.created >= since - timedelta(seconds=5)
    return Arrival(has_come=True, metric=newest if is_new else None)


def received_since(org_id: int, since: datetime) -> bool:
    """Whether any live request with points was stored. One index look-up."""
    with connection.cursor() as cursor:
        # S608: a constant.
        cursor.execute(f"SELECT coalesce(({NEWEST_LIVE}) >= %(since)s, false)", {"org": org_id, "since": since})  # noqa: S608
        return bool(cursor.fetchone()[0])


def refusal_since(org_id: int, since: datetime) -> str:
    """Why points were refused, the last time; empty for none."""
    found = RefusedSeries.objects.filter(org=org_id, invalid_at__gte=since).order_by("-day").first()
    return found.invalid_example if found else ""


def number_of(request: HttpRequest, name: str, otherwise: int) -> int:
    text = request.GET.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 15 else otherwise
