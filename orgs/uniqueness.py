"""What must be unique is asked of the database, which also knows what somebody else writes at this moment."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import IntegrityError, transaction

from orgs.errors import Conflict


@contextmanager
def conflict_if_taken(detail: str) -> Iterator[None]:
    """Raises Conflict with these words where the block writes what another row has already; what it wrote is undone then."""
    try:
        with transaction.atomic():
            yield
    except IntegrityError as exc:
        raise Conflict(detail) from exc
