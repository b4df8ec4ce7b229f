"""Filters and sorts of the list of anomalies."""

import uuid
from datetime import UTC, date, datetime, timedelta
from typing import Any, ClassVar, Final

import django_filters
from django import forms
from django.core.exceptions import ValidationError
from django.db.models import Exists, Model, OuterRef, Q
from django.utils import timezone

from anomalies.conditions import hanging, once
from anomalies.models import Anomaly, AnomalyAssignee, AnomalyTag, FailedCheck, FailedField
from anomalies.querysets import AnomalyQuerySet
from anomalies.search import found
from config.api.fields import parse_moment
from config.api.filters import ListFilter, StrictFilterSet, TrueFalseFilter, one_of, whole_number, words
from metrics.models import Metric

TIMEFRAMES: Final = {"day": 1, "week": 7, "month": 30, "quarter": 91, "year": 365}
MAX_TIMEFRAME_DAYS: Final = 3650
LAST_YEAR: Final = 9998  # the day after the last of 9999 has no date
UNASSIGNED: Final = "none"
SERIES_MAX: Final = 200


class TimeframeField(forms.Field):
    """A rolling window: a word or a number of days."""

    def clean(self, value: Any) -> timedelta | None:
        if value in (None, ""):
            return None
        days = TIMEFRAMES.get(value) or (int(value) if value.isascii() and value.isdigit() and len(value) < 6 else 0)
        if not 1 <= days <= MAX_TIMEFRAME_DAYS:
            raise ValidationError(f"Use {', '.join(TIMEFRAMES)} or 1 to {MAX_TIMEFRAME_DAYS} days.", code="invalid_choice")
        return timedelta(days=days)


class TimeframeFilter(django_filters.Filter):
    field_class = TimeframeField


class DayField(forms.Field):
    """A UTC day."""

    def clean(self, value: Any) -> datetime | None:
        if value in (None, ""):
            return None
        try:
            day = date.fromisoformat(value)
            if day.year > LAST_YEAR:
                raise ValueError
            return datetime.combine(day, datetime.min.time(), UTC)
        except ValueError as exc:
            raise ValidationError(f"{value!r} is no day, such as 2026-05-15.", code="invalid_date") from exc


class DayFilter(django_filters.Filter):
    field_class = DayField


class EdgeField(forms.Field):
    """A moment with its offset, or a day, which stands for its first moment in UTC."""

    def clean(self, value: Any) -> datetime | None:
        if value in (None, ""):
            return None
        if len(value) == len("2026-05-15"):
            return DayField().clean(value)
        try:
            return parse_moment(value)
        except ValueError as exc:
            raise ValidationError(str(exc), code="invalid_time") from exc


class EdgeFilter(django_filters.Filter):
    field_class = EdgeField


def id_or_uuid(text: str) -> dict[str, Any]:
    """A cleaner: the filter for what an address or parameter calls an anomaly."""
    if text.isascii() and text.isdigit():
        return {"pk": whole_number(text)}
    try:
        return {"uuid": uuid.UUID(text)}
    except ValueError as exc:
        raise ValidationError(f"{text!r} is neither an id nor a UUID.", code="invalid_id") from exc


def person(text: str) -> int | None:
    """A cleaner: an id, or None for "none" (nobody)."""
    return None if text == UNASSIGNED else whole_number(text)


class AnomalyFilterSet(StrictFilterSet):
    id = ListFilter(method="by_id", item=id_or_uuid, help_text="Ids or UUIDs.")
    search = django_filters.CharFilter(
        method="searched",
        help_text="Part of the message, of the series' name or of the id, or the beginning of the UUID: its first eight digits or more.",
    )
    status = ListFilter(item=one_of(Anomaly.Status.values), help_text="Any of these states. An archived one lets archived anomalies in.")
    anomaly_type = ListFilter("type", item=one_of(Anomaly.Type.values), help_text="Any of these types.")
    datastore = ListFilter(item=whole_number, help_text="Ids of datastores.")
    container = ListFilter(item=whole_number, help_text="Ids of containers.")
    metric = ListFilter(item=whole_number, help_text="Ids of metrics.")
    kind = ListFilter(item=words, help_text="What the detector saw, such as spike or silence.")
    direction = ListFilter(item=one_of(("up", "down")), help_text="up or down.")
    field = ListFilter(method="by_field", item=words, help_text="Names of fields that failed checks are about: any of them.")
    quality_check = ListFilter(method="by_check", item=whole_number, help_text="Ids of checks that failed: any of them.")
    rule_type = ListFilter(method="by_rule", item=words, help_text="Rules of failed checks: any of them.")
    tag = ListFilter(method="by_tag", item=words, help_text="Names of tags: any of them.")
    assignee = ListFilter(method="by_assignee", item=person, help_text="Ids of people, or none for anomalies of nobody.")
    unassigned = TrueFalseFilter(method="of_nobody", help_text="true: those of nobody; false: those of somebody.")
    min_score = django_filters.NumberFilter(field_name="score", lookup_expr="gte", help_text="Metric anomalies with at least this score.")
    backfilled = TrueFalseFilter(field_name="is_backfilled", help_text="Whether it was found in imported history.")
    source_enriched = TrueFalseFilter(help_text="Whether its source rows are kept.")
    container_scan = ListFilter("container_scan_id", item=whole_number, help_text="Ids of scans of containers.")
    partition_scan = ListFilter("partition_scan_id", item=whole_number, help_text="Ids of scans of partitions.")
    snoozed = ListFilter(method="sleeping", item=one_of(("include", "only")), help_text="Awake ones only without it; include or only.")
    include_deleted = TrueFalseFilter(method="unchanged", help_text="true: tombstones too, on datastores where you are an editor.")
    archived = ListFilter(method="kept", item=one_of(("include", "only")), help_text="Open ones only without it; include or only.")
    timeframe = TimeframeFilter(method="recent", help_text="A rolling window: day, week, month, quarter, year or a number of days.")
    created_date = DayFilter(method="on_day", help_text="A UTC day, such as 2026-05-15.")
    start_date = EdgeFilter(field_name="created", lookup_expr="gte", help_text="Created at or after this moment or UTC day.")
    end_date = EdgeFilter(field_name="created", lookup_expr="lt", help_text="Created before this moment or UTC day.")
    related_to_id = ListFilter(method="related", item=id_or_uuid, help_text="The same problem as this anomaly, without itself.")

    sorts: ClassVar = {
        "id": "pk",
        "created": "created",
        "weight": "weight",
        "anomalous_records_count": "anomalous_records_count",
        "score": "score",
        "started_at": "started_at",
    }
    order: ClassVar = ("-created", "-weight", "-pk")

    shows_archived: ClassVar = False

    def filter_queryset(self, queryset: AnomalyQuerySet) -> AnomalyQuerySet:
        chosen = self.form.cleaned_data
        names_archived = set(chosen.get("status", ())) & {str(status) for status in Anomaly.ARCHIVED}
        if not (chosen.get("archived") or names_archived or self.shows_archived):
            open_ones = Q(status__in=Anomaly.OPEN)
            queryset = queryset.filter(open_ones | Q(deleted__isnull=False) if chosen.get("include_deleted") else open_ones)
        if not (chosen.get("snoozed") or self.shows_archived):
            queryset = queryset.awake()
        return super().filter_queryset(queryset)  # type: ignore[no-any-return]  # django-filter has no types

    def kept(self, queryset: AnomalyQuerySet, name: str, value: list[str]) -> AnomalyQuerySet:
        return queryset.archived() if value == ["only"] else queryset

    def sleeping(self, queryset: AnomalyQuerySet, name: str, value: list[str]) -> AnomalyQuerySet:
        return queryset.exclude(snoozed_at=None) if value == ["only"] else queryset

    def unchanged(self, queryset: AnomalyQuerySet, name: str, value: bool) -> AnomalyQuerySet:  # noqa: FBT001
        return queryset

    def by_id(self, queryset: AnomalyQuerySet, name: str, value: list[dict[str, Any]]) -> AnomalyQuerySet:
        return queryset.filter(any_of(value)) if value else queryset

    def searched(self, queryset: AnomalyQuerySet, name: str, value: str) -> AnomalyQuerySet:
        text = value.removeprefix("#") if value[1:].isdigit() else value
        matching = once(self.request, ("search", text), lambda: found(text, org_id=self.request.user.org_id))
        return queryset.filter(matching | once(self.request, ("series", text), lambda: self.series_named(text)))

    def series_named(self, text: str) -> Q:
        """The condition for anomalies of series with this in their names.

        A few series are looked up first, as no index serves a message beside another table. Of many, anomalies are soon met in the
        order of the list.
        """
        named = Metric.objects.visible_to(self.request.user).filter(name__icontains=text).order_by().values_list("pk", flat=True)
        few = list(named[: SERIES_MAX + 1])
        return Q(metric__in=few if len(few) <= SERIES_MAX else named)

    def by_rule(self, queryset: AnomalyQuerySet, name: str, value: list[str]) -> AnomalyQuerySet:
        return queryset.filter(self.hanging(FailedCheck, rule_type__in=value))

    def by_check(self, queryset: AnomalyQuerySet, name: str, value: list[int]) -> AnomalyQuerySet:
        return queryset.filter(self.hanging(FailedCheck, quality_check_id__in=value))

    def by_field(self, queryset: AnomalyQuerySet, name: str, value: list[str]) -> AnomalyQuerySet:
        return queryset.filter(self.hanging(FailedField, name__in=value))

    def hanging(self, model: type[Model], **wanted: Any) -> Q:
        org = self.request.user.org_id
        return once(self.request, (model, str(wanted)), lambda: hanging(model, org, **wanted))

    def by_tag(self, queryset: AnomalyQuerySet, name: str, value: list[str]) -> AnomalyQuerySet:
        return queryset.filter(self.hanging(AnomalyTag, tag__org=self.request.user.org_id, tag__name__in=value))

    def by_assignee(self, queryset: AnomalyQuerySet, name: str, value: list[int | None]) -> AnomalyQuerySet:
        theirs = self.hanging(AnomalyAssignee, user__in=[one for one in value if one is not None])
        return queryset.filter(theirs | ~Q(self._assigned()) if None in value else theirs)

    def of_nobody(self, queryset: AnomalyQuerySet, name: str, value: bool) -> AnomalyQuerySet:  # noqa: FBT001
        return queryset.filter(~Q(self._assigned()) if value else Q(self._assigned()))

    def _assigned(self) -> Exists:
        return Exists(AnomalyAssignee.objects.filter(org=self.request.user.org_id, anomaly=OuterRef("pk")))

    def recent(self, queryset: AnomalyQuerySet, name: str, value: timedelta) -> AnomalyQuerySet:
        return queryset.filter(created__gte=timezone.now() - value)

    def on_day(self, queryset: AnomalyQuerySet, name: str, value: datetime) -> AnomalyQuerySet:
        return queryset.filter(created__gte=value, created__lt=value + timedelta(days=1))

    def related(self, queryset: AnomalyQuerySet, name: str, value: list[dict[str, Any]]) -> AnomalyQuerySet:
        """Among what the caller may see; the given one must be among that too, or nothing is related to it."""
        if not value:
            return queryset
        given = Anomaly.objects.visible_to(self.request.user).filter(any_of(value)).exclude(fingerprint=None)
        return queryset.filter(fingerprint__in=list(given.values_list("fingerprint", flat=True))).exclude(any_of(value))


class RelatedFilterSet(AnomalyFilterSet):
    """Of lists that show everything unless something is asked for."""

    shows_archived: ClassVar = True


def any_of(filters: list[dict[str, Any]]) -> Q:
    found = Q()
    for one in filters:
        found |= Q(**one)
    return found
