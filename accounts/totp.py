"""Codes of an authenticator app: time-based one-time passwords (RFC 6238, on RFC 4226), pure."""

import base64
import hashlib
import hmac
import secrets
import struct
from typing import Final
from urllib.parse import quote, urlencode

PERIOD_S: Final = 30
DIGITS: Final = 6
# Clocks differ: the code before and the code after count too (RFC 6238, section 5.2).
TOLERANCE: Final = 1
SECRET_BYTES: Final = 20  # as long as the hash, which RFC 4226, section 4, asks for


def new_secret() -> bytes:
    return secrets.token_bytes(SECRET_BYTES)


def code_at(secret: bytes, step: int) -> str:
    """The code of the step: its HMAC-SHA-1, truncated to 31 bits at the place that the last nibble names (RFC 4226, section 5.3)."""
    mac = hmac.new(secret, struct.pack(">Q", step), hashlib.sha1).digest()
    at = mac[-1] & 0x0F
    number = struct.unpack(">I", mac[at : at + 4])[0] & 0x7FFF_FFFF
    return f"{number % 10**DIGITS:0{DIGITS}d}"


def step_at(unix_s: float) -> int:
    return int(unix_s // PERIOD_S)


def matching_step(secret: bytes, code: str, *, unix_s: float) -> int | None:
    """The step near now whose code this is, the newest of several; None for none. All are compared, in constant time."""
    here, found = step_at(unix_s), None
    for step in range(here - TOLERANCE, here + TOLERANCE + 1):
        if hmac.compare_digest(code_at(secret, step).encode(), code.encode()):
            found = step
    return found


def as_text(secret: bytes) -> str:
    """The secret as people type it into an app: base32 without padding."""
    return base64.b32encode(secret).decode().rstrip("=")


def as_address(secret: bytes, *, account: str, issuer: str) -> str:
    """The `otpauth:` address that an app reads from a QR code."""
    query = urlencode({"secret": as_text(secret), "issuer": issuer, "digits": DIGITS, "period": PERIOD_S}, quote_via=quote)
    return f"otpauth://totp/{quote(f'{issuer}:{account}', safe='@:')}?{query}"
