"""Acting as the product's own role, on the connection of the test, which is the owner's: policies hold, and what was made is there."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.db import connection
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from orgs import wall


@contextmanager
def as_application() -> Iterator[None]:
    before, connection.home_role = connection.home_role, wall.role()
    try:
        yield
    finally:
        connection.home_role = before


class ActingMiddleware:
    """The outermost middleware in tests: every request is answered by the product's role."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        with as_application():
            return self.get_response(request)
