"""The page of one anomaly: what happened, why it is one, what was said and done about it, and the next step."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from accounts.models import User
from accounts.pages.readers import reader
from accounts.zones import zone_of
from anomalies.models import Anomaly, AnomalyAssignee, Change, FailedCheck, Integration, Tag, TicketLink
from anomalies.pages.abilities import refusals_of
from anomalies.pages.access import anomaly_for
from anomalies.pages.charts import Chart, chart_of
from anomalies.pages.listing import Listing, Neighbours, neighbours
from anomalies.pages.markdown import markdown_of
from anomalies.pages.occurrences import History, history_of
from anomalies.pages.records import Asked, Records, records_for, single_values
from anomalies.pages.rows import Row, anomaly_address, meter_width, rows_of, source_of, title_of
from anomalies.pages.timeline import Stretch, newest, timeline, until_of
from anomalies.pages.why import CHECKS_SHOWN, Failure, Part, Reason, failures_of, parts_of, reasons_of
from anomalies.services import mark_seen
from anomalies.services.following import acknowledge_about, is_watching
from datastores.levels import readers_of

TOGETHER_WITHIN: Final = timedelta(minutes=30)
NEAR_SHOWN: Final = 4
DETECTED_WITHIN: Final = timedelta(hours=1)
MARKS_SHOWN: Final = 200
TAGS_OFFERED: Final = 500
PEOPLE_OFFERED: Final = 30
UNDO_WITHIN: Final = timedelta(seconds=60)


@dataclass(frozen=True)
class Step:
    """The way to the neighbours in the list that one came from."""

    address: str
    before: str
    after: str
    place: str


@dataclass(frozen=True)
class Offered:
    """One box of a form: a person or a tag, and whether the anomaly has it."""

    value: str
    label: str
    hint: str
    chosen: bool
    color: str = ""


@dataclass(frozen=True)
class Refused:
    """A form that was refused: which, why, and what was typed into it, so that nothing is lost. `comment` is the one that it was about."""

    form: str
    said: str
    typed: Mapping[str, str]
    comment: int | None = None


@dataclass(frozen=True)
class Detail:
    """What the page shows. `no` has, by what one could do, why one may not; what is allowed is not in it."""

    anomaly: Anomaly
    no: Mapping[str, str]
    title: str
    source: str
    meter: int
    parts: tuple[Part, ...]
    lasting: timedelta | None
    timeline: Stretch
    step: Step
    list_address: str
    earlier: int
    assignees: tuple[User, ...]
    people: tuple[Offered, ...]
    tags: tuple[Tag, ...]
    words: tuple[Offered, ...]
    tickets: tuple[TicketLink, ...]
    integrations: tuple[Integration, ...]
    original: Anomaly | None
    duplicates: tuple[Anomaly, ...]
    is_watching: bool
    address: str
    markdown: str
    undo: int | None
    refused: Refused | None = None

    @property
    def reopened(self) -> int | None:
        """The comment whose refused change stands in its form again; None where there is no such form, or none any more."""
        comment = self.refused.comment if self.refused and self.refused.form == "edit" else None
        shown = (entry.said for entry in self.timeline.entries if entry.said is not None and entry.said.may_edit)
        return comment if any(said.id == comment for said in shown) else None


@dataclass(frozen=True)
class Why:
    """What made it an anomaly."""

    reasons: tuple[Reason, ...]
    failures: tuple[Failure, ...]


@dataclass(frozen=True)
class Evidence:
    """What shows it: the chart of a series, the measure of a table over time, the rows."""

    chart: Chart | None
    history: History | None
    records: Records | None
    why: Why


@require_GET
def anomaly(request: HttpRequest, pk: int) -> HttpResponse:
    """The page. Opening it takes away the mark of the unseen and reads what was told of it, but not for those who write nothing."""
    user = reader(request)
    found = anomaly_for(user, pk, "anomaly.read")
    if not user.is_demo:
        mark_seen(found)
        acknowledge_about(found, user=user)
    return page_response(request, found, user)


def page_response(
    request: HttpRequest,
    found: Anomaly,
    user: User,
    *,
    records: Records | None = None,
    refused: Refused | None = None,
    said: str = "",
    status: int = 200,
) -> HttpResponse:
    """The whole page, with rows that were read already, or with a form that was refused."""
    now = timezone.now()
    detail = detail_of(request, found, user, now=now, refused=refused)
    evidence = evidence_of(found, request.GET, user, no=detail.no, now=now, records=records)
    context = {
        "detail": detail,
        "anomaly": found,
        "no": detail.no,
        "evidence": evidence,
        "chart": evidence.chart,
        "records": evidence.records,
        "together": together(found, user, now),
        "related": related(found, user, now),
        "said": said,
    }
    return render(request, "anomalies/anomaly.html", context, status=status)


def detail_of(request: HttpRequest, found: Anomaly, user: User, *, now: datetime, refused: Refused | None = None) -> Detail:
    """What can change while the page stands. The number of queries does not grow with what there is."""
    no = refusals_of(user, found)
    list_address = (request.POST if request.method == "POST" else request.GET).get("list", "")
    until = until_of(request.GET.get("timeline", ""))
    changes = () if "history" in no else newest(found.changes.select_related("user"), by="timestamp", until=until)
    comments = () if "comments" in no else newest(found.comments.select_related("user", "deleted_by"), by="created", until=until)
    assignees = tuple(link.user for link in AnomalyAssignee.objects.filter(anomaly=found).select_related("user").order_by("user__name"))
    tags = tuple(found.global_tags.order_by("name"))
    address = request.build_absolute_uri(anomaly_address(found.pk))
    may_write = "comment" not in no
    original, duplicates = linked_to(found, user)
    return Detail(
        anomaly=found,
        no=no,
        title=title_of(found),
        source=source_of(found),
        meter=meter_width(found.weight),
        parts=parts_of(found),
        lasting=(found.ended_at or now) - found.started_at if found.started_at else None,
        timeline=timeline(found, changes, comments, reader=user, until=until, may_write=may_write),
        step=step_of(found, user, list_address),
        list_address=list_address,
        earlier=earlier_ones(found, user),
        assignees=assignees,
        people=() if "change" in no else offered_people(found, assignees),
        tags=tags,
        words=() if "change" in no else offered_tags(found, tags),
        tickets=() if "tickets" in no else tuple(found.ticket_links.select_related("integration").order_by("pk")),
        integrations=() if "ticket" in no else tuple(Integration.objects.for_org(found.org_id).order_by("name")),
        original=original,
        duplicates=duplicates,
        is_watching=is_watching(found, user=user),
        address=address,
        markdown=markdown_of(found, address=address, tags=tags, assignees=assignees),
        undo=undoable(changes, user, now) if until is None else None,
        refused=refused,
    )


def undoable(changes: Sequence[Change], user: User, now: datetime) -> int | None:
    """The transaction id of the newest change, if it is the reader's own and of this minute."""
    if not changes or changes[0].user_id != user.pk or now - changes[0].timestamp > UNDO_WITHIN:
        return None
    return changes[0].transaction_id if set(changes[0].changeset) - {"comment", "ticket_links"} else None


def offered_people(
    found: Anomaly, assignees: Sequence[User], *, search: str = "", chosen: frozenset[int] | None = None
) -> tuple[Offered, ...]:
    """Those who have it and those who are ticked (`chosen`; without it, the former) first, then the first who could."""
    could = readers_of(found.org_id, found.datastore_id, search=search)
    ticked = readers_of(found.org_id, found.datastore_id).filter(pk__in=chosen) if chosen else ()
    unique = {one.pk: one for one in (*assignees, *ticked, *could[:PEOPLE_OFFERED])}
    ids = {one.pk for one in assignees} if chosen is None else chosen
    return tuple(Offered(str(pk), one.name, one.email, pk in ids) for pk, one in unique.items())


def offered_tags(found: Anomaly, tags: Sequence[Tag]) -> tuple[Offered, ...]:
    mine = {tag.pk for tag in tags}
    rows = Tag.objects.for_org(found.org_id).order_by("name")[:TAGS_OFFERED]
    return tuple(Offered(tag.name, tag.name, tag.description, tag.pk in mine, tag.color) for tag in rows)


def step_of(found: Anomaly, user: User, list_address: str) -> Step:
    """Before and after in the list; the whole inbox for an anomaly that was opened by its own address."""
    listing = Listing.read(QueryDict(list_address))
    around: Neighbours = neighbours(listing, user, found)
    return Step(
        address=listing.address(page=listing.page),
        before=anomaly_address(around.before, list_address or "all") if around.before else "",
        after=anomaly_address(around.after, list_address or "all") if around.after else "",
        place=f"{around.place:,} of {around.total:,}" if around.place and list_address else "",
    )


def linked_to(found: Anomaly, user: User) -> tuple[Anomaly | None, tuple[Anomaly, ...]]:
    """The original of a duplicate, or the newest duplicates of an original: none is both. Without what the reader does not see."""
    visible = Anomaly.objects.visible_to(user)
    if found.duplicate_of_id is not None:
        return visible.filter(pk=found.duplicate_of_id).first(), ()
    return None, tuple(visible.filter(duplicate_of=found).order_by("-pk")[:NEAR_SHOWN])


def earlier_ones(found: Anomaly, user: User) -> int:
    """How many other anomalies the same series had."""
    if found.metric_id is None:
        return 0
    return Anomaly.objects.visible_to(user).filter(metric=found.metric_id).exclude(pk=found.pk).count()


def evidence_of(
    found: Anomaly, params: QueryDict, user: User, *, no: Mapping[str, str], now: datetime, records: Records | None
) -> Evidence:
    checks = list(FailedCheck.objects.filter(anomaly=found).prefetch_related("fields")[:CHECKS_SHOWN])
    if found.metric_id is None and records is None:
        records = Records(trouble=no["rows"]) if "rows" in no else records_for(found, Asked.read(params))
    values = single_values(records) if found.type == Anomaly.Type.RECORD else {}
    return Evidence(
        chart=chart_for(found, params, user, now),
        history=history_of(found, user, checks) if found.type == Anomaly.Type.SHAPE else None,
        records=records,
        why=Why(reasons_of(found.detectors), failures_of(checks, values)),
    )


def chart_for(found: Anomaly, params: QueryDict, user: User, now: datetime) -> Chart | None:
    """The chart of an anomaly of a series, with the series' other anomalies marked too."""
    if found.metric is None:
        return None
    marks = Anomaly.objects.visible_to(user).filter(metric=found.metric_id).order_by("-started_at")[:MARKS_SHOWN]
    return chart_of(found.metric, params, marks=marks, main=found, now=now, zone=zone_of(user))


def together(found: Anomaly, user: User, now: datetime) -> tuple[Row, ...]:
    """Other problems that began at about the same time; only among those detected about then, which an index has."""
    near = Anomaly.objects.visible_to(user).exclude(pk=found.pk).filter(status__in=Anomaly.Status.values)
    near = near.filter(created__range=(found.created - DETECTED_WITHIN, found.created + DETECTED_WITHIN))
    if found.started_at is not None:
        began = (found.started_at - TOGETHER_WITHIN, found.started_at + TOGETHER_WITHIN)
        near = near.exclude(metric=found.metric_id).filter(started_at__range=began)
    else:
        near = near.filter(created__range=(found.created - TOGETHER_WITHIN, found.created + TOGETHER_WITHIN)).exclude(
            fingerprint=found.fingerprint, fingerprint__isnull=False
        )
    shown = near.for_rows().order_by("-score" if found.started_at else "-weight", "-pk")[:NEAR_SHOWN]
    return rows_of(shown, user, now=now, allowed=frozenset())


def related(found: Anomaly, user: User, now: datetime) -> tuple[Row, ...]:
    """The same problem at other times: those with its fingerprint, the newest first."""
    if found.fingerprint is None:
        return ()
    same = Anomaly.objects.visible_to(user).filter(fingerprint=found.fingerprint).exclude(pk=found.pk)
    return rows_of(same.for_rows().order_by("-created", "-pk")[:NEAR_SHOWN], user, now=now, allowed=frozenset())
