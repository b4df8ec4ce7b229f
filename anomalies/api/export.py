"""/api/anomalies/export: the whole list as a file. It is streamed: no more than a chunk of it is ever held."""

import json
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, ClassVar, Final, cast

from django.db import transaction
from django.http import StreamingHttpResponse
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework.request import Request

from accounts.callers import Caller
from anomalies.api.documents import lines
from anomalies.api.examples import ANOMALY
from anomalies.api.filtersets import AnomalyFilterSet
from anomalies.api.views import AnomalyListing
from anomalies.querysets import AnomalyQuerySet
from config.api.csv_rows import csv_lines
from config.api.filters import WordFilter, known_names, one_of, several_names
from config.database.prepared import Statement

CHUNK: Final = 1_000
CONTENT_TYPES: Final = {"csv": "text/csv; charset=utf-8", "jsonl": "application/x-ndjson"}
MOMENT: Final = """to_char(a.{0} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')"""
NUMBER: Final = "CASE WHEN a.{0} > '-Infinity' AND a.{0} < 'Infinity' THEN a.{0} END"
NAMES: Final = "(SELECT string_agg({name}, '; ' ORDER BY {name}) FROM {table} WHERE x.anomaly_id = a.id)"
# The columns of the CSV file, in their order.
COLUMNS: Final = {
    "id": "a.id",
    "uuid": "a.uuid::text",
    "type": "a.type",
    "status": "a.status",
    "weight": "a.weight",
    "message": "a.message",
    "description": "a.description",
    "datastore": "d.name",
    "container": "c.name",
    "metric": "m.name",
    "tags": NAMES.format(name="t.name", table="anomalies_anomaly_global_tags x JOIN anomalies_tag t ON t.id = x.tag_id"),
    "assignees": NAMES.format(name="u.email", table="anomalies_anomaly_assignees x JOIN accounts_user u ON u.id = x.user_id"),
    "failed_checks": NAMES.format(name="x.rule_type", table="anomalies_failedcheck x"),
    "anomalous_records_count": "a.anomalous_records_count",
    "fingerprint": "a.fingerprint",
    **{name: MOMENT.format(name) for name in ("created", "updated")},
    "kind": "a.kind",
    "direction": "a.direction",
    **{name: NUMBER.format(name) for name in ("score", "peak_value", "expected", "expected_lower", "expected_upper")},
    **{name: MOMENT.format(name) for name in ("started_at", "ended_at", "peak_at")},
}
ROWS: Final = Statement(f"""
SELECT {", ".join(COLUMNS.values())}
  FROM unnest(%s::bigint[]) WITH ORDINALITY AS wanted (id, place)
  JOIN anomalies_anomaly a ON a.id = wanted.id
  JOIN datastores_datastore d ON d.id = a.datastore_id
  LEFT JOIN datastores_container c ON c.id = a.container_id
  LEFT JOIN metrics_metric m ON m.id = a.metric_id
 ORDER BY wanted.place
""")  # noqa: S608 - column names of this module

CSV: Final = OpenApiExample(
    "CSV", value="id,uuid,type,status\r\n12345,8e8b9f8b-1234-4abc-9def-012345678901,metric,Active\r\n", media_type="text/csv"
)
LINES: Final = OpenApiExample("JSON lines", value=f"{json.dumps(ANOMALY.value)}\n", media_type=CONTENT_TYPES["jsonl"])


class ExportFilterSet(AnomalyFilterSet):
    format = WordFilter(item=one_of(CONTENT_TYPES), method="unfiltered", help_text="csv or jsonl; csv without it.")

    def unfiltered(self, queryset: AnomalyQuerySet, name: str, value: str) -> AnomalyQuerySet:
        return queryset


class ExportViewSet(AnomalyListing):
    operations: ClassVar = {"export": "anomaly.read"}
    parameters: ClassVar = {"export": tuple(known_names(ExportFilterSet))}
    several: ClassVar = several_names(ExportFilterSet)
    filterset_class = ExportFilterSet

    @extend_schema(
        summary="Download the list of anomalies",
        description=(
            "Everything that the list would show with the same filters, in its order, streamed. CSV has a header, text that a spreadsheet "
            "would run as a formula gets an apostrophe before it, and several tags, assignees or rules stand in one cell, separated by "
            "semicolons; a line of JSON is the anomaly as the list shows it. `page` and `size` are accepted and change nothing."
        ),
        responses={(200, "text/csv"): OpenApiTypes.STR, (200, "application/x-ndjson"): OpenApiTypes.STR},
        examples=[CSV, LINES],
        filters=True,
    )
    def export(self, request: Request) -> StreamingHttpResponse:
        rows = cast("AnomalyQuerySet", self.filter_queryset(self.get_queryset()))
        form = request.query_params.get("format") or "csv"
        answer = StreamingHttpResponse(exported(rows, form, caller=self.caller), content_type=CONTENT_TYPES[form])
        answer["Content-Disposition"] = f'attachment; filename="anomalies-{timezone.now():%Y-%m-%d}.{form}"'
        return answer


def exported(rows: AnomalyQuerySet, form: str, *, caller: Caller) -> Iterator[bytes]:
    """The file, in pieces. The ids come through a cursor of the server's; each chunk of anomalies is as it is when it is read."""
    if form == "csv":
        yield csv_lines([list(COLUMNS)])
    with transaction.atomic():
        ids = rows.values_list("pk", flat=True).iterator(chunk_size=CHUNK)
        while chunk := list(islice(ids, CHUNK)):
            yield csv_lines(rows_of(chunk)) if form == "csv" else lines(chunk, caller=caller)


def rows_of(ids: Sequence[int]) -> list[tuple[Any, ...]]:
    return ROWS.rows(list(ids))
