"""Sends what a curl command says: the examples of the anomalies API are tested as they are written."""

import shlex
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from django.http import HttpResponse
from django.test import Client


@dataclass(frozen=True)
class Sent:
    """One HTTP request."""

    method: str
    path: str
    headers: dict[str, str] = field(default_factory=dict)
    body: str = ""


def read(command: str) -> Sent:
    """The request of `curl -X METHOD URL -H ... -d ...`."""
    words = iter(shlex.split(command.replace("\\\n", " "))[1:])
    method, path, headers, body = "GET", "", {}, ""
    for word in words:
        match word:
            case "-X":
                method = next(words)
            case "-H":
                name, _, value = next(words).partition(": ")
                headers[name] = value
            case "-d":
                body = next(words)
            case _:
                address = urlsplit(word)
                path = address.path + (f"?{address.query}" if address.query else "")
    return Sent(method, path, headers, body)


def curl(command: str, *, token: str) -> HttpResponse:
    """The answer to the command, with the caller's token in the place of YOUR_TOKEN."""
    sent = read(command)
    headers = {name: value.replace("YOUR_TOKEN", token) for name, value in sent.headers.items()}
    kind = headers.pop("Content-Type", "application/octet-stream")
    return Client(raise_request_exception=False).generic(sent.method, sent.path, sent.body, content_type=kind, headers=headers)
