"""From where a request comes."""

from django.conf import settings
from django.http import HttpRequest


def client_address(request: HttpRequest) -> str:
    """The address of the client. Behind a proxy it is what the proxy saw; a header that a client sends by itself counts for nothing."""
    if settings.SECURE_PROXY_SSL_HEADER is not None and (forwarded := request.headers.get("X-Forwarded-For")):
        return forwarded.rpartition(",")[2].strip()
    return str(request.META.get("REMOTE_ADDR", ""))
