"""Changes of many anomalies from the inbox: what is asked, a look at what it would do, how far it is, what came of each, and back."""

from dataclasses import dataclass
from typing import Any, Final

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from accounts.models import User
from accounts.pages.readers import is_htmx, reader
from accounts.permissions import has_role
from accounts.zones import zone_of
from anomalies.api.bulk import check_names
from anomalies.models import Anomaly, BulkResult, Tag
from anomalies.pages.access import allowed_datastores
from anomalies.pages.inbox import whole_rows
from anomalies.pages.listing import ORDER, Listing, whole
from anomalies.pages.rows import title_of
from anomalies.pages.steps import NAPS, STEPS, change_of
from anomalies.querysets import AnomalyQuerySet
from anomalies.services import bulk, undo
from datastores.models import Operation
from orgs.errors import DomainError, Invalid

SAMPLE: Final = 5
RESULTS_SIZE: Final = 50
PEOPLE_SHOWN: Final = 1000
# A change of a few is done before the answer; a larger one is begun, and the page asks how far it is.
AT_ONCE: Final = 200
AT_ONCE_S: Final = 2.0
# Seconds between two questions; the last goes on.
BACK_OFF: Final = (1, 2, 3, 5, 8, 13)


@dataclass(frozen=True)
class Chosen:
    """Which anomalies a change is for: those that were ticked, at most `bulk.LIMIT`, or all that the list finds."""

    listing: Listing
    ids: tuple[int, ...]
    all: bool

    @classmethod
    def read(cls, sent: QueryDict) -> "Chosen":
        """From `list` (an address), `id` (repeatable), `ids` (with commas) and `scope`."""
        texts = [*sent.getlist("id"), *sent.get("ids", "").split(",")]
        ids = dict.fromkeys(number for text in texts if (number := whole(text.strip())))
        return cls(Listing.read(QueryDict(sent.get("list", ""))), tuple(ids), sent.get("scope") == "all")

    @property
    def text(self) -> str:
        return ",".join(str(pk) for pk in self.ids)

    @property
    def query(self) -> str:
        return self.listing.query.urlencode() if self.all else f"id={self.text}&archived=include&snoozed=include"

    def rows(self, user: User) -> AnomalyQuerySet:
        """What of it the user may see. Raises Invalid for a list that cannot be read, and for nothing at all."""
        if self.all and self.listing.wrong:
            raise Invalid("The list cannot be filtered like this, so nothing was changed.")
        if not self.all and not self.ids:
            raise Invalid("Nothing was selected.")
        if not self.all and len(self.ids) > bulk.LIMIT:
            raise Invalid(f"{len(self.ids):,} are selected, so nothing was changed: at most {bulk.LIMIT:,} at once. Select fewer.")
        return self.listing.matching(user) if self.all else Anomaly.objects.visible_to(user).filter(pk__in=self.ids)


@dataclass(frozen=True)
class Sampled:
    name: str
    message: str
    status: str


@dataclass(frozen=True)
class Outcome:
    """One result of a change, as the page tells it."""

    id: int
    name: str
    changed: bool
    message: str


@dataclass(frozen=True)
class Told:
    """How far an operation is and what came of it. `wait_s` is None when it has ended."""

    operation: Operation
    percent: int
    changed: int
    skipped: int
    results: tuple[Outcome, ...]
    more: int
    can_undo: bool
    undone: bool
    wait_s: int | None
    tick: int


@require_POST
def change_many(request: HttpRequest) -> HttpResponse:
    """Does the step `do` for what is chosen: asks for what it needs, and shows first what it would do, if asked or for all."""
    user = reader(request)
    if not has_role(user, "anomaly.bulk") or not allowed_datastores(user, "anomaly.bulk"):
        raise PermissionDenied
    name, chosen, now = request.POST.get("do", ""), Chosen.read(request.POST), timezone.now()
    if name not in STEPS:
        return said(request, chosen, "There is no such step.")
    try:
        rows = chosen.rows(user)
        change = change_of(name, request.POST, now=now, zone=zone_of(user))
        if change is None:
            return asked(request, user, name, chosen)
        check_names(user, change)
        plan = bulk.plan(user, rows, query=chosen.query, change=change, now=now)
        if chosen.all or request.POST.get("look"):
            return looked_at(request, name, chosen, plan, rows)
        return begun(request, user, plan.token, chosen)
    except DomainError as refused:
        return asked(request, user, name, chosen, error=refused.in_full)


def shown(request: HttpRequest, part: str, chosen: Chosen, **context: Any) -> HttpResponse:
    """The part alone for htmx, else on a page of its own."""
    template = f"anomalies/{part}" if is_htmx(request) else "anomalies/many.html"
    return render(request, template, {"part_name": f"anomalies/{part}", "chosen": chosen, **context})


def said(request: HttpRequest, chosen: Chosen, error: str) -> HttpResponse:
    return shown(request, "_said.html", chosen, error=error)


def asked(request: HttpRequest, user: User, name: str, chosen: Chosen, *, error: str = "") -> HttpResponse:
    """The fields of the step, as they were filled in; a step without any says only what is wrong."""
    step = STEPS[name]
    if not step.asks or (not chosen.all and not chosen.ids):
        return said(request, chosen, error)
    context = {
        "name": name, "step": step, "error": error, "sent": request.POST, "count": len(chosen.ids), "naps": NAPS.items(),
        "reasons": [str(reason) for reason in Anomaly.ARCHIVED], "people": people_of(user) if step.asks == "person" else (),
        "tags": tags_of(user) if step.asks == "tag" else (), "chosen_values": request.POST.getlist(step.asks),
    }  # fmt: skip
    return shown(request, "_ask.html", chosen, **context)


def people_of(user: User) -> list[tuple[str, str]]:
    """Who can be assigned, oneself first. Whether they may see an anomaly is looked at when it is done."""
    people = User.objects.for_org(user.org_id).filter(is_active=True, is_service=False, is_demo=False).order_by("name", "pk")[:PEOPLE_SHOWN]
    found = [(str(one.pk), str(one)) for one in people if one.pk != user.pk]
    return [(str(user.pk), f"{user} (me)"), *found]


def tags_of(user: User) -> list[str]:
    return list(Tag.objects.for_org(user.org_id).order_by("name").values_list("name", flat=True)[:PEOPLE_SHOWN])


def looked_at(request: HttpRequest, name: str, chosen: Chosen, plan: bulk.Plan, rows: AnomalyQuerySet) -> HttpResponse:
    """What the change would do: how many, a few of them, how many may not be changed. Nothing has been changed."""
    ids = list(rows.order_by(*ORDER).values_list("pk", flat=True)[:SAMPLE])
    sample = [Sampled(title_of(one), one.message, one.status) for one in whole_rows(ids)]
    count = len(plan.bulk.ids)
    context = {"name": name, "step": STEPS[name], "plan": plan, "count": count, "sample": sample, "rest": count - len(sample)}
    return shown(request, "_preview.html", chosen, **context)


@require_POST
def start(request: HttpRequest) -> HttpResponse:
    """Does what was planned under `token`."""
    user, chosen = reader(request), Chosen.read(request.POST)
    if not has_role(user, "anomaly.bulk"):
        raise PermissionDenied
    try:
        return begun(request, user, request.POST.get("token", ""), chosen)
    except DomainError as refused:
        return said(request, chosen, refused.in_full)


def begun(request: HttpRequest, user: User, token: str, chosen: Chosen) -> HttpResponse:
    return followed(request, bulk.start(user, token, now=timezone.now()), chosen)


def followed(request: HttpRequest, operation: Operation, chosen: Chosen) -> HttpResponse:
    """A short operation is done here; another process that has taken it already does it as well."""
    if (operation.total or 0) <= AT_ONCE:
        bulk.run(operation.pk, budget_s=AT_ONCE_S)
    if not is_htmx(request):
        return HttpResponseRedirect(f"{reverse('inbox-operation', args=(operation.pk,))}?{chosen.listing.address()}")
    return progress(request, Operation.objects.get(pk=operation.pk), chosen, tick=0)


@require_GET
def operation(request: HttpRequest, pk: int) -> HttpResponse:
    """How far it is, with the `tick`th question, and `page` of its results; the other parameters are the list's."""
    user, params = reader(request), request.GET.copy()
    found = own_operation(user, pk)
    tick = whole(params.pop("tick", ["0"])[-1])
    number = max(1, whole(params.pop("results", ["1"])[-1]))
    chosen = Chosen(Listing.read(params), (), all=False)
    return progress(request, found, chosen, tick=tick, number=number)


def own_operation(user: User, pk: int) -> Operation:
    """Raises Http404 for what is no change of many that the person may see."""
    rows = Operation.objects.visible_to(user).filter(bulk_change__isnull=False).select_related("bulk_change")
    found: Operation = get_object_or_404(rows, pk=pk)
    return found


@require_POST
def take_back(request: HttpRequest, pk: int) -> HttpResponse:
    """Undoes it, within ten minutes."""
    user, chosen = reader(request), Chosen.read(request.POST)
    if not has_role(user, "operation.undo"):
        raise PermissionDenied
    try:
        return followed(request, undo.undo(own_operation(user, pk), user=user, now=timezone.now()), chosen)
    except DomainError as refused:
        return said(request, chosen, refused.in_full)


def progress(request: HttpRequest, found: Operation, chosen: Chosen, *, tick: int, number: int = 1) -> HttpResponse:
    """Tells how far it is; at its end the list beside it is asked for anew."""
    told = told_of(found, reader(request), tick=tick, number=number)
    response = shown(request, "_outcome.html", chosen, told=told, address=chosen.listing.address(), number=number)
    if told.wait_s is None and is_htmx(request):
        response["HX-Trigger-After-Settle"] = "inbox-changed"
    return response


def told_of(found: Operation, user: User, *, tick: int, number: int) -> Told:
    results = BulkResult.objects.filter(bulk_change__operation=found).order_by("-outcome", "anomaly_id")
    start = (number - 1) * RESULTS_SIZE
    counts = found.counters
    until = found.undo_until
    return Told(
        operation=found,
        percent=int(found.percent or 0),
        changed=counts.get("changed", 0),
        skipped=counts.get("skipped", 0),
        results=outcomes_of(list(results[start : start + RESULTS_SIZE]), user),
        more=max(0, found.done - start - RESULTS_SIZE),
        can_undo=until is not None and until > timezone.now() and counts.get("changed", 0) > 0,
        undone=found.kind == Operation.Kind.UNDO,
        wait_s=BACK_OFF[min(tick, len(BACK_OFF) - 1)] if found.is_unfinished else None,
        tick=tick + 1,
    )


def outcomes_of(results: list[BulkResult], user: User) -> tuple[Outcome, ...]:
    """With the names of the anomalies that are still there, and that the person still sees."""
    names = {row.pk: title_of(row) for row in whole_rows([one.anomaly_id for one in results], seen_by=user)}
    return tuple(
        Outcome(one.anomaly_id, names.get(one.anomaly_id, f"#{one.anomaly_id}"), one.outcome == BulkResult.Outcome.CHANGED, one.message)
        for one in results
    )
