"""/js/eventsender: the script by which web pages count."""

import hashlib
from functools import cache
from typing import Final
from urllib.parse import urlencode

from django.conf import settings
from django.http import HttpResponse

from config.api.renderers import to_json
from config.api.session import Call, Kind, endpoint
from config.api.session.parameters import Text
from metrics.ingest.public_keys import KEY_LIMIT, page_sender_of
from orgs.errors import NotFound

SCRIPT: Final = settings.BASE_DIR / "static" / "js" / "eventsender.js"
KEPT_S: Final = 3600


@endpoint(
    "/js/eventsender",
    kind=Kind.GET,
    knows_caller=False,
    has_session=False,
    produces="application/javascript",
    parameters=(Text(name="key", required=True, limit=KEY_LIMIT, help="A public key, made in the settings under Keys."),),
)
def eventsender(call: Call, *, key: str) -> HttpResponse:
    """The script by which a web page counts: `plumbline.increment(name, n)`, `plumbline.gauge(name, value)`, `plumbline.event(name, meta)`.

    It sends once a minute and when the page is left, sets no cookie, and counts nobody who asks not to be tracked.
    Pages of the key's origins may use it; per key there are limits on how often is sent and on how many series come to be.
    """
    if page_sender_of(key) is None:
        raise NotFound("There is no such public key, or it was revoked.")
    body = script_with(key)
    answer = HttpResponse(body, content_type="application/javascript; charset=utf-8")
    answer["Cache-Control"] = f"public, max-age={KEPT_S}"
    answer["ETag"] = f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'
    # Pages of other origins load it; that is what it is for. It says nothing that the page's own source does not say.
    answer["Cross-Origin-Resource-Policy"] = "cross-origin"
    answer["Access-Control-Allow-Origin"] = "*"
    return answer


def script_with(key: str) -> bytes:
    config = {"host": settings.BASE_URL, "path": f"/api/ingest/events?{urlencode({'key': key})}"}
    return b"%s(%s);\n" % (_script(), to_json(config))


@cache
def _script() -> bytes:
    return SCRIPT.read_bytes().rstrip()
