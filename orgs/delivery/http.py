"""The way out to other people's servers. Where an address comes from a user, it may lead to no machine of our own network.

The host is looked up once; every address that it has must be public; the connection goes to the very address that was checked, so that a
name which changes its mind meanwhile leads nowhere. Redirects are not followed, proxies of the environment not used, and of the answer only
the beginning is read.
"""

import http.client
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult, urlsplit

TIMEOUT_S: Final = 10.0
# Of a whole request: who answers byte by byte keeps no worker.
DEADLINE_S: Final = 30.0
ANSWER_LIMIT: Final = 65_536
_PORTS: Final = {"http": 80, "https": 443}
_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")


class Unreachable(Exception):
    """Nothing was answered: the name is unknown, the connection failed, or it took too long. Another try may do."""


class Refused(Exception):
    """The address is none that we send to. Another try is of no use."""


@dataclass(frozen=True)
class Reply:
    """What a server answered: its status, its headers in lower case, the beginning of its body, and how long it took."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    took_ms: int


def request(method: str, url: str, *, body: bytes = b"", headers: Mapping[str, str] | None = None, trusted: bool = False) -> Reply:
    """The answer to one request. A `trusted` address is the operator's own and may be anywhere.

    Raises Refused for an address that is not public, Unreachable when there is no answer within TIMEOUT_S per step, or DEADLINE_S in all.
    """
    parts = _parts(url)
    began = time.monotonic()
    connection = _connection(parts, _address(parts, trusted=trusted))
    deadline = threading.Timer(DEADLINE_S, connection.cut)
    deadline.start()
    try:
        target = f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}"
        connection.request(method, target, body=body or None, headers={"User-Agent": "Plumbline", **(headers or {})})
        answer = connection.getresponse()
        told = {name.lower(): value for name, value in answer.getheaders()}
        start = answer.read(ANSWER_LIMIT)
        if connection.is_cut:
            raise TimeoutError
        return Reply(answer.status, told, start, round((time.monotonic() - began) * 1000))
    except (http.client.InvalidURL, ValueError) as exc:
        raise Refused("The address or what goes with it holds characters that cannot be sent.") from exc
    except (OSError, http.client.HTTPException) as exc:
        raise Unreachable(_words(exc)) from exc
    finally:
        deadline.cancel()
        connection.close()


def _parts(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as exc:
        raise Refused("The address cannot be read.") from exc
    if parts.scheme not in _PORTS or not parts.hostname:
        raise Refused("The address is no http or https one.")
    return parts


def _address(parts: SplitResult, *, trusted: bool) -> str:
    """The address to connect to: the first that the host has."""
    port = parts.port or _PORTS[parts.scheme]
    try:
        found = [str(entry[4][0]) for entry in socket.getaddrinfo(parts.hostname, port, type=socket.SOCK_STREAM)]
    except (OSError, UnicodeError) as exc:
        raise Unreachable("The name of the host is unknown.") from exc
    if not trusted and not all(is_public(address) for address in found):
        raise Refused("The address leads into a private network.")
    return found[0]


def is_public(address: str) -> bool:
    """Whether an IP address is one of the public net, also when it hides in an IPv6 address of another kind."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour or (ipaddress.IPv4Address(int(found) & 0xFFFFFFFF) if found in _NAT64 else None)
        if inner is not None:
            return inner.is_global and not inner.is_multicast
    return found.is_global and not found.is_multicast


class _Pinned(http.client.HTTPConnection):
    """Connects to `address`, whatever the host's name leads to by now."""

    def __init__(self, host: str, port: int, *, address: str, context: ssl.SSLContext | None) -> None:
        super().__init__(host, port, timeout=TIMEOUT_S)
        self.address, self.context = address, context
        self.opened: socket.socket | None = None
        self.is_cut = False

    def connect(self) -> None:
        self.sock = socket.create_connection((self.address, self.port), self.timeout)
        if self.context is not None:
            self.sock = self.context.wrap_socket(self.sock, server_hostname=self.host)
        self.opened = self.sock

    def cut(self) -> None:
        """Ends the request from another thread: whoever reads reads the end."""
        self.is_cut = True
        if self.opened is not None:
            with suppress(OSError):
                self.opened.shutdown(socket.SHUT_RDWR)


def _connection(parts: SplitResult, address: str) -> _Pinned:
    context = ssl.create_default_context() if parts.scheme == "https" else None
    return _Pinned(parts.hostname or "", parts.port or _PORTS[parts.scheme], address=address, context=context)


def _words(exc: Exception) -> str:
    """What went wrong, without a text that the other side could have chosen."""
    match exc:
        case TimeoutError():
            return f"No answer within {TIMEOUT_S:.0f} s."
        case ssl.SSLError():
            return "The certificate or the encryption does not do."
        case ConnectionRefusedError():
            return "The connection was refused."
        case _:
            return "The connection failed."
