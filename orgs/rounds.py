"""Work that comes round again for many people or orgs."""

import logging
from collections.abc import Callable, Iterable
from typing import TypeVar

from celery.exceptions import SoftTimeLimitExceeded

Thing = TypeVar("Thing")
Made = TypeVar("Made")
log = logging.getLogger(__name__)


def one_by_one(things: Iterable[Thing], do: Callable[[Thing], Made]) -> list[Made]:
    """What `do` makes of each thing. Whatever is wrong with one is logged, and those after it have their turn.

    Raises SoftTimeLimitExceeded, which ends the round.
    """
    made = []
    for thing in things:
        try:
            made.append(do(thing))
        except SoftTimeLimitExceeded:
            raise
        except Exception:
            log.exception("%s failed for %r", do.__qualname__, thing)
    return made
