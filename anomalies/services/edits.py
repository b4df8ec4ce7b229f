"""What people ask of anomalies, as values: the edit of one anomaly, its sleep, and what came of many edits."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from orgs.errors import FieldError
from orgs.moments import iso_millis

# Codes of refusals that say more than that a value does not do. Clients branch on them.
NOT_FOUND: Final = "not_found"
ARCHIVED: Final = "archived"
NOT_ARCHIVED: Final = "not_archived"
STALE: Final = "stale"
INVALID: Final = "invalid"
# What is said of them, wherever it is.
CHANGED_MEANWHILE: Final = "Somebody else changed the anomaly at the same time. Look at it again."
RESTORE_FIRST: Final = "The anomaly is archived. Restore it first, by setting its status to Acknowledged."


@dataclass(frozen=True)
class Snooze:
    """How long an anomaly sleeps: up to a moment, for so many more occurrences, until it weighs more, or until the value is back.

    Exactly one of the four is set.
    """

    until: datetime | None = None
    count: int | None = None
    weight: int | None = None
    back_in_band: bool = False

    @property
    def condition(self) -> dict[str, object]:
        """The one that is set, by its name, as JSON shows it."""
        if self.until is not None:
            return {"until": iso_millis(self.until)}
        if self.count is not None:
            return {"count": self.count}
        return {"weight": self.weight} if self.weight is not None else {"back_in_band": True}


@dataclass(frozen=True, kw_only=True)
class Edit:
    """What one call asks of one anomaly. What is None or empty leaves its part as it is, but for an empty `tags` or `assignees`.

    `status` is any of the six: an open one changes or restores (to Acknowledged), a reason archives or classifies anew. `tags` are
    names and `assignees` ids of users. `seen` are columns as the caller last read them: if they have changed since, nothing is done.
    `loc` is where the edit stands in the request, for errors.
    """

    anomaly_id: int
    status: str | None = None
    description: str | None = None
    tags: Collection[str] | None = None
    tags_add: Collection[str] = ()
    tags_remove: Collection[str] = ()
    assignees: Collection[int] | None = None
    assignees_add: Collection[int] = ()
    assignees_remove: Collection[int] = ()
    duplicate_of: int | None = None
    comment: str = ""
    mentioned: Sequence[int] = ()
    snooze: Snooze | None = None
    wake: bool = False
    remove: bool = False
    seen: Mapping[str, Any] = field(default_factory=dict)
    loc: tuple[str | int, ...] = ("body",)

    @property
    def tag_names(self) -> set[str]:
        return {*(self.tags or ()), *self.tags_add, *self.tags_remove}

    @property
    def new_assignees(self) -> set[int]:
        """Those who have to have access."""
        return {*(self.assignees or ()), *self.assignees_add}

    @property
    def touches_tags(self) -> bool:
        return self.tags is not None or bool(self.tags_add or self.tags_remove)

    @property
    def touches_assignees(self) -> bool:
        return self.assignees is not None or bool(self.assignees_add or self.assignees_remove)


@dataclass(frozen=True)
class Outcome:
    """What came of a call: its transaction id (None when nothing changed), the ids that changed, and refusals by place in the edits."""

    transaction_id: int | None = None
    changed: tuple[int, ...] = ()
    refused: Mapping[int, tuple[FieldError, ...]] = field(default_factory=dict)
