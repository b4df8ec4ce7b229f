"""What a service refuses, and why. Services raise these; each interface turns them into its own answer."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class FieldError:
    """One thing that is wrong with what was sent: where (`("body", 0, "status")`), a stable code, a sentence."""

    loc: tuple[str | int, ...]
    code: str
    msg: str


class DomainError(Exception):
    """A refusal with a reason. `detail` is one sentence that a person can act on and holds no secret."""

    status: ClassVar[int] = 400
    slug: ClassVar[str] = "bad-request"
    title: ClassVar[str] = "Bad request"

    def __init__(self, detail: str = "", *, errors: Sequence[FieldError] = ()) -> None:
        super().__init__(detail)
        self.detail = detail
        self.errors = tuple(errors)

    @property
    def in_full(self) -> str:
        """The refusal and everything that is wrong, where there are no fields to put it beside."""
        return " ".join(text for text in (self.detail, *(error.msg for error in self.errors)) if text)


class Malformed(DomainError):
    """The request cannot be read: a body that is no JSON, or that ended before it was complete."""

    slug, title = "malformed", "Malformed request"


class Forbidden(DomainError):
    """The caller may see the thing, but not do this to it."""

    status, slug, title = 403, "forbidden", "Not allowed"


class NotFound(DomainError):
    """There is no such thing, or it is not the caller's."""

    status, slug, title = 404, "not-found", "Not found"


class Conflict(DomainError):
    """The thing's state does not allow this now."""

    status, slug, title = 409, "conflict", "Conflict"


class StaleState(Conflict):
    """Somebody else changed the thing first."""

    slug, title = "stale-state", "Changed in the meantime"


class Archived(Conflict):
    """The anomaly is archived and has to be restored before it can be changed."""

    slug, title = "archived", "Archived"


class StaleVersion(DomainError):
    """`If-Match` names a version that is no longer the newest."""

    status, slug, title = 412, "stale-version", "Not the newest version"


class TooLarge(DomainError):
    """More was sent than is taken in one request."""

    status, slug, title = 413, "too-large", "Too large"


class UnsupportedForm(DomainError):
    """What was sent is written or packed in a form that is not taken here."""

    status, slug, title = 415, "unsupported-media-type", "Unsupported media type"


class Invalid(DomainError):
    """Well formed, but the values do not do; `errors` names each."""

    status, slug, title = 422, "invalid", "Invalid values"


class Unavailable(DomainError):
    """Something below is away for the moment; the same request may work in `retry_after_s` seconds."""

    status, slug, title = 503, "unavailable", "Unavailable for the moment"

    def __init__(self, detail: str = "", *, retry_after_s: int = 5) -> None:
        super().__init__(detail)
        self.retry_after_s = retry_after_s


class TooMany(DomainError):
    """Too often in too short a time; the same request may be done in `wait_s` seconds."""

    status, slug, title = 429, "too-many-requests", "Too many requests"

    def __init__(self, detail: str = "", *, wait_s: float = 1.0) -> None:
        super().__init__(detail)
        self.wait_s = wait_s
