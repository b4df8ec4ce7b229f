"""Acting as the product's own role, on the connection of the test, which is the owner's: policies hold, and what was made is there."""

import copy
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from django.db import connection, connections
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from config.database.base import ITSELF, DatabaseWrapper
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
    """Nothing changes on a connection that is the product's own."""
    before, connection.home_role = connection.home_role, role if connection.settings_dict.get("AS_OWNER") else ITSELF
    try:
        yield
    finally:
        connection.home_role = before


@contextmanager
def connected_as(role: str, **pool: int):
    """`django.db.connection` as this role, while the block runs."""
    entry = copy.deepcopy(connection.settings_dict)
    entry |= {"USER": role, "AS_OWNER": False, "OPTIONS": {key: value for key, value in entry["OPTIONS"].items() if key != "pool"}}
    if pool:
        entry["OPTIONS"]["pool"] = pool
    owner, connections["default"] = connections["default"], DatabaseWrapper(entry, "default")
    owners_pool = DatabaseWrapper._connection_pools.pop("default", None)
    try:
        yield
    finally:
        connections["default"].close()
        connections["default"].close_pool()
        connections["default"] = owner
        if owners_pool:
            DatabaseWrapper._connection_pools["default"] = owners_pool


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
