"""Fingerprints: the number of the problem of which an anomaly is one occurrence."""

import hashlib
from collections.abc import Iterable
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Final

# JSON readers that know only float64 read whole numbers exactly up to here.
EXACT_BITS: Final = 53


def metric_fingerprint(metric_id: int, *, direction: str, pattern: int | None = None) -> int:
    """The same problem of the same series: a number in [0, 2^53), equal in every process and after every restart.

    `pattern` is the group of trained shapes that it matched, if any.
    """
    return hashed(f"metric\n{metric_id}\n{direction}\n{pattern or ''}".encode())


def record_fingerprint(container_id: int, *, key: bytes, check_ids: Iterable[int]) -> int:
    """The same row that fails the same checks. `key` is `canonical` of what the row is known by: identifiers, or else every value."""
    return hashed(b"record\n%d\n%s\n" % (container_id, listed(check_ids)) + key)


def shape_fingerprint(container_id: int, *, check_ids: Iterable[int], high_water: object = None) -> int:
    """The same checks failed by the table as a whole, whatever the share; with an incremental identifier, up to the same mark of it."""
    mark = b"" if high_water is None else canonical(high_water)
    return hashed(b"shape\n%d\n%s\n" % (container_id, listed(check_ids)) + mark)


def hashed(text: bytes) -> int:
    digest = hashlib.blake2b(text, digest_size=8).digest()
    return int.from_bytes(digest, "big") >> (64 - EXACT_BITS)


def listed(ids: Iterable[int]) -> bytes:
    return ",".join(map(str, sorted(ids))).encode()


def canonical(value: object) -> bytes:
    """One value as bytes that no other value has: equal for what is equal, in every process and from every engine that reads it.

    Numbers are equal across int, float and Decimal (5, 5.0, 5.00), and times with an offset across zones.
    """
    kind, text = _said(value)
    return b"%b%d:%b" % (kind, len(text), text)


def _said(value: object) -> tuple[bytes, bytes]:
    match value:
        case None:
            return b"n", b""
        case bool():
            return b"b", b"1" if value else b"0"
        case int() | float() | Decimal():
            return b"d", _number(value)
        case str():
            return b"s", value.encode("utf-8", "surrogatepass")
        case bytes() | bytearray() | memoryview():
            return b"x", bytes(value)
        case datetime():
            return b"t", (value.astimezone(UTC) if value.tzinfo else value).isoformat().encode()
        case date() | time():
            return b"c", value.isoformat().encode()
        case dict():
            return b"m", b"".join(canonical(str(name)) + canonical(value[name]) for name in sorted(value, key=str))
        case list() | tuple():
            return b"l", b"".join(map(canonical, value))
        case _:
            return b"o", str(value).encode("utf-8", "surrogatepass")


def _number(value: float | Decimal) -> bytes:
    """Sign, digits without the zeros at their end, and exponent."""
    number = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    if not number.is_finite():
        return str(number).lower().encode()
    sign, digits, exponent = number.as_tuple()
    text = "".join(map(str, digits)).lstrip("0")
    kept = text.rstrip("0")
    return f"{'-' if sign and kept else ''}{kept}e{int(exponent) + len(text) - len(kept) if kept else 0}".encode()
