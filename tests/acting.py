"""Acting as the product's own role, on the connection of the test, which is the owner's: policies hold, and what was made is there."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from django.db import connection
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from config.database.base import ITSELF
from orgs import wall


@contextmanager
def as_application() -> Iterator[None]:
    """The block is done by the product's role."""
    with _as(wall.role()):
        yield


@contextmanager
def as_owner() -> Iterator[None]:
    """The block is done by the owner again."""
    with _as(ITSELF):
        yield


@contextmanager
def _as(role: str) -> Iterator[None]:
    before, connection.home_role = connection.home_role, role
    try:
        yield
    finally:
        connection.home_role = before


_acting: list[ExitStack] = []


def begin_acting(**_: object) -> None:
    """Every task is done by the product's role: a receiver of `task_prerun`."""
    _acting.append(ExitStack())
    _acting[-1].enter_context(as_application())


def end_acting(**_: object) -> None:
    """A receiver of `task_postrun`."""
    _acting.pop().close()


class ActingMiddleware:
    """The outermost middleware in tests: every request is answered by the product's role."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        with as_application():
            return self.get_response(request)
