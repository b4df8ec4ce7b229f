"""Where a request's body is read from, and how long it is."""

import tempfile
from collections.abc import Callable
from typing import IO, Final, cast

from django.http import HttpRequest

from orgs.errors import Malformed, TooLarge

SPOOL_BYTES: Final = 1 << 20
WITH_BODY: Final = frozenset({"POST", "PUT", "PATCH", "DELETE"})


def is_undeclared(request: HttpRequest) -> bool:
    """Whether a body may come whose length nobody has told: in chunks, or over HTTP/2, where the server knows its end."""
    if request.META.get("CONTENT_LENGTH") or request.method not in WITH_BODY:
        return False
    return "chunked" in request.headers.get("Transfer-Encoding", "").lower() or bool(request.META.get("wsgi.input_terminated"))


class Whole:
    """A body of declared length. Reading it raises Malformed where it ends before, because the sender has gone."""

    def __init__(self, stream: IO[bytes], length: int) -> None:
        self.stream, self.left = stream, length

    def read(self, size: int = -1) -> bytes:
        piece = self.stream.read(size)
        self.left -= len(piece)
        if self.left > 0 and not piece and size != 0:
            raise Malformed("The body ended before its Content-Length. Nothing was taken: send it again.")
        return piece


def stream_of(request: HttpRequest) -> IO[bytes]:
    """The body as a stream, whether its length was declared or not. Read it in pieces: nothing bounds one of undeclared length."""
    # Django reads no body without a Content-Length; such a one is read from the server's own stream.
    if is_undeclared(request):
        return cast("IO[bytes]", request.META["wsgi.input"])
    return cast("IO[bytes]", Whole(cast("IO[bytes]", request), int(request.META.get("CONTENT_LENGTH") or 0)))


def hold_body(request: HttpRequest, *, limit: int, told: Callable[[bytes], object] = len) -> None:
    """Reads the body into a spool, which may grow beyond memory, and from which Django then reads; its length is known from then on.

    `told` gets each piece. Raises TooLarge beyond `limit` bytes.
    """
    spool = tempfile.SpooledTemporaryFile(max_size=SPOOL_BYTES)  # noqa: SIM115 - closed with the request
    stream = stream_of(request)
    while piece := stream.read(SPOOL_BYTES):
        told(piece)
        spool.write(piece)
        if spool.tell() > limit:
            spool.close()
            raise TooLarge(f"A body has at most {limit:,} bytes.")
    request.META["CONTENT_LENGTH"] = str(spool.tell())
    spool.seek(0)
    request._stream = spool  # type: ignore[assignment]  # what it is read from is no stub's business
    request._read_started = False  # type: ignore[attr-defined]  # Django's own mark
