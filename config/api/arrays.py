"""Plain arrays of what hangs on one thing: page and size as elsewhere, the totals in headers."""

from typing import Any

from django.db.models import Model, QuerySet
from rest_framework.request import Request
from rest_framework.response import Response

from config.api.pagination import EnvelopePagination


def page_of(request: Request, queryset: QuerySet[Model], serializer: Any) -> Response:
    """A plain array with `X-Total-Count` and, in `Link`, the first, previous, next and last page."""
    pagination = EnvelopePagination()
    rows = pagination.paginate_queryset(queryset, request)
    headers = {"X-Total-Count": str(pagination.total)}
    if links := _links(request, pagination):
        headers["Link"] = links
    return Response(serializer(rows, many=True).data, headers=headers)


def _links(request: Request, pagination: EnvelopePagination) -> str:
    last = max(1, -(-pagination.total // pagination.size))
    here = pagination.page
    wanted = {"first": 1, "prev": here - 1, "next": here + 1, "last": last}
    return ", ".join(f'<{_address(request, page)}>; rel="{rel}"' for rel, page in wanted.items() if 1 <= page <= last and page != here)


def _address(request: Request, page: int) -> str:
    query = request.query_params.copy()
    query["page"] = str(page)
    return f"{request.path}?{query.urlencode()}"
