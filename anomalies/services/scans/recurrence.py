"""What was found before: of which anomaly a new one is the duplicate, which is opened again, and which are over."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Exists, OuterRef

from anomalies.models import Anomaly, FailedCheck
from anomalies.services.changes import edit_anomalies
from anomalies.services.edits import Edit
from anomalies.services.history import SCAN, Line
from anomalies.services.scans.merging import Candidate
from anomalies.services.scans.values import Options, Scan


@dataclass(frozen=True)
class Standing:
    """An anomaly of the same problem that is there already."""

    id: int
    status: str
    is_duplicate: bool
    partition_scan_id: int | None

    @property
    def is_open(self) -> bool:
        return self.status in Anomaly.OPEN


@dataclass(frozen=True)
class Fate:
    """What becomes of a candidate: the anomaly that it duplicates, if any, and whether that one is opened again."""

    duplicate_of: int | None = None
    reopens: bool = False

    @property
    def status(self) -> Anomaly.Status:
        return Anomaly.Status.ACTIVE if self.duplicate_of is None else Anomaly.Status.DUPLICATE


def standing_of(scan: Scan, found: Sequence[Candidate]) -> Mapping[int | None, list[Standing]]:
    """By fingerprint, the anomalies of the same problems, oldest first. One query."""
    rows = Anomaly.objects.for_org(scan.org_id).filter(
        container=scan.container_id, deleted=None, fingerprint__in={candidate.fingerprint for candidate in found}
    )
    by_fingerprint: dict[int | None, list[Standing]] = {}
    for pk, fingerprint, status, original, partition in rows.order_by("pk").values_list(
        "pk", "fingerprint", "status", "duplicate_of", "partition_scan_id"
    ):
        by_fingerprint.setdefault(fingerprint, []).append(Standing(pk, status, original is not None, partition))
    return by_fingerprint


def fate_of(standing: Sequence[Standing], *, scan: Scan) -> Fate | None:
    """What becomes of a candidate beside these; None when this very scan has recorded it already."""
    if scan.partition_scan_id is not None and any(one.partition_scan_id == scan.partition_scan_id for one in standing):
        return None
    return _beside(standing, scan.options)


def _beside(standing: Sequence[Standing], options: Options) -> Fate:
    is_open = [one.id for one in standing if one.is_open]
    if is_open:
        return Fate(is_open[0]) if options.archive_duplicate_anomalies else Fate()
    archived = [one.id for one in standing if not one.is_duplicate]
    if archived and options.reactivate_recurring_anomalies:
        return Fate(archived[-1], reopens=True)
    return Fate()


def reopen(ids: Collection[int], *, at: datetime) -> list[Line]:
    """Makes archived anomalies Active and unseen again; what the history says of each."""
    rows = Anomaly.objects.filter(pk__in=ids, deleted=None, status__in=Anomaly.ARCHIVED).order_by("pk").select_for_update(no_key=True)
    found = list(rows.values_list("pk", "org", "status"))
    Anomaly.objects.filter(pk__in=[pk for pk, *_ in found]).update(status=Anomaly.Status.ACTIVE, is_new=True, updated=at, duplicate_of=None)
    return [Line(org_id, pk, {"status": (status, Anomaly.Status.ACTIVE)}) for pk, org_id, status in found]


def resolve_passed(scan: Scan, found: Collection[int], *, conclusive: Mapping[Anomaly.Type, frozenset[int]]) -> tuple[int, ...]:
    """Resolves the open anomalies of the container of which a full scan, that would have, did not find the fingerprint. Their ids."""
    edits = [
        Edit(anomaly_id=pk, status=Anomaly.Status.RESOLVED, seen={"status": status})
        for type, check_ids in conclusive.items()
        for pk, status in _passed(scan, found, type, check_ids)
    ]
    return edit_anomalies(scan.org_id, edits, user=None, actor=SCAN, strict=False).changed if edits else ()


def _passed(scan: Scan, found: Collection[int], type: Anomaly.Type, check_ids: Collection[int]) -> list[tuple[int, str]]:
    checks = FailedCheck.objects.filter(anomaly=OuterRef("pk"))
    rows = (
        Anomaly.objects.for_org(scan.org_id)
        .open()
        .filter(Exists(checks), container=scan.container_id, type=type, deleted=None, fingerprint__isnull=False)
        .exclude(fingerprint__in=found)
        .exclude(Exists(checks.exclude(quality_check_id__in=check_ids)))
    )
    return list(rows.order_by("pk").values_list("pk", "status"))
