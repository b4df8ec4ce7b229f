"""Compressed bodies, unpacked within a bound: a bomb is refused before or while it unpacks, never after."""

import gzip
import zlib
from typing import IO, Final, cast

import cramjam

from metrics.ingest.batch import JSON_LIMIT, UNPACKED_LIMIT, BadRequest

_GZIP_MAGIC: Final = b"\x1f\x8b"
# Each costs a copy of what follows it, however little it holds.
_MEMBERS: Final = 1_000


def unpack(body: bytes, encoding: str) -> bytes:
    """The plain message of remote write. The unpacked size is checked before anything is unpacked (snappy) or while it is (gzip).

    Raises BadRequest.
    """
    match encoding.strip().lower():
        case "" | "snappy":
            return _unsnapped(body)
        case "gzip" | "x-gzip":
            return unzipped(body)
        case other:
            raise unknown_encoding(other, send="snappy")


def plain(body: bytes, encoding: str) -> bytes:
    """The JSON text of a body that may be gzip, which is recognised where it is not named. Raises BadRequest, 413 beyond JSON_LIMIT."""
    if is_gzip(encoding) or body[:2] == _GZIP_MAGIC:
        return unzipped(body, limit=JSON_LIMIT)
    if len(body) > JSON_LIMIT:
        raise _too_large(JSON_LIMIT)
    return body


def is_gzip(encoding: str) -> bool:
    """Whether a Content-Encoding says gzip, or nothing. Raises BadRequest 415 for another."""
    match encoding.strip().lower():
        case "gzip" | "x-gzip":
            return True
        case "" | "identity":
            return False
        case other:
            raise unknown_encoding(other, send="gzip, or plain text")


def unpacking(stream: IO[bytes], encoding: str) -> IO[bytes]:
    """The same for a stream, unpacked while it is read. Raises BadRequest 415; what is read raises BAD_GZIP where it is none."""
    return cast("IO[bytes]", gzip.GzipFile(fileobj=stream, mode="rb")) if is_gzip(encoding) else stream


# What reading a stream of `unpacking` raises.
BAD_GZIP: Final = (gzip.BadGzipFile, EOFError, zlib.error)


def unknown_encoding(encoding: str, *, send: str) -> BadRequest:
    return BadRequest(f"Content-Encoding {encoding[:100]!r} is not supported: send {send}.", status=415)


def unzipped(body: bytes, *, limit: int = UNPACKED_LIMIT) -> bytes:
    """gzip, all its members one after the other, unpacked up to the limit together. Raises BadRequest."""
    plain, rest = _member(body, room=limit, limit=limit)
    if not rest:
        return plain
    members, left = [plain], limit - len(plain)
    while rest := rest.lstrip(b"\0"):  # gzip allows zeros after a member
        if len(members) == _MEMBERS:
            raise BadRequest(f"The body has more than {_MEMBERS} gzip members: send it as one.")
        plain, rest = _member(rest, room=left, limit=limit)
        members.append(plain)
        left -= len(plain)
    return b"".join(members)


def _member(body: bytes, *, room: int, limit: int) -> tuple[bytes, bytes]:
    """The first member, unpacked, and what follows it. `room` is what is left of the limit."""
    unpacker = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    try:
        # One byte more than may come, since 0 stands for no limit.
        plain = unpacker.decompress(body, room + 1)
    except zlib.error:
        raise BadRequest("The body is not valid gzip.") from None
    if len(plain) > room:
        raise _too_large(limit)
    if not unpacker.eof:
        raise BadRequest("The body is not valid gzip: its end is missing.")
    return plain, unpacker.unused_data


def _unsnapped(body: bytes) -> bytes:
    try:
        if cramjam.snappy.decompress_raw_len(body) > UNPACKED_LIMIT:
            raise _too_large(UNPACKED_LIMIT)
        return bytes(cramjam.snappy.decompress_raw(body))
    except cramjam.DecompressionError:
        raise BadRequest("The body is not a valid snappy block.") from None


def _too_large(limit: int) -> BadRequest:
    return BadRequest(f"The unpacked body is larger than {limit} bytes: send smaller requests.", status=413)
