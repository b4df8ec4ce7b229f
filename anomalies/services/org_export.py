"""All that an org has, as one ZIP file that is made while it is sent: nothing is held, however much it is."""

import io
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final

import orjson
from django.db.models import Model

from accounts.models import Team, User
from anomalies.models import Anomaly, Change, Comment, TicketLink
from config.api.csv_rows import csv_lines
from datastores.models import Datastore
from metrics import points
from metrics.arrays import DAY_MS
from metrics.models import Metric
from orgs.models import Event, Org

LINE: Final = orjson.OPT_APPEND_NEWLINE | orjson.OPT_UTC_Z
CHUNK: Final = 1_000
SERIES_AT_ONCE: Final = 20
POINTS_SPAN_MS: Final = 28 * DAY_MS
HISTORY: Final = ("anomaly_id", "transaction_id", "timestamp", "actor", "user__email", "changeset")
COMMENTS: Final = ("anomaly_id", "id", "created", "edited", "deleted", "user__email", "message")
TICKETS: Final = (
    "anomaly_id", "id", "created", "user__email", "integration__name", "ticket_id", "ticket_number", "ticket_url", "status",
    "ticket_metadata",
)  # fmt: skip
README: Final = """What is in this file

org.json         the organisation, its datastores, teams and people
metrics.csv      every series with its labels
points.ndjson    every point, as POST /api/metrics/import takes it
anomalies.ndjson every anomaly
history.ndjson   what happened to each anomaly: who changed what, from what to what
comments.ndjson  what people said about them
tickets.ndjson   the tickets of other systems that were linked to them
events.ndjson    the activity feed

Times are in UTC. Secrets are in it nowhere: only their hashes are kept.
"""


class _Pipe(io.RawIOBase):
    """What is written is taken out piece by piece; it cannot be gone back in, which makes `zipfile` write a file that can be streamed."""

    def __init__(self) -> None:
        self._held = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, piece: Any) -> int:
        self._held += piece
        return len(piece)

    def taken(self) -> bytes:
        held, self._held = bytes(self._held), bytearray()
        return held


def exported(org: Org, *, document: Callable[[list[int]], Iterable[Any]], until_ms: int) -> Iterator[bytes]:
    """The file, in pieces. `document` shows anomalies by their ids; points up to `until_ms` are in it."""
    pipe = _Pipe()
    files: tuple[tuple[str, Iterable[bytes]], ...] = (
        ("README.txt", [README.encode()]),
        ("org.json", [_org(org)]),
        ("metrics.csv", _metrics(org)),
        ("points.ndjson", _points(org, until_ms)),
        ("anomalies.ndjson", _anomalies(org, document)),
        ("history.ndjson", _hanging(org, Change, HISTORY, order=("timestamp", "pk"))),
        ("comments.ndjson", _hanging(org, Comment, COMMENTS)),
        ("tickets.ndjson", _hanging(org, TicketLink, TICKETS)),
        ("events.ndjson", _events(org)),
    )
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, pieces in files:
            with archive.open(name, "w", force_zip64=True) as file:
                for piece in pieces:
                    file.write(piece)
                    yield pipe.taken()
            yield pipe.taken()
    yield pipe.taken()


def _org(org: Org) -> bytes:
    people = User.objects.for_org(org).order_by("pk").values("id", "name", "email", "role", "phone", "is_service", "is_active", "created")
    teams = Team.objects.for_org(org).prefetch_related("members", "access__datastore")
    said = {
        "id": org.pk, "name": org.name, "slug": org.slug, "timezone": org.timezone, "plan": org.plan, "created": org.created,
        "datastores": list(Datastore.objects.for_org(org).values("id", "name", "type")),
        "people": list(people),
        "teams": [
            {
                "name": team.name,
                "members": [person.email for person in team.members.all()],
                "levels": {access.datastore.name: access.get_level_display() for access in team.access.all()},
            }
            for team in teams
        ],
    }  # fmt: skip
    return orjson.dumps(said, option=LINE | orjson.OPT_INDENT_2)


def _metrics(org: Org) -> Iterator[bytes]:
    yield csv_lines([("id", "name", "datastore", "created", "last_at", "labels")])
    rows = Metric.objects.for_org(org).order_by("pk").values_list("pk", "name", "datastore__name", "created", "last_at", "labels")
    for pk, name, datastore, created, last_at, labels in rows.iterator(chunk_size=CHUNK):
        said = (pk, name, datastore, created.isoformat(), last_at.isoformat() if last_at else "", orjson.dumps(labels).decode())
        yield csv_lines([said])


def _points(org: Org, until_ms: int) -> Iterator[bytes]:
    """A few series and four weeks at a time, as far back as points are kept."""
    names = dict(Metric.objects.for_org(org).order_by("pk").values_list("pk", "name"))
    series = list(names)
    for start in range(0, len(series), SERIES_AT_ONCE):
        some = series[start : start + SERIES_AT_ONCE]
        for since_ms in range(until_ms - org.retention_days * DAY_MS - DAY_MS, until_ms, POINTS_SPAN_MS):
            read = points.read(org.pk, some, since_ms, min(until_ms, since_ms + POINTS_SPAN_MS))
            for pk, found in read.items():
                rows = zip(found.timestamps_ms.tolist(), found.values.tolist(), strict=True)
                yield b"".join(_line(names[pk], at, value) for at, value in rows)


def _line(name: str, timestamp_ms: int, value: float) -> bytes:
    return orjson.dumps({"metric": name, "timestamp": timestamp_ms / 1000, "value": value}, option=LINE)


def _anomalies(org: Org, document: Callable[[list[int]], Iterable[Any]]) -> Iterator[bytes]:
    for chunk in _chunks(org):
        yield b"".join(orjson.dumps(one, option=LINE) for one in document(chunk))


def _hanging(org: Org, model: type[Model], fields: Sequence[str], *, order: Sequence[str] = ("pk",)) -> Iterator[bytes]:
    """The rows of `model` with these fields, anomaly by anomaly."""
    names = [field.replace("__", "_") for field in fields]
    for chunk in _chunks(org):
        rows = model._default_manager.filter(anomaly__in=chunk).order_by("anomaly_id", *order)
        yield from (orjson.dumps(dict(zip(names, row, strict=True)), option=LINE) for row in rows.values_list(*fields).iterator(CHUNK))


def _chunks(org: Org) -> Iterator[list[int]]:
    """The ids of its anomalies."""
    ids = Anomaly.objects.for_org(org).order_by("pk").values_list("pk", flat=True)
    last = 0
    while chunk := list(ids.filter(pk__gt=last)[:CHUNK]):
        yield chunk
        last = chunk[-1]


def _events(org: Org) -> Iterator[bytes]:
    fields = ("id", "type", "name", "description", "url", "timestamp", "user_id", "datastore_id", "metric_id", "anomaly_id")
    for row in Event.objects.for_org(org).order_by("pk").values(*fields).iterator(chunk_size=CHUNK):
        yield orjson.dumps(row, option=LINE)
