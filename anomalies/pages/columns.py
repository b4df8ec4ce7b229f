"""Which columns the list has: chosen by each person for themselves."""

from collections.abc import Iterable
from typing import Final

from accounts.models import User

# Every column that one may leave out, in its place; what an anomaly is about always stands.
COLUMNS: Final = {
    "weight": "Weight", "evidence": "Evidence", "source": "Source", "status": "Status", "tags": "Tags", "assignees": "Assignees",
    "number": "Number", "score": "Score", "records": "Records", "age": "Age",
}  # fmt: skip
USUAL: Final = ("weight", "evidence", "source", "status", "tags", "assignees", "age")


def columns_of(user: User) -> tuple[str, ...]:
    """Those that the person has chosen, else the usual ones."""
    chosen = user.inbox_columns
    return USUAL if chosen is None else tuple(name for name in COLUMNS if name in chosen)


def choose_columns(user: User, names: Iterable[str] | None) -> None:
    """Keeps the choice; None goes back to the usual ones. What is no column is left out."""
    user.inbox_columns = None if names is None else [name for name in COLUMNS if name in set(names)]
    user.save(update_fields=["inbox_columns"])
