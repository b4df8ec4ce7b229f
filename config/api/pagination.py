"""Lists come in an envelope: items, total, page, size, pages."""

from typing import TYPE_CHECKING, Any, Final

from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import Model, QuerySet
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response

from config.api.filters import PAGING, repeated_in
from orgs.errors import FieldError, Invalid

if TYPE_CHECKING:
    from rest_framework.views import APIView

DEFAULT_SIZE: Final = 50
MAX_SIZE: Final = 100
MAX_PAGE: Final = 1_000_000
# Counting on reads every row: past this many, the list says "at least" and stays quick.
COUNT_CAP: Final = 10_000


class EnvelopePagination(BasePagination):
    """`page` from 1, `size` 1..100 (50). A total past 10,000 is a lower bound, and `total_capped` says so.

    The ids of a page are found first, in the index alone; only the page's own rows are read whole. So a deep page costs
    index entries, not rows.
    """

    page: int
    size: int
    total: int
    capped: bool

    def paginate_queryset(self, queryset: Any, request: Request, view: "APIView | None" = None) -> list[Any]:
        ids = self.paginate_ids(queryset, request)
        by_id = {row.pk: row for row in _whole(queryset, ids)}
        return [by_id[pk] for pk in ids if pk in by_id]

    def paginate_ids(self, queryset: Any, request: Request) -> list[Any]:
        """The keys of the page, for lists that make their rows themselves; up to where counting stops, page and total in one reading."""
        start = self.begin(request)
        keys = queryset.values("pk")
        if start + self.size <= COUNT_CAP:
            ids, found = _page_and_count(keys, start, self.size)
        else:
            ids = list(queryset.values_list("pk", flat=True)[start : start + self.size])
            found = start + len(ids) if ids else keys.order_by()[: COUNT_CAP + 1].count()
        self.tell(start, shown=len(ids), found=found)
        return ids

    def begin(self, request: Request) -> int:
        """Reads which page is asked for; the place of its first row, from 0. Raises Invalid."""
        self.page, self.size = _numbers(request)
        return (self.page - 1) * self.size

    def tell(self, start: int, *, shown: int, found: int) -> None:
        """Sets the total: what was `found`, which may go on, of which the page shows so many. A deep page that is not full is the last."""
        is_last = 0 < shown < self.size
        most = start + shown if start + self.size > COUNT_CAP and shown else COUNT_CAP
        self.total, self.capped = (start + shown, False) if is_last else (min(found, most), most < found or most > COUNT_CAP)

    def get_paginated_response(self, data: Any) -> Response:
        envelope = {"items": data, "total": self.total, "page": self.page, "size": self.size, "pages": -(-self.total // self.size)}
        if self.capped:
            envelope["total_capped"] = True
        return Response(envelope)

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        number = {"type": "integer", "minimum": 0, "example": 1}
        capped = {
            "type": "boolean",
            "example": False,
            "description": "True when there are more than `total` items: counting stopped. Absent else.",
        }
        properties = {"items": schema, "total": number, "page": number, "size": number, "pages": number, "total_capped": capped}
        return {"type": "object", "required": ["items", "total", "page", "size", "pages"], "properties": properties}

    def get_schema_operation_parameters(self, view: "APIView") -> list[dict[str, Any]]:
        return [
            _parameter("page", "Which page, from 1.", minimum=1, default=1, maximum=MAX_PAGE),
            _parameter("size", "Items on a page.", minimum=1, default=DEFAULT_SIZE, maximum=MAX_SIZE),
        ]


# The key is the first column; after it come those by which a list of distinct rows is sorted.
PAGE: Final = """
WITH found (listed_key) AS MATERIALIZED ({listed})
SELECT (SELECT count(*) FROM found), ARRAY(SELECT listed_key FROM found OFFSET {start} LIMIT {size})
"""


def _page_and_count(keys: QuerySet[Any, Any], start: int, size: int) -> tuple[list[Any], int]:
    """The keys of one page, and how many rows the list has, up to one more than are counted. One statement, which reads the list once."""
    try:
        listed, values = keys[: COUNT_CAP + 1].query.sql_with_params()
    except EmptyResultSet:
        return [], 0
    with connection.cursor() as cursor:
        cursor.execute(PAGE.format(listed=listed, start=start, size=size), values)
        count, ids = cursor.fetchone()
    return ids, count


def _whole(queryset: QuerySet[Model], ids: list[Any]) -> list[Model]:
    return list(queryset.order_by().filter(pk__in=ids)) if ids else []


def _parameter(name: str, description: str, **bounds: int) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "description": description, "schema": {"type": "integer", **bounds}}


def _numbers(request: Request) -> tuple[int, int]:
    """Page and size as asked. Raises Invalid naming each that does not do."""
    errors = [error for error in repeated_in(request.query_params) if error.loc[1] in PAGING]
    page = _number(request, "page", default=1, maximum=MAX_PAGE, errors=errors)
    size = _number(request, "size", default=DEFAULT_SIZE, maximum=MAX_SIZE, errors=errors)
    if errors:
        raise Invalid("There is no such page.", errors=errors)
    return page, size


def _number(request: Request, name: str, *, default: int, maximum: int, errors: list[FieldError]) -> int:
    text = request.query_params.get(name, str(default))
    if text.isascii() and text.isdigit() and len(text) < 12 and 1 <= int(text) <= maximum:
        return int(text)
    errors.append(FieldError(("query", name), "out_of_range", f"`{name}` is a whole number from 1 to {maximum:,}."))
    return default
