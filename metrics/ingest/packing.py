"""Compressed bodies, unpacked within a bound: a bomb is refused before or while it unpacks, never after."""

import zlib

import cramjam

from metrics.ingest.batch import UNPACKED_LIMIT, BadRequest


def unpack(body: bytes, encoding: str) -> bytes:
    """The plain message. The unpacked size is checked before anything is unpacked (snappy) or while it is (gzip). Raises BadRequest."""
    match encoding.strip().lower():
        case "" | "snappy":
            return _unsnapped(body)
        case "gzip":
            return unzipped(body)
        case other:
            raise BadRequest(f"Content-Encoding {other[:100]!r} is not supported: send snappy.", status=415)


def unzipped(body: bytes) -> bytes:
    """gzip, unpacked up to the limit. Raises BadRequest."""
    unpacker = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    try:
        plain = unpacker.decompress(body, UNPACKED_LIMIT)
    except zlib.error:
        raise BadRequest("The body is not valid gzip.") from None
    if unpacker.unconsumed_tail:
        raise _too_large()
    if not unpacker.eof:
        raise BadRequest("The body is not valid gzip: its end is missing.")
    return plain


def _unsnapped(body: bytes) -> bytes:
    try:
        if cramjam.snappy.decompress_raw_len(body) > UNPACKED_LIMIT:
            raise _too_large()
        return bytes(cramjam.snappy.decompress_raw(body))
    except cramjam.DecompressionError:
        raise BadRequest("The body is not a valid snappy block.") from None


def _too_large() -> BadRequest:
    return BadRequest(f"The unpacked body is larger than {UNPACKED_LIMIT} bytes: send smaller requests.", status=413)
