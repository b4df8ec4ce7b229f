"""Serializers and fields that keep the API's promises: times in UTC with `Z`, nothing unknown accepted."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar, Final
from urllib.parse import urlsplit

from django.utils.dateparse import parse_datetime
from rest_framework import serializers

from orgs.moments import iso_millis

MAX_REFERENCE: Final = 36  # characters of a UUID
NAIVE = "A time needs its offset, such as 2026-05-15T17:22:08Z."


def parse_moment(text: str) -> datetime:
    """The moment that an ISO 8601 text with an offset names, in UTC. Raises ValueError with a sentence otherwise."""
    try:
        at = parse_datetime(text.strip())
    except ValueError as exc:
        raise ValueError(f"{text!r} is no time: {exc}.") from exc
    if at is None:
        raise ValueError(f"{text!r} is no ISO 8601 time, such as 2026-05-15T17:22:08Z.")
    if at.tzinfo is None:
        raise ValueError(NAIVE)
    try:
        return at.astimezone(UTC)
    except OverflowError as exc:
        raise ValueError(f"{text!r} is outside the years 1 to 9999.") from exc


class MomentField(serializers.DateTimeField):
    """Out: UTC with `Z` and milliseconds. In: any offset; a naive time is refused."""

    def to_representation(self, value: Any) -> str:
        return iso_millis(value)

    def to_internal_value(self, value: Any) -> datetime:
        try:
            return parse_moment(str(value))
        except ValueError as exc:
            raise serializers.ValidationError(str(exc), code="invalid_time") from exc


class TextField(serializers.CharField):
    """Text and nothing else: a number is refused, not written out."""

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return str(super().to_internal_value(data))


class OneOfField(serializers.ChoiceField):
    """One of a few words. Whoever sends another is told which there are, and `hint`."""

    def __init__(self, choices: Any, *, hint: str = "", **kwargs: Any) -> None:
        super().__init__(choices, **kwargs)
        known = ", ".join(str(word).lower() if isinstance(word, bool) else str(word) for word in self.choices)
        self.error_messages["invalid_choice"] = f"{{input!r}} is none of {known}." + (hint and f" {hint}")


class WebAddressField(TextField):
    """An address that a browser opens over http or https; a host of one word, as inside a company's network, is one too."""

    default_error_messages: ClassVar = {"no_address": "Send a web address without a password, such as https://example.com/ticket/1."}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"max_length": 2000, **kwargs})

    def to_internal_value(self, data: Any) -> str:
        text = super().to_internal_value(data)
        if not is_web_address(text):
            self.fail("no_address")
        return text


def is_web_address(text: str) -> bool:
    """Everybody who may look sees it, so that it holds no password."""
    try:
        parts = urlsplit(text)
        leads_somewhere = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        return leads_somewhere and "@" not in parts.netloc and text.isprintable() and " " not in text
    except ValueError:  # a port or a host that is none
        return False


class ReferenceField(serializers.Field[Any, Any, Any, Any]):
    """What a body calls a thing: its number, or its UUID where it has one. In: as text, for whoever looks it up."""

    default_error_messages: ClassVar = {"invalid": "Send a number or a UUID."}

    def to_internal_value(self, data: Any) -> str:
        if isinstance(data, bool) or not isinstance(data, (int, str)) or not 1 <= len(str(data)) <= MAX_REFERENCE:
            self.fail("invalid")
        return str(data)


class StrictSerializer(serializers.Serializer[Any]):
    """What comes in: a field that is not declared is an error that names it, not silence."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, Mapping) and (unknown := [name for name in data if name not in self.fields]):
            raise serializers.ValidationError(
                {name: serializers.ErrorDetail("There is no such field.", "unknown_field") for name in unknown}
            )
        return super().to_internal_value(data)
