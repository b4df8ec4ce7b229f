"""Secrets that are shown once: how they are made, and the keyed hash that is stored in their place."""

import hashlib
import hmac
import secrets
import string

from django.conf import settings

ALPHANUMERICS = string.ascii_letters + string.digits


def digest_of(secret: str) -> bytes:
    """The keyed hash (HMAC-SHA256 with the pepper) of a token, 32 bytes. Secrets have >= 128 random bits, so no slow hash is needed."""
    # What JSON can hold beside characters (a half of one) is in no secret, and must not stop who asks.
    return hmac.new(settings.TOKEN_PEPPER.encode(), secret.encode(errors="replace"), hashlib.sha256).digest()


def new_org_token() -> str:
    return secrets.token_hex(16)


def new_ingest_key() -> str:
    return "".join(secrets.choice(ALPHANUMERICS) for _ in range(32))


def new_public_key() -> str:
    """Begins with `pub`, so that one sees in the source of a page that it is meant to be there."""
    return "pub" + "".join(secrets.choice(ALPHANUMERICS) for _ in range(29))


def new_bearer_token() -> str:
    """`plb_<key id>_<secret>`: the key id makes a leaked token findable by secret scanners and in lists."""
    return f"plb_{secrets.token_hex(4)}_{secrets.token_urlsafe(32).replace('_', '-')}"


def is_bearer_token(secret: str) -> bool:
    """Whether it is made as a person's token is, which no other secret is: no other table need be asked."""
    return secret.startswith("plb_")


def prefix_of(secret: str) -> str:
    """What lists may show of a secret: enough to tell two apart, too little to use."""
    return secret[:12] if is_bearer_token(secret) else secret[:6]
