"""Slack's Web API, as far as an org's app needs it: whose workspace a token is for, and which channels it can write to."""

import json
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

from django.conf import settings

from orgs.delivery import http
from orgs.errors import Conflict, Unavailable

MOST_PAGES: Final = 20
PAGE_SIZE: Final = 200


@dataclass(frozen=True)
class SlackChannel:
    """A channel as Slack knows it: its id and its name with the `#`."""

    id: str
    name: str


def workspace_of(token: str) -> str:
    """The name of the workspace that a token belongs to. Raises Conflict for a token that Slack refuses, Unavailable without an answer."""
    return str(_call(token, "auth.test").get("team", ""))[:200]


def channels_of(token: str) -> list[SlackChannel]:
    """Every public channel, and the private ones that the app was invited to. Raises as `workspace_of`."""
    found: list[SlackChannel] = []
    cursor = ""
    for _ in range(MOST_PAGES):
        asked = {"types": "public_channel,private_channel", "exclude_archived": "true", "limit": str(PAGE_SIZE), "cursor": cursor}
        said = _call(token, "conversations.list", **asked)
        found += [SlackChannel(str(one["id"])[:64], f"#{one['name']}"[:200]) for one in said.get("channels", [])]
        cursor = str(said.get("response_metadata", {}).get("next_cursor", ""))
        if not cursor:
            break
    return found


def _call(token: str, method: str, **asked: str) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/x-www-form-urlencoded"}
    url, body = f"{settings.SLACK_API_URL}/{method}", urlencode(asked).encode()
    try:
        reply = http.request("POST", url, body=body, headers=headers, trusted=True)
    except (http.Unreachable, http.Refused) as exc:
        raise Unavailable(f"Slack does not answer: {exc}") from exc
    try:
        said = json.loads(reply.body)
    except ValueError:
        said = None
    if reply.status == 429 or reply.status >= 500 or not isinstance(said, dict):
        raise Unavailable(f"Slack answered {reply.status}. Try again later.", retry_after_s=30)
    if said.get("ok") is not True:
        raise Conflict(f"Slack refused the app's token: {str(said.get('error', 'no reason given'))[:100]}.")
    return said
