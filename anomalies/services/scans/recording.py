"""Writes what a scan found: new anomalies with all that hangs on them, in one transaction and a constant number of statements."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db import connection, transaction

from accounts.models import Level
from anomalies.models import Anomaly, AnomalyAssignee, AnomalyTag, FailedCheck, FailedField
from anomalies.services.history import SCAN, Line, write_history
from anomalies.services.scans.merging import Candidate, candidates_of, conclusive
from anomalies.services.scans.recurrence import Fate, fate_of, reopen, resolve_passed, standing_of
from anomalies.services.scans.rows import clean, keep_rows
from anomalies.services.scans.values import RowFailures, Scan, ShapeFailure
from anomalies.services.sleep import Occurrence, meet, sleeping
from anomalies.services.states import Named, Word
from anomalies.services.weights import checks_weight
from datastores.levels import holders
from datastores.models import Container

log = logging.getLogger(__name__)

# Held, so that none goes or counts anew before it is on the anomalies.
TAGS: Final = "SELECT id, name, weight_modifier FROM anomalies_tag WHERE org_id = %s AND id = ANY(%s) ORDER BY id FOR KEY SHARE"


@dataclass(frozen=True)
class Recording:
    """What became of a scan's findings: ids of anomalies."""

    opened: tuple[int, ...] = ()
    duplicates: tuple[int, ...] = ()
    reopened: tuple[int, ...] = ()
    resolved: tuple[int, ...] = ()


@dataclass(frozen=True)
class Heritage:
    """What new anomalies inherit from their checks: tags, and people who may read them."""

    tags: Mapping[int, Word]
    people: Mapping[int, Named]

    def tags_of(self, candidate: Candidate) -> list[Word]:
        ids = {pk for failure in candidate.failures for pk in failure.check.tag_ids}
        return sorted(self.tags[pk] for pk in ids if pk in self.tags)

    def assignees_of(self, candidate: Candidate) -> list[Named]:
        ids = {failure.check.default_assignee_id for failure in candidate.failures}
        return sorted(self.people[pk] for pk in ids if pk is not None and pk in self.people)


@transaction.atomic
def record_findings(scan: Scan, *, rows: Sequence[RowFailures] = (), shapes: Sequence[ShapeFailure] = (), now: datetime) -> Recording:
    """Opens an anomaly for every row and every check of the table that fails, with the history of each.

    Two scans of one container wait for each other. Recording the same partition scan twice changes nothing more. Raises
    Container.DoesNotExist for a container that is gone, KeyError for a failure of a check that is not among the scan's.
    """
    container = Container.objects.for_org(scan.org_id).select_for_update(no_key=True).get(pk=scan.container_id)
    found = candidates_of(scan, rows=rows, shapes=shapes)
    standing = standing_of(scan, found)
    fates = [(candidate, fate_of(standing.get(candidate.fingerprint, ()), scan=scan)) for candidate in found]
    asleep = sleepers(scan, found)
    made = open_all(scan, container, [(candidate, fate) for candidate, fate in fates if fate is not None], asleep, now=now)
    lines = reopen({fate.duplicate_of for _, fate in fates if fate is not None and fate.duplicate_of and fate.reopens}, at=now)
    write_history(lines, actor=SCAN, at=now)
    resolved: tuple[int, ...] = ()
    if scan.is_full and scan.options.auto_resolve_passed_anomalies:
        fingerprints = {candidate.fingerprint for candidate in found}
        resolved = resolve_passed(scan, fingerprints, conclusive=conclusive(scan, rows=rows))
    return Recording(
        opened=tuple(one.pk for one in made if not one.is_archived),
        duplicates=tuple(one.pk for one in made if one.is_archived),
        reopened=tuple(line.anomaly_id for line in lines),
        resolved=resolved,
    )


def sleepers(scan: Scan, found: Sequence[Candidate]) -> list[Anomaly]:
    """Those of the same problems that sleep, locked."""
    ids = sleeping((scan.org_id, candidate.fingerprint) for candidate in found)
    return list(Anomaly.objects.for_org(scan.org_id).filter(pk__in=ids).order_by("pk").select_for_update(no_key=True)) if ids else []


def open_all(
    scan: Scan, container: Container, fates: Sequence[tuple[Candidate, Fate]], asleep: Sequence[Anomaly], *, now: datetime
) -> list[Anomaly]:
    """The new anomalies, with everything that hangs on them. Those of the same problems that sleep learn of them."""
    if not fates:
        return []
    heritage = heritage_of(scan, container)
    new = [anomaly_of(scan, container, candidate, fate, heritage, now=now) for candidate, fate in fates]
    put_to_sleep(new, asleep, now=now)
    born = Anomaly.objects.bulk_create(new)
    made = [(anomaly, candidate) for anomaly, (candidate, _) in zip(born, fates, strict=True)]
    keep_checks(scan, made)
    keep_rows(scan, made, at=now)
    inherit(scan, made, heritage)
    write_history([birth_line(anomaly, candidate, heritage) for anomaly, candidate in made], actor=SCAN, at=now)
    return born


def anomaly_of(scan: Scan, container: Container, candidate: Candidate, fate: Fate, heritage: Heritage, *, now: datetime) -> Anomaly:
    tags = sum(word.points for word in heritage.tags_of(candidate))
    parts = checks_weight(failure.check.rule_type for failure in candidate.failures)
    return Anomaly(
        org_id=scan.org_id,
        datastore_id=container.datastore_id,
        container=container,
        type=candidate.type,
        status=fate.status,
        duplicate_of_id=fate.duplicate_of,
        fingerprint=candidate.fingerprint,
        message=clean(candidate.message),
        description=clean(candidate.description),
        weight=sum(parts.values()) + tags,
        weight_breakdown={**parts, "tags": tags},
        anomalous_records_count=candidate.count,
        source_enriched=bool(candidate.rows),
        container_scan_id=scan.container_scan_id,
        partition_scan_id=scan.partition_scan_id,
        created=now,
    )


def put_to_sleep(new: Sequence[Anomaly], asleep: Sequence[Anomaly], *, now: datetime) -> None:
    found = [Occurrence((one.org_id, one.fingerprint or 0), one.weight, is_archived=one.is_archived) for one in new]
    for one, sleep in zip(new, meet(asleep, found, now=now), strict=True):
        for name, value in (sleep.fields if sleep else {}).items():
            setattr(one, name, value)


def keep_checks(scan: Scan, made: Sequence[tuple[Anomaly, Candidate]]) -> None:
    failures = [(anomaly, failure) for anomaly, candidate in made for failure in candidate.failures]
    checks = FailedCheck.objects.bulk_create(
        FailedCheck(
            org_id=scan.org_id,
            anomaly=anomaly,
            quality_check_id=failure.check.id,
            rule_type=failure.check.rule_type,
            description=clean(failure.check.description),
            message=clean(failure.message),
            suggested_field=failure.suggestion.field if failure.suggestion else "",
            suggested_value=clean(failure.suggestion.value) if failure.suggestion else "",
            suggested_score=failure.suggestion.score if failure.suggestion else None,
        )
        for anomaly, failure in failures
    )
    FailedField.objects.bulk_create(
        FailedField(org_id=scan.org_id, anomaly=anomaly, failed_check=check, name=name)
        for check, (anomaly, failure) in zip(checks, failures, strict=True)
        for name in failure.check.fields
    )


def inherit(scan: Scan, made: Sequence[tuple[Anomaly, Candidate]], heritage: Heritage) -> None:
    AnomalyTag.objects.bulk_create(
        AnomalyTag(org_id=scan.org_id, anomaly=anomaly, tag_id=word.id)
        for anomaly, candidate in made
        for word in heritage.tags_of(candidate)
    )
    AnomalyAssignee.objects.bulk_create(
        AnomalyAssignee(org_id=scan.org_id, anomaly=anomaly, user_id=person.id)
        for anomaly, candidate in made
        for person in heritage.assignees_of(candidate)
    )


def birth_line(anomaly: Anomaly, candidate: Candidate, heritage: Heritage) -> Line:
    changeset: dict[str, tuple[object, object]] = {"status": (None, anomaly.status), "weight": (None, anomaly.weight)}
    if anomaly.duplicate_of_id is not None:
        changeset["duplicate_of"] = (None, {"id": anomaly.duplicate_of_id})
    if tags := heritage.tags_of(candidate):
        changeset["global_tags"] = ([], listed(tags))
    if people := heritage.assignees_of(candidate):
        changeset["assignees"] = ([], listed(people))
    return Line(anomaly.org_id, anomaly.pk, changeset, is_asleep=anomaly.is_asleep)


def listed(things: Iterable[Named]) -> list[dict[str, object]]:
    return [{"id": one.id, "name": one.name} for one in things]


def heritage_of(scan: Scan, container: Container) -> Heritage:
    """Tags of the org, and those default assignees who may read the anomalies; whoever may not is left out and logged."""
    return Heritage(tags=_tags(scan), people=_people(scan, container))


def _tags(scan: Scan) -> Mapping[int, Word]:
    ids = {pk for check in scan.checks for pk in check.tag_ids}
    if not ids:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(TAGS, [scan.org_id, list(ids)])
        return {pk: Word(name, pk, points) for pk, name, points in cursor.fetchall()}


def _people(scan: Scan, container: Container) -> Mapping[int, Named]:
    wanted = {check.default_assignee_id for check in scan.checks if check.default_assignee_id is not None}
    found = holders(scan.org_id, users=wanted, datastores=[container.datastore_id], level=Level.VIEWER)
    allowed = {pk for pk in wanted if found.may(pk, container.datastore_id)}
    for pk in sorted(wanted - allowed):
        log.warning("a default assignee may not read the anomalies of a container", extra={"user": pk, "container": container.pk})
    return {pk: Named(found.names[pk], pk) for pk in allowed}
