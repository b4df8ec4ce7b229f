"""Where a request's body is read from."""

from typing import IO, cast

from django.http import HttpRequest


def stream_of(request: HttpRequest) -> IO[bytes]:
    """The body as a stream, whether its length was declared or it comes in chunks. Read it in pieces: nothing bounds a chunked one."""
    # Django reads no body without a Content-Length; a chunked one is read from the server's own stream.
    is_chunked = not request.META.get("CONTENT_LENGTH") and "chunked" in request.headers.get("Transfer-Encoding", "").lower()
    return cast("IO[bytes]", request.META["wsgi.input"] if is_chunked else request)
