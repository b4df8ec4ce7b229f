"""Secrets that have to be read again: sealed with AES-GCM, so that a dump of the database shows none."""

import os
from functools import lru_cache
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

KEY_ID: Final = b"\x01"
_NONCE: Final = 12


class UnsealedError(ValueError):
    """The text was not sealed with this installation's key, or was altered."""


def seal(text: bytes, *, purpose: str) -> bytes:
    """`text` sealed under a key of its own per `purpose`: key id, nonce, ciphertext and tag."""
    nonce = os.urandom(_NONCE)
    return KEY_ID + nonce + _cipher(settings.TOKEN_PEPPER, purpose).encrypt(nonce, text, KEY_ID)


def unseal(sealed: bytes, *, purpose: str) -> bytes:
    """What was sealed for `purpose`. Raises UnsealedError."""
    key_id, nonce, body = sealed[:1], sealed[1 : 1 + _NONCE], sealed[1 + _NONCE :]
    if key_id != KEY_ID or len(nonce) < _NONCE:
        raise UnsealedError("of another key")
    try:
        return _cipher(settings.TOKEN_PEPPER, purpose).decrypt(nonce, body, KEY_ID)
    except InvalidTag as exc:
        raise UnsealedError("altered") from exc


@lru_cache(maxsize=16)
def _cipher(pepper: str, purpose: str) -> AESGCM:
    return AESGCM(HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=f"plumbline {purpose}".encode()).derive(pepper.encode()))
