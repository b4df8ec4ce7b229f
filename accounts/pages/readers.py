"""Who looks at a page."""

from django.http import HttpRequest

from accounts.models import User


def reader(request: HttpRequest) -> User:
    """The person behind the request. Pages are behind a login, so there is one."""
    user = request.user
    assert isinstance(user, User)  # noqa: S101 - LoginRequiredMiddleware stands before every page
    return user
