"""From where a secret may be used: networks in CIDR notation; none means anywhere."""

import ipaddress
from collections.abc import Sequence
from typing import Final

from orgs.errors import FieldError, Invalid

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
MAX_SOURCES: Final = 50


def checked_sources(texts: Sequence[str]) -> list[str]:
    """The networks as they are stored, such as `10.1.0.0/16` or `192.0.2.7/32`. Raises Invalid for what is none, or too many."""
    errors = []
    found: list[str] = []
    for at, text in enumerate(texts):
        try:
            found.append(str(ipaddress.ip_network(text.strip())))
        except ValueError:
            errors.append(FieldError(("body", "sources", at), "invalid_network", f"{text!r} is no network, such as 10.0.0.0/8."))
    if len(texts) > MAX_SOURCES:
        errors.append(FieldError(("body", "sources"), "max_length", f"At most {MAX_SOURCES} networks."))
    if errors:
        raise Invalid("The secret cannot be bound to these networks.", errors=errors)
    return list(dict.fromkeys(found))


def may_come_from(sources: Sequence[str], address: str) -> bool:
    """Whether a secret bound to `sources` may be used from `address`; an address that cannot be read may not."""
    if not sources:
        return True
    try:
        here = ipaddress.ip_address(address)
    except ValueError:
        return False
    plain = getattr(here, "ipv4_mapped", None) or here
    return any(plain in ipaddress.ip_network(source) for source in sources)


def is_within(sources: Sequence[str], bounds: Sequence[str]) -> bool:
    """Whether `sources` allow nothing that `bounds` do not allow."""
    if not bounds:
        return True
    outer = [ipaddress.ip_network(bound) for bound in bounds]
    return bool(sources) and all(any(_holds(bound, ipaddress.ip_network(source)) for bound in outer) for source in sources)


def _holds(bound: Network, inner: Network) -> bool:
    return bound.version == inner.version and inner.subnet_of(bound)  # type: ignore[arg-type]  # of one version, as the line says
