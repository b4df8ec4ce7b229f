"""Whose web pages may speak with us: origins such as `https://app.example.com`, and patterns of them where a key allows those."""

import re
from collections.abc import Sequence
from typing import Final

from django.db import InterfaceError, OperationalError
from psycopg_pool import PoolTimeout

from orgs.errors import FieldError, Invalid
from orgs.models import Org
from orgs.remembered import Remembered
from orgs.tenancy import Reason, across

MOST: Final = 50
ANY: Final = "*"
_ORIGIN: Final = re.compile(r"(https?)://((?:[a-z0-9_-]+\.)*[a-z0-9_-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?")
_PATTERN: Final = re.compile(r"(https?)://((?:\*\.)?(?:[a-z0-9_-]+\.)*[a-z0-9_-]+|\[[0-9a-f:.]+\])(:(?:[0-9]{1,5}|\*))?")
_USUAL_PORTS: Final = {"http": ":80", "https": ":443"}
# A browser asks before it sends, and is not known then: whether any org names its origin is remembered for so long.
_known: Final = Remembered[str, bool](fresh_s=30.0, most=1_000)


def checked_origins(texts: Sequence[str], *, patterns: bool = False, field: str = "origins") -> list[str]:
    """The origins as browsers send them, each once. Raises Invalid naming each that is none.

    With `patterns`, `https://*.example.com` stands for every host below, `http://localhost:*` for every port, and `*` for any origin.
    """
    found, errors = list[str](), list[FieldError]()
    for at, text in enumerate(texts):
        origin = _normal(text, patterns=patterns)
        if origin is None:
            errors.append(
                FieldError(("body", field, at), "invalid_origin", f"{text.strip()[:100]!r} is no origin, such as https://app.example.com.")
            )
        elif origin not in found:
            found.append(origin)
    if len(found) > MOST:
        errors.append(FieldError(("body", field), "max_length", f"At most {MOST} origins."))
    if errors:
        raise Invalid("Some origins do not do.", errors=errors)
    return found


def _normal(text: str, *, patterns: bool) -> str | None:
    """Lower case, without a slash at the end and without the port that goes without saying."""
    plain = text.strip().lower().removesuffix("/")
    if patterns and plain == ANY:
        return plain
    match = (_PATTERN if patterns else _ORIGIN).fullmatch(plain)
    if match is None or len(plain) > 200:
        return None
    scheme, host, port = match.groups()
    return f"{scheme}://{host}{'' if port == _USUAL_PORTS[scheme] else port or ''}"


def fits(origin: str, patterns: Sequence[str]) -> bool:
    """Whether an origin, as a browser sent it, is one of `patterns`."""
    return any(_fits(origin, pattern) for pattern in patterns)


def _fits(origin: str, pattern: str) -> bool:
    if pattern == ANY:
        return _ORIGIN.fullmatch(origin) is not None
    regex = re.escape(pattern).replace(r"://\*\.", r"://(?:[a-z0-9_-]+\.)+").replace(r":\*", "(?::[0-9]{1,5})?")
    return re.fullmatch(regex, origin) is not None


def is_known(origin: str) -> bool:
    """Whether any org lets pages of this origin read; as it was at most half a minute ago."""
    try:
        return _known.answer(origin, _is_named)
    except (OperationalError, InterfaceError, PoolTimeout):
        return False  # the question is asked while a refusal is being written, too


def _is_named(origin: str) -> bool:
    with across(Reason.BROWSERS):
        return _ORIGIN.fullmatch(origin) is not None and Org.objects.filter(origins__len__gt=0, origins__contains=[origin]).exists()


def forget() -> None:
    """Drops what this process remembers of origins."""
    _known.forget()
