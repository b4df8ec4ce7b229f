"""Idempotency-Key: a POST that is sent twice happens once, and is answered twice alike for a day.

The answers are in PostgreSQL, not in Redis, which may be emptied at any time. They are sealed, since one may hold a secret that is
shown once.
"""

import hashlib
import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import orjson
from django.db import InterfaceError, OperationalError, connection
from django.http import HttpResponseBase
from django.utils import timezone
from rest_framework.exceptions import ParseError
from rest_framework.request import Request
from rest_framework.response import Response

from config.api.authentication import caller_of
from config.api.bodies import hold_body
from orgs.errors import Conflict, FieldError, Invalid
from orgs.models import IdempotentAnswer
from orgs.sealing import UnsealedError, seal, unseal

log = logging.getLogger(__name__)

LIFE: Final = timedelta(hours=24)
# A first call that neither answered nor failed after so long died with its process; its key is free again.
RUNNING_LIFE: Final = timedelta(minutes=5)
MAX_KEY: Final = 255
PURPOSE: Final = "idempotent answer"
KEPT_HEADERS: Final = ("Content-Type", "ETag", "Location")

CLAIM: Final = """
INSERT INTO orgs_idempotentanswer (org_id, caller, key, digest, status, headers, body, created)
VALUES (%(org)s, %(caller)s, %(key)s, %(digest)s, NULL, '{}', '', %(now)s)
ON CONFLICT (org_id, caller, key) DO UPDATE
   SET digest = EXCLUDED.digest, status = NULL, headers = '{}', body = '', created = EXCLUDED.created
 WHERE orgs_idempotentanswer.created < %(dead)s
    OR orgs_idempotentanswer.status IS NULL AND orgs_idempotentanswer.created < %(abandoned)s
RETURNING id
"""
CLEAN: Final = "DELETE FROM orgs_idempotentanswer WHERE id IN (SELECT id FROM orgs_idempotentanswer WHERE created < %s LIMIT 50)"


class Replay(Exception):  # noqa: N818 - no error: the answer of the first call, on its way out
    def __init__(self, response: Response) -> None:
        super().__init__()
        self.response = response


@dataclass(frozen=True)
class Claim:
    """This request is the first with its key, and its answer is to be kept under `pk`."""

    pk: int


def begin(request: Request, *, limit: int) -> None:
    """Claims the request's key, after reading a body of at most `limit` bytes.

    Raises Replay with the kept answer, Conflict while the first call runs, Invalid for another body, TooLarge.
    """
    key = request.headers.get("Idempotency-Key")
    if request.method != "POST" or key is None:
        return
    if not 1 <= len(key) <= MAX_KEY or not key.isprintable():
        raise ParseError(f"An Idempotency-Key has 1 to {MAX_KEY} printable characters.")
    digest, now = _digest(request, limit=limit), timezone.now()
    claimed = _claim(request, key=key, digest=digest, now=now)
    if claimed is None:
        _answer_again(request, key=key, digest=digest)
    else:
        request._request.idempotency_claim = Claim(claimed)  # type: ignore[attr-defined]  # for `finish`


def _digest(request: Request, *, limit: int) -> bytes:
    """Of method, address, type and body."""
    said = hashlib.sha256(f"{request.method} {request.get_full_path()} {request.content_type}\n".encode())
    hold_body(request._request, limit=limit, told=said.update)
    return said.digest()


def org_of(request: Request) -> int:
    return request.user.org_id  # type: ignore[union-attr]  # permissions have let no anonymous caller through


def _claim(request: Request, *, key: str, digest: bytes, now: datetime) -> int | None:
    values: dict[str, Any] = {"org": org_of(request), "caller": caller_of(request), "key": key, "digest": digest, "now": now}
    with connection.cursor() as cursor:
        cursor.execute(CLEAN, [now - LIFE])
        cursor.execute(CLAIM, values | {"dead": now - LIFE, "abandoned": now - RUNNING_LIFE})
        row = cursor.fetchone()
    return None if row is None else int(row[0])


def _answer_again(request: Request, *, key: str, digest: bytes) -> None:
    kept = IdempotentAnswer.objects.filter(org=org_of(request), caller=caller_of(request), key=key).first()
    if kept is None:
        raise Conflict("The first request with this Idempotency-Key has just failed. Try again.")
    if bytes(kept.digest) != digest:
        msg = "This key was used for another request in the last 24 hours."
        raise Invalid(
            "The Idempotency-Key does not fit this request.", errors=[FieldError(("header", "Idempotency-Key"), "key_reused", msg)]
        )
    if kept.status is None:
        raise Conflict("The first request with this Idempotency-Key is still running. Try again shortly.")
    raise Replay(_kept_response(kept))


def _kept_response(kept: IdempotentAnswer) -> Response:
    try:
        body = unseal(bytes(kept.body), purpose=PURPOSE)
    except UnsealedError as exc:
        raise Conflict("This was done, but its answer can no longer be read: the installation's key has changed. Look it up.") from exc
    response = Response(orjson.loads(body) if body else None, status=kept.status, headers={**kept.headers, "Idempotent-Replayed": "true"})
    response.content_type = kept.headers.get("Content-Type")
    return response


def finish(request: Request, response: HttpResponseBase) -> None:
    """Keeps the answer of a claimed request once it is rendered; an answer that says "try again" frees the key instead."""
    claim: Claim | None = getattr(request._request, "idempotency_claim", None)
    if claim is None:
        return
    if response.status_code >= 500 or response.status_code in (401, 403, 429):
        _free(claim)
    elif isinstance(response, Response):
        response.add_post_render_callback(lambda rendered: _keep(claim, rendered))


def _free(claim: Claim) -> None:
    try:
        IdempotentAnswer.objects.filter(pk=claim.pk).delete()
    except (OperationalError, InterfaceError):
        # The caller has an answer that says what is wrong; the key is free again after RUNNING_LIFE.
        log.warning("an Idempotency-Key could not be freed", exc_info=True)


def _keep(claim: Claim, response: Response) -> None:
    headers = {name: response[name] for name in KEPT_HEADERS if name in response}
    sealed = seal(bytes(response.content), purpose=PURPOSE)
    try:
        IdempotentAnswer.objects.filter(pk=claim.pk).update(status=response.status_code, headers=headers, body=sealed)
    except (OperationalError, InterfaceError):
        # The work is done and the caller gets its answer; only a repeat within the next minutes will be told "still running".
        log.warning("an answer with an Idempotency-Key could not be kept", exc_info=True)
