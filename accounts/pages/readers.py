"""Who looks at a page, and how."""

from django.http import HttpRequest

from accounts.models import User


def reader(request: HttpRequest) -> User:
    """The person behind the request. Pages are behind a login, so there is one."""
    user = request.user
    assert isinstance(user, User)  # noqa: S101 - LoginRequiredMiddleware stands before every page
    return user


def is_htmx(request: HttpRequest) -> bool:
    """Whether htmx asks: then the answer is put into the page that is there."""
    return bool(request.htmx)  # type: ignore[attr-defined]  # its middleware puts it there, and it has no types


def wants_part(request: HttpRequest) -> bool:
    """Whether htmx asks for the changing part alone. Where it only follows a link (boosted), the whole page is meant."""
    return is_htmx(request) and not request.htmx.boosted  # type: ignore[attr-defined]  # as above
