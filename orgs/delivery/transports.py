"""How a message looks to each service, and what its answer means. Pure but for the request itself."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

from django.conf import settings

from orgs.delivery import http
from orgs.models import Delivery
from orgs.sealing import UnsealedError, unseal

PURPOSE: Final = "channel"
APP_PURPOSE: Final = "service app"
SMS_LIMIT: Final = 320
RETRIED: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
# What Slack answers with 200 although nothing was posted, and that passes by itself.
SLACK_PASSING: Final = frozenset({"ratelimited", "internal_error", "fatal_error", "request_timeout", "service_unavailable"})
_FORM: Final = "application/x-www-form-urlencoded"
_JSON: Final = "application/json"


@dataclass(frozen=True)
class Verdict:
    """What came of one try. `again`: another may do, after `wait_s` if the service said so. `set_up`: whether there is a way to send it.

    `answer` is for everybody; `body`, what a server answered beside its status, for those who may know the channel's address.
    """

    ok: bool
    answer: str
    body: str = ""
    again: bool = False
    wait_s: int | None = None
    took_ms: int | None = None
    set_up: bool = True


def attempt(delivery: Delivery, token: bytes) -> Verdict:
    """Sends a delivery by its method; `token` is the sealed one of the org's app, empty for none."""
    try:
        if delivery.method == Delivery.Method.SMS:
            return _sms(delivery)
        if delivery.channel is None:
            return Verdict(ok=False, answer="The channel was let go of.")
        if delivery.channel.external_id:
            return _slack_app(delivery, delivery.channel.external_id, token)
        return _webhook(delivery, unseal(bytes(delivery.channel.sealed_url), purpose=PURPOSE).decode())
    except http.Unreachable as exc:
        return Verdict(ok=False, answer=str(exc), again=True)
    except http.Refused as exc:
        return Verdict(ok=False, answer=str(exc))
    except UnsealedError:
        return Verdict(ok=False, answer="The address was sealed with another key: connect the channel again.")


def _webhook(delivery: Delivery, url: str) -> Verdict:
    shown = slack_message(delivery) if delivery.method == Delivery.Method.SLACK else teams_message(delivery)
    reply = http.request("POST", url, body=_dumped(shown), headers={"Content-Type": _JSON}, trusted=is_trusted(url))
    return verdict_of(reply)


def _slack_app(delivery: Delivery, channel: str, token: bytes) -> Verdict:
    if not token:
        return Verdict(ok=False, answer="The org has no Slack app any more.", set_up=False)
    headers = {"Content-Type": f"{_JSON}; charset=utf-8", "Authorization": f"Bearer {unseal(token, purpose=APP_PURPOSE).decode()}"}
    body = _dumped({"channel": channel, **slack_message(delivery)})
    return slack_verdict(http.request("POST", f"{settings.SLACK_API_URL}/chat.postMessage", body=body, headers=headers, trusted=True))


def _sms(delivery: Delivery) -> Verdict:
    if not settings.SMS_URL:
        return Verdict(ok=False, answer="No SMS gateway is set up on this installation.", set_up=False)
    text = f"{delivery.title} {delivery.url}".strip()[:SMS_LIMIT]
    body, headers = sms_request(delivery.to, text)
    return verdict_of(http.request("POST", settings.SMS_URL, body=body, headers=headers, trusted=True))


def sms_request(to: str, text: str) -> tuple[bytes, dict[str, str]]:
    """Body and headers for the gateway: a form with To, From and Body and the user's password, or JSON with a bearer token."""
    if settings.SMS_FORMAT == "json":
        said = {"to": to, "from": settings.SMS_FROM, "text": text}
        return _dumped(said), {"Content-Type": _JSON, "Authorization": f"Bearer {settings.SMS_PASSWORD}"}
    user = base64.b64encode(f"{settings.SMS_USER}:{settings.SMS_PASSWORD}".encode()).decode()
    form = urlencode({"To": to, "From": settings.SMS_FROM, "Body": text}).encode()
    return form, {"Content-Type": _FORM, "Authorization": f"Basic {user}"}


def slack_message(delivery: Delivery) -> dict[str, Any]:
    """Title, text and link; `text` is what notifications and old clients show."""
    title, text = slack_escaped(delivery.title), slack_escaped(delivery.text)
    link = f"\n<{delivery.url}|Open in Plumbline>" if delivery.url else ""
    section = {"type": "section", "text": {"type": "mrkdwn", "text": f"*{title}*\n{text}{link}"[:3000]}}
    return {"text": f"{title} {text}".strip()[:3000], "blocks": [section], "unfurl_links": False}


def slack_escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def teams_message(delivery: Delivery) -> dict[str, Any]:
    """An Adaptive Card, as the Workflows webhook takes it."""
    body = [
        {"type": "TextBlock", "text": delivery.title, "weight": "Bolder", "size": "Medium", "wrap": True},
        {"type": "TextBlock", "text": delivery.text, "wrap": True},
    ]
    actions = [{"type": "Action.OpenUrl", "title": "Open in Plumbline", "url": delivery.url}] if delivery.url else []
    card = {"type": "AdaptiveCard", "version": "1.4", "body": body, "actions": actions}
    return {"type": "message", "attachments": [{"contentType": "application/vnd.microsoft.card.adaptive", "content": card}]}


def verdict_of(reply: http.Reply) -> Verdict:
    """Any 2xx is delivered. 3xx is a failure: nothing is sent to where an answer points."""
    body = reply.body[:900].decode(errors="replace").replace("\x00", "").strip()
    if 200 <= reply.status < 300:
        return Verdict(ok=True, answer=str(reply.status), body=body, took_ms=reply.took_ms)
    again, wait_s = reply.status in RETRIED, _wait(reply.headers)
    return Verdict(ok=False, answer=str(reply.status), body=body, again=again, wait_s=wait_s, took_ms=reply.took_ms)


def slack_verdict(reply: http.Reply) -> Verdict:
    """Slack's methods answer 200 and say in the body whether it was done."""
    plain = verdict_of(reply)
    if not plain.ok:
        return plain
    try:
        said = json.loads(reply.body)
    except ValueError:
        return Verdict(ok=False, answer=plain.answer, body=plain.body, again=True, took_ms=reply.took_ms)
    if isinstance(said, dict) and said.get("ok") is True:
        return Verdict(ok=True, answer=str(reply.status), took_ms=reply.took_ms)
    error = str(said.get("error", ""))[:200] if isinstance(said, dict) else ""
    return Verdict(ok=False, answer=f"Slack refused: {error or 'no reason given'}", again=error in SLACK_PASSING, took_ms=reply.took_ms)


def _wait(headers: Mapping[str, str]) -> int | None:
    said = headers.get("retry-after", "")
    return min(int(said), 3600) if said.isascii() and said.isdigit() and len(said) < 6 else None


def is_trusted(url: str) -> bool:
    """Whether the operator has named this host: then it may be on the own network."""
    return urlsplit(url).netloc.rpartition("@")[2].lower() in settings.WEBHOOK_HOSTS


def _dumped(said: Mapping[str, Any]) -> bytes:
    return json.dumps(said, ensure_ascii=False).encode()
