"""/api/anomalies/{id}/source-record: the rows that show what is wrong, as JSON and as CSV."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import orjson
from django.db.models import QuerySet
from django.http import StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from anomalies.models import Anomaly
from anomalies.services.scans.values import ROWS_MAX
from anomalies.services.sources import SourceField, SourceRecords, source_records
from config.api.addresses import client_address
from config.api.csv_rows import csv_lines
from config.api.fields import MomentField
from config.api.views import OrgViewSet
from datastores.audit import record_unmasking
from datastores.models import AuditEntry
from orgs.errors import FieldError, Invalid

DEFAULT_LIMIT: Final = 10
CSV_BYTES: Final = 250_000_000
PIECE_BYTES: Final = 65_536
NAMES: Final = ("limit", "include_masked", "refresh")
PARAMETERS: Final = [
    OpenApiParameter("limit", OpenApiTypes.INT, description=f"Rows at most, 1 to {ROWS_MAX:,}; {DEFAULT_LIMIT} without it."),
    OpenApiParameter(
        "include_masked", OpenApiTypes.BOOL, description="Masked values as they are: needs Editor, and is written down. False without it."
    ),
    OpenApiParameter("refresh", OpenApiTypes.BOOL, description="Read anew rather than remembered for up to 8 hours. False without it."),
]
RECORDS = OpenApiExample(
    "A row with a masked field",
    value={
        "fields": [
            {"name": "order_id", "type": "Integral", "masked": False, "anomalous": False},
            {"name": "email", "type": "String", "masked": True, "anomalous": True},
        ],
        "records": [{"order_id": 1093, "email": "***MASKED***"}],
        "total": 1, "limit": 10, "cached_at": "2026-05-15T17:30:00.000Z", "created": "2026-05-15T17:22:08.000Z",
    },
    response_only=True,
)  # fmt: skip
CSV = OpenApiExample("A file", value="order_id,email\r\n1093,***MASKED***\r\n", media_type="text/csv")


class SourceFieldSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    type = serializers.CharField(help_text="Unknown, Integral, Fractional, Boolean, String, Date or Timestamp.")
    masked = serializers.BooleanField()
    anomalous = serializers.BooleanField(help_text="Whether a failed check is about it.")


class SourceRecordsSerializer(serializers.Serializer[Any]):
    records = serializers.ListField(child=serializers.DictField(), help_text="Each row by field.")
    total = serializers.IntegerField(help_text="Rows that can be asked for.")
    limit = serializers.IntegerField()
    cached_at = MomentField(help_text="When they were read.")
    created = MomentField(allow_null=True, help_text="When they were kept; null where none were.")

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """`fields` is a word of the class itself, so it is named here."""
        columns: Any = SourceFieldSerializer(many=True, help_text="The columns, in order.")
        return {"fields": columns, **super().get_fields()}


@dataclass(frozen=True)
class Asked:
    limit: int
    include_masked: bool
    refresh: bool


def asked_of(request: Request) -> Asked:
    """What the query asks for. Raises Invalid naming every parameter that does not do."""
    query, limit = request.query_params, request.query_params.get("limit", str(DEFAULT_LIMIT))
    flags = [name for name in ("include_masked", "refresh") if query.get(name, "false") not in ("true", "false")]
    errors = [FieldError(("query", name), "invalid_choice", "Say true or false.") for name in flags]
    if not (limit.isascii() and limit.isdigit() and len(limit) < 12 and 1 <= int(limit) <= ROWS_MAX):
        errors.append(FieldError(("query", "limit"), "out_of_range", f"`limit` is a whole number from 1 to {ROWS_MAX:,}."))
    if errors:
        raise Invalid("The rows cannot be asked for like this.", errors=errors)
    return Asked(int(limit), query.get("include_masked") == "true", query.get("refresh") == "true")


class SourceRecordViewSet(OrgViewSet):
    """The rows of one anomaly."""

    resource: ClassVar = "anomalies"
    operations: ClassVar = {
        "source_record": "source_record.read",
        "download_source_record": "source_record.read",
        "source_record_csv": "source_record.read",
    }
    parameters: ClassVar = dict.fromkeys(("source_record", "download_source_record", "source_record_csv"), NAMES)
    queryset = Anomaly.objects.all()

    def get_queryset(self) -> QuerySet[Anomaly]:
        found: QuerySet[Anomaly] = super().get_queryset()
        return found.select_related("source_table")

    @extend_schema(
        summary="Get the source rows of an anomaly",
        description=(
            "The rows that a scan kept: those of a record anomaly, a sample of a shape anomaly. Of a metric anomaly, the points of its "
            "excursion with what was expected. Masked values are `***MASKED***` unless `include_masked` asks for them."
        ),
        parameters=PARAMETERS,
        responses=SourceRecordsSerializer,
        examples=[RECORDS],
        filters=False,
    )
    def source_record(self, request: Request, id: str) -> Response:
        asked, anomaly = asked_of(request), self.get_object()
        found = self._found(anomaly, asked)
        names = [field.name for field in found.fields]
        rows = [dict(zip(names, row, strict=True)) for row in found.shown(limit=asked.limit, unmasked=asked.include_masked)]
        shown = {"fields": found.fields, "records": rows, "total": found.total, "limit": asked.limit}
        times = {"cached_at": found.cached_at, "created": found.created}
        return Response(SourceRecordsSerializer({**shown, **times}).data)

    @extend_schema(
        summary="Download the source rows of an anomaly",
        description=(
            "The same as a CSV file, `source_records_<id>.csv`, streamed; whole rows up to 250 MB. Text that a spreadsheet would run as a "
            "formula gets an apostrophe before it."
        ),
        parameters=PARAMETERS,
        responses={(200, "text/csv"): OpenApiTypes.STR},
        examples=[CSV],
        filters=False,
    )
    def download_source_record(self, request: Request, id: str) -> StreamingHttpResponse:
        asked, anomaly = asked_of(request), self.get_object()
        found = self._found(anomaly, asked)
        # What is sealed is opened before the answer begins: from then on nothing can be refused.
        rows = list(found.shown(limit=asked.limit, unmasked=asked.include_masked))
        headers = {"Content-Disposition": f'attachment; filename="source_records_{anomaly.pk}.csv"'}
        return StreamingHttpResponse(csv_of(found.fields, rows), content_type="text/csv; charset=utf-8", headers=headers)

    @extend_schema(
        summary="Download the source rows of an anomaly, by an older name",
        description="As `source-record/download`.",
        parameters=PARAMETERS,
        responses={(200, "text/csv"): OpenApiTypes.STR},
        examples=[CSV],
        filters=False,
    )
    def source_record_csv(self, request: Request, id: str) -> StreamingHttpResponse:
        return self.download_source_record(request, id)

    def _found(self, anomaly: Anomaly, asked: Asked) -> SourceRecords:
        """The rows, after it is written down that masked values of theirs are shown."""
        if asked.include_masked:
            self.require("source_record.unmask", anomaly)
        found = source_records(anomaly, refresh=asked.refresh)
        if asked.include_masked and found.masked_names:
            record_unmasking(
                self.person,
                resource_type=AuditEntry.Resource.ANOMALY,
                resource_id=anomaly.pk,
                masked_field_names=found.masked_names,
                endpoint=self.request.path,
                ip_address=client_address(self.request._request),
            )
        return found


def csv_of(fields: Sequence[SourceField], rows: Iterable[Sequence[Any]]) -> Iterator[bytes]:
    """The file in pieces, at most 250 MB of whole rows."""
    piece, sent = csv_lines([[field.name for field in fields]]), 0
    for row in rows:
        line = csv_lines([list(map(cell, row))])
        if sent + len(piece) + len(line) > CSV_BYTES:
            break
        piece += line
        if len(piece) > PIECE_BYTES:
            yield piece
            piece, sent = b"", sent + len(piece)
    yield piece


def cell(value: Any) -> Any:
    """A value as a cell: words of JSON for what is no text and no number."""
    return orjson.dumps(value).decode() if isinstance(value, (bool, list, dict)) else value
