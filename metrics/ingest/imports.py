"""Imports of history: a spooled file, read in steps. A step's points and the operation's progress are one transaction.

So an import that is cut off goes on where it was, and no line is stored twice.
"""

import contextlib
import errno
import logging
import math
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import IO, Any, Final

from django.conf import settings
from django.db import DataError, IntegrityError, connection, transaction
from django.db.models import Count, Q, Sum
from django.db.models.functions import Coalesce
from django.utils import timezone

from datastores.models import Datastore, Operation
from metrics.ingest import history, intake, packing
from metrics.ingest.batch import BadRequest, Batch, Refusal
from metrics.ingest.history import Form, Header
from metrics.ingest.senders import Sender
from metrics.points import Rule
from orgs.errors import TooMany, Unavailable
from orgs.moments import unix_ms
from orgs.tenancy import Reason, across, home_of, within

log = logging.getLogger(__name__)

FILE_LIMIT: Final = 2 * 2**30
# What one org may have waiting, so that nobody fills the disk for all.
WAITING_LIMIT: Final = 50
WAITING_BYTES: Final = 4 * FILE_LIMIT
# What spooling leaves free: the database may be on the same disk.
RESERVE_BYTES: Final = 256 * 2**20
_RETRY_S: Final = 30
_PIECE: Final = 2**20
_STEP_LINES: Final = 20_000
_STEP_BYTES: Final = 8 * 2**20
_REPORTED_LINES: Final = 100
_UPLOAD_LIMIT: Final = timedelta(days=1)
_ORPHAN_S: Final = 3600.0
_UNFINISHED: Final = (Operation.Status.WAITING, Operation.Status.RUNNING)

_NOTHING_YET: Final[dict[str, Any]] = {"lines": 0, "stored": 0, "refused": 0, "new_series": 0, "refused_lines": []}


@dataclass(frozen=True)
class _Step:
    """What one step read: its points, the file's position after it, and the number of the last line."""

    batch: Batch
    position: int
    lines: int


class _Shortened(Exception):
    """The spooled file has lost its end."""


def start(sender: Sender, stream: IO[bytes], *, form: Form, user_id: int | None) -> Operation:
    """Spools a file and makes the operation that reads it; a task does the rest.

    Raises BadRequest: 400 for a stream that says that it is gzip and is not, 413 beyond 2 GiB, 422 for a CSV file without its header.
    TooMany while the org has too much waiting, Unavailable while the disk has no room. The file is on disk when it returns.
    """
    _refuse_too_many(sender.org_id)
    _folder().mkdir(mode=0o700, parents=True, exist_ok=True)
    operation = Operation.objects.create(
        org_id=sender.org_id,
        datastore_id=sender.datastore_id,
        kind=Operation.Kind.IMPORT,
        user_id=user_id,
        counters={**_NOTHING_YET, "form": form.value, "rule": int(sender.rule)},
    )
    try:
        size = _spool(stream, path_of(operation))
        _check_header(operation, form)
    except BaseException:
        _forget(operation)
        operation.delete()
        raise
    operation.total = size
    operation.save(update_fields=["total"])
    return operation


def _refuse_too_many(org_id: int) -> None:
    """Raises TooMany. An upload that was cut off with its process counts for a while only."""
    mine = Operation.objects.filter(org_id=org_id, kind=Operation.Kind.IMPORT, status__in=_UNFINISHED)
    alive = Q(total__isnull=False) | Q(created__gt=timezone.now() - timedelta(seconds=_ORPHAN_S))
    waiting = mine.filter(alive).aggregate(files=Count("pk"), size=Coalesce(Sum("total"), 0))
    if waiting["files"] >= WAITING_LIMIT or waiting["size"] >= WAITING_BYTES:
        raise TooMany(
            f"{waiting['files']} imports of your org with {waiting['size']} bytes have not ended; at most {WAITING_LIMIT} with "
            f"{WAITING_BYTES} bytes may wait. Nothing was taken: send it again once some have ended.",
            wait_s=_RETRY_S,
        )


def path_of(operation: Operation) -> Path:
    """The spooled file of an import."""
    return _folder() / f"{operation.pk}.spool"


def _folder() -> Path:
    folder: Path = settings.PLUMBLINE_HOME / "imports"
    return folder


def unfinished() -> list[int]:
    """Imports that wait or were cut off, of all orgs."""
    found = Operation.objects.filter(kind=Operation.Kind.IMPORT, status__in=_UNFINISHED, total__isnull=False)
    with across(Reason.UPKEEP):
        return list(found.order_by("pk").values_list("pk", flat=True))


def clean_up() -> None:
    """Ends uploads that were cut off with their process, and removes files that nobody will read."""
    now = timezone.now()
    cut_off = Operation.objects.filter(kind=Operation.Kind.IMPORT, status__in=_UNFINISHED, total=None, created__lt=now - _UPLOAD_LIMIT)
    spooled = {int(path.stem): path for path in _folder().glob("*.spool")}
    with across(Reason.UPKEEP):
        orgs = set(cut_off.values_list("org_id", flat=True))
    for org_id in orgs:
        with within(org_id):
            cut_off.update(status=Operation.Status.FAILURE, message="The upload was cut off; send it again.", ended=now)
    with across(Reason.UPKEEP):
        statuses = dict(Operation.objects.filter(pk__in=spooled).values_list("pk", "status"))
    for pk, path in spooled.items():
        with contextlib.suppress(FileNotFoundError):
            if _is_unwanted(path, status=statuses.get(pk)):
                path.unlink()


def _is_unwanted(path: Path, *, status: str | None) -> bool:
    """Whether nobody will read the file. One without an operation may be of a request that has not committed, unless it is old."""
    if status is not None:
        return status not in _UNFINISHED
    return path.stat().st_mtime < time.time() - _ORPHAN_S


def run(operation_id: int, *, budget_s: float = math.inf) -> bool:
    """Reads step after step until the import has ended, somebody aborts it, another process is at it or the time is up; whether more is
    left to do. What can never be stored ends it, with what was stored until then."""
    until = time.monotonic() + budget_s
    with home_of(Operation, id=operation_id):
        try:
            while _step(operation_id):
                if time.monotonic() > until:
                    return True
        except (DataError, IntegrityError, BadRequest) as exc:
            log.exception("import %s failed", operation_id)
            _end(operation_id, f"It went wrong and was ended; what was stored until then stays. ({type(exc).__name__})")
    return False


def _step(operation_id: int) -> bool:
    """One step; False when nothing is left to do here."""
    operation = Operation.objects.select_related("datastore").filter(pk=operation_id).first()
    if operation is None or operation.status not in _UNFINISHED:
        if operation is not None:
            _forget(operation)
        return False
    try:
        step = _read(operation)
    except FileNotFoundError:
        _end(operation.pk, "The spooled file is gone; send it again.")
        return False
    except _Shortened:
        _end(operation.pk, "The spooled file is shorter than what was sent; send it again. What was stored until then stays.")
        _forget(operation)
        return False
    sender = _sender_of(operation)
    # Before the transaction: the process remembers ids, and what it remembers must not be rolled back.
    ready = intake.prepare(sender, step.batch)
    return _commit(operation, step, sender, ready)


def _commit(operation: Operation, step: _Step, sender: Sender, ready: intake.Ready) -> bool:
    with transaction.atomic():
        unmoved = Operation.objects.filter(pk=operation.pk, done=operation.done, status__in=_UNFINISHED)
        # Locked by another process: it does this step. Moved on or aborted: this step was done, or is not wanted.
        if unmoved.select_for_update(skip_locked=True).first() is None:
            return False
        intake.store_ready(sender, ready, received_at=timezone.now(), backfill=True)
        is_last = step.position >= (operation.total or 0)
        _advance(operation, step, ready, is_last=is_last)
    if is_last:
        _forget(operation)
    return not is_last


def _advance(operation: Operation, step: _Step, ready: intake.Ready, *, is_last: bool) -> None:
    counters = operation.counters
    room = _REPORTED_LINES - len(counters["refused_lines"])
    operation.counters = counters | {
        "lines": step.lines,
        "stored": counters["stored"] + ready.ids.size,
        "refused": counters["refused"] + len(ready.refused),
        "new_series": counters["new_series"] + len(ready.made),
        "refused_lines": counters["refused_lines"] + [_told(refusal) for refusal in ready.refused[:room]],
    }
    operation.done = step.position
    operation.started = operation.started or timezone.now()
    operation.status = Operation.Status.SUCCESS if is_last else Operation.Status.RUNNING
    operation.ended = timezone.now() if is_last else None
    operation.message = _message(operation.counters)
    operation.save(update_fields=["counters", "done", "started", "status", "ended", "message"])


def _told(refusal: Refusal) -> dict[str, Any]:
    return {"line": refusal.index, "code": refusal.code, "reason": refusal.reason}


def _message(counters: dict[str, Any]) -> str:
    if not counters["refused"]:
        return f"{counters['stored']} points stored."
    first = counters["refused_lines"][0]
    return f"{counters['stored']} points stored, {counters['refused']} lines refused; the first is line {first['line']}: {first['reason']}"


def _read(operation: Operation) -> _Step:
    with path_of(operation).open("rb") as file:
        if os.fstat(file.fileno()).st_size < (operation.total or 0):
            raise _Shortened
        header = _header(file, operation)
        read_lines = operation.counters["lines"]
        if operation.done:
            file.seek(operation.done)
        elif header is not None:
            read_lines = 1
        lines = list(_lines(file))
        now_ms = unix_ms(timezone.now())
        batch = history.parse_lines(lines, first=read_lines + 1, header=header, now_ms=now_ms)
        return _Step(batch, file.tell(), read_lines + len(lines))


def _header(file: IO[bytes], operation: Operation) -> Header | None:
    """Reads the header of a CSV file, wherever the step begins."""
    return history.parse_header(file.readline(history.LINE_LIMIT)) if operation.counters["form"] == Form.CSV.value else None


def _lines(file: IO[bytes]) -> Iterator[bytes]:
    """The next lines, up to either bound of a step; one beyond the limit is cut, so that it is refused without being held."""
    held = 0
    for _ in range(_STEP_LINES):
        line = file.readline(history.LINE_LIMIT + 2)
        held += len(line)
        if not line:
            return
        rest = line
        while len(rest) > history.LINE_LIMIT + 1 and not rest.endswith(b"\n"):
            rest = file.readline(history.LINE_LIMIT + 2)
        yield line
        if held >= _STEP_BYTES:
            return


def _sender_of(operation: Operation) -> Sender:
    datastore = operation.datastore
    assert datastore is not None  # noqa: S101 - an import writes into one
    return Sender(0, operation.org_id, datastore.pk, Rule(operation.counters["rule"]), epoch_of(datastore))


def epoch_of(datastore: Datastore) -> int:
    """How often series of the datastore were deleted."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT epoch FROM metrics_epoch WHERE datastore_id = %s", [datastore.pk])
        row = cursor.fetchone()
    return 0 if row is None else int(row[0])


def _spool(stream: IO[bytes], path: Path) -> int:
    try:
        with path.open("wb") as file:
            size = _copy(stream, file)
            file.flush()
            os.fsync(file.fileno())
        _sync_folder(path.parent)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise _no_room() from error
    return size


def _copy(stream: IO[bytes], file: IO[bytes]) -> int:
    size = 0
    while piece := _piece(stream):
        size += len(piece)
        if size > FILE_LIMIT:
            raise BadRequest(f"The file is larger than {FILE_LIMIT} bytes: send it in parts.", status=413)
        if shutil.disk_usage(file.fileno()).free < RESERVE_BYTES + len(piece):
            raise _no_room()
        file.write(piece)
    return size


def _sync_folder(folder: Path) -> None:
    """The name of a file is on disk once its folder is."""
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _no_room() -> Unavailable:
    return Unavailable(
        "The server's disk has no room for the file. Nothing was taken: send it again once there is.", retry_after_s=_RETRY_S
    )


def _piece(stream: IO[bytes]) -> bytes:
    try:
        return stream.read(_PIECE)
    except packing.BAD_GZIP as error:
        raise BadRequest("The body is not valid gzip, or its end is missing.") from error


def _check_header(operation: Operation, form: Form) -> None:
    if form is Form.CSV:
        with path_of(operation).open("rb") as file:
            history.parse_header(file.readline(history.LINE_LIMIT))


def _end(operation_id: int, message: str) -> None:
    ended = {"status": Operation.Status.FAILURE, "message": message, "ended": timezone.now()}
    Operation.objects.filter(pk=operation_id, status__in=_UNFINISHED).update(**ended)


def _forget(operation: Operation) -> None:
    with contextlib.suppress(FileNotFoundError):
        path_of(operation).unlink()
