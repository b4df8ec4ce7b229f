"""CloudEvents 1.0 as markers: what a pipeline or a registry tells, in the words of the feed. Pure."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from orgs.errors import FieldError, Invalid
from orgs.models import Event

SPEC_VERSION: Final = "1.0"
PREFIX: Final = "ce-"
REQUIRED: Final = ("id", "source", "type")
# A type with one of these words tells of software that was put into place.
DEPLOYS: Final = re.compile(r"deploy|release|rollout|rolled|upgrade|publish", re.IGNORECASE)
NAME_LIMIT: Final = 200
_VALUE_LIMIT: Final = 2000


@dataclass(frozen=True)
class Marker:
    """What an event says. `external_id` is the same for the same event, however often it is told."""

    type: str
    name: str
    description: str
    url: str
    time: str
    external_id: str


def attributes_of(headers: Mapping[str, str]) -> dict[str, str]:
    """The attributes of an event in binary mode, from its headers `ce-*`."""
    return {name.lower().removeprefix(PREFIX): value for name, value in headers.items() if name.lower().startswith(PREFIX)}


def marker_of(attributes: Mapping[str, Any], data: Any) -> Marker:
    """The marker that an event makes. Raises Invalid naming every attribute that does not do; `time` is not looked at."""
    if wrong := _wrong(attributes):
        raise Invalid("This is no CloudEvent of version 1.0.", errors=wrong)
    details = data if isinstance(data, Mapping) else {}
    named = _first(details, "name", "title") or str(attributes.get("subject") or "") or _subject_of(details) or str(attributes["type"])
    told = _first(details, "type")
    kind = told if told in [str(kind) for kind in Event.POSTED] else "deploy" if DEPLOYS.search(str(attributes["type"])) else "marker"
    identity = f"{attributes['source']}\x00{attributes['id']}"
    return Marker(
        type=kind,
        name=named.strip()[:NAME_LIMIT],
        description=_first(details, "description", "message"),
        url=_first(details, "url", "html_url", "link"),
        time=str(attributes.get("time") or ""),
        external_id=hashlib.sha256(identity.encode(errors="replace")).hexdigest(),
    )


def _wrong(attributes: Mapping[str, Any]) -> list[FieldError]:
    errors = []
    if attributes.get("specversion") != SPEC_VERSION:
        errors.append(FieldError(("body", "specversion"), "invalid_choice", f"Only version {SPEC_VERSION} is understood."))
    for name in REQUIRED:
        value = attributes.get(name)
        if not isinstance(value, str) or not value.strip():
            errors.append(FieldError(("body", name), "required", "A CloudEvent needs this attribute, as text."))
    for name in (*REQUIRED, "subject", "time"):
        value = attributes.get(name)
        if value is not None and (not isinstance(value, str) or len(value) > _VALUE_LIMIT or "\x00" in value):
            errors.append(FieldError(("body", name), "invalid", f"Text of at most {_VALUE_LIMIT} characters."))
    return errors


def _first(details: Mapping[str, Any], *names: str) -> str:
    """The first of these that is there as text or a number."""
    found = (details.get(name) for name in names)
    said = (str(value).replace("\x00", "") for value in found if isinstance(value, str | int | float) and not isinstance(value, bool))
    return next((text for text in said if text), "")


def _subject_of(details: Mapping[str, Any]) -> str:
    """What a CDEvent is about, which stands inside its data."""
    subject = details.get("subject")
    return _first(subject, "id") if isinstance(subject, Mapping) else ""


def moment_of(marker: Marker, parse: Any) -> datetime | None:
    """The event's time; None without one. Raises Invalid for a time that cannot be read."""
    if not marker.time:
        return None
    try:
        found: datetime = parse(marker.time)
    except ValueError as exc:
        raise Invalid("The event's time cannot be read.", errors=[FieldError(("body", "time"), "invalid_time", str(exc))]) from exc
    return found
