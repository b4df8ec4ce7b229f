"""Fingerprints: the number of the problem of which an anomaly is one occurrence."""

import hashlib
from typing import Final

# JSON readers that know only float64 read whole numbers exactly up to here.
EXACT_BITS: Final = 53


def metric_fingerprint(metric_id: int, *, direction: str, pattern: int | None = None) -> int:
    """The same problem of the same series: a number in [0, 2^53), equal in every process and after every restart.

    `pattern` is the group of trained shapes that it matched, if any.
    """
    canonical = f"metric\n{metric_id}\n{direction}\n{pattern or ''}"
    digest = hashlib.blake2b(canonical.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> (64 - EXACT_BITS)
