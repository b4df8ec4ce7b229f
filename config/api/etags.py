"""Versions of single resources: ETag, If-Match, If-None-Match."""

import hashlib
from collections.abc import Collection, Mapping
from typing import Any, Final

from django.utils.http import parse_etags
from rest_framework.request import Request

from config.api.renderers import to_json
from orgs.errors import StaleVersion

CHANGING: Final = ("POST", "PUT", "PATCH", "DELETE")


def etag_of(shown: Mapping[str, Any], *, without: Collection[str] = ()) -> str:
    """A strong ETag of what the API shows of a thing, `without` what changes by being looked at."""
    lasting = {name: value for name, value in shown.items() if name not in without}
    return f'"{hashlib.blake2b(to_json(lasting), digest_size=12).hexdigest()}"'


def asks_for_version(request: Request) -> bool:
    """Whether the request is only for certain versions; `*` means any that exists, which a found row satisfies."""
    return request.headers.get("If-Match", "*").strip() != "*"


def refuse_if_match(request: Request) -> None:
    """Raises StaleVersion if If-Match names versions: of what changes many things, or makes one, there is none that it could name."""
    if request.method in CHANGING and asks_for_version(request):
        raise StaleVersion("Nothing was changed: this call has no version that If-Match could name. Send it without that header.")


def check_if_match(request: Request, etag: str) -> None:
    """Raises StaleVersion if the request names versions in If-Match and `etag` is none of them."""
    if asks_for_version(request) and etag not in parse_etags(request.headers["If-Match"]):
        raise StaleVersion("This has changed since you read it. Read it again and repeat the change.")


def is_known(request: Request, etag: str) -> bool:
    """Whether If-None-Match says that the caller has this version already."""
    header = request.headers.get("If-None-Match", "")
    return header.strip() == "*" or etag in [known.removeprefix("W/") for known in parse_etags(header)]
