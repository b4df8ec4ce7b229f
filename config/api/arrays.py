"""Plain arrays of what hangs on one thing: page and size as elsewhere, the totals in headers."""

from typing import Any, Final

from django.db.models import Model, QuerySet
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request
from rest_framework.response import Response

from config.api.pagination import EnvelopePagination

PAGE_PARAMETERS: Final = (
    OpenApiParameter("page", OpenApiTypes.INT, description="Which page, from 1."),
    OpenApiParameter("size", OpenApiTypes.INT, description="Entries on a page, 1 to 100; 50 without it."),
)


def array_page(request: Request, queryset: QuerySet[Model], serializer: Any) -> Response:
    """A plain array with `X-Total-Count` and, in `Link`, the first, previous, next and last page.

    Where counting stopped, the number is a lower bound and no page is known to be the last; the next is there as long as rows come.
    """
    pagination = EnvelopePagination()
    rows = pagination.paginate_queryset(queryset, request)
    headers = {"X-Total-Count": str(pagination.total)}
    if links := _links(request, pagination, shown=len(rows)):
        headers["Link"] = links
    return Response(serializer(rows, many=True).data, headers=headers)


def _links(request: Request, pagination: EnvelopePagination, *, shown: int) -> str:
    here, last = pagination.page, max(1, -(-pagination.total // pagination.size))
    wanted = {"first": 1, "prev": here - 1}
    if pagination.capped:
        wanted |= {"next": here + 1} if shown else {}
        last = here + 1
    else:
        wanted |= {"next": here + 1, "last": last}
    return ", ".join(f'<{_address(request, page)}>; rel="{rel}"' for rel, page in wanted.items() if 1 <= page <= last and page != here)


def _address(request: Request, page: int) -> str:
    query = request.query_params.copy()
    query["page"] = str(page)
    return f"{request.path}?{query.urlencode()}"
