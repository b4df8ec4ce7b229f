"""The kinds of parameters of the session API: how one is read, what it refuses and why, how the documents describe it."""

import json
import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from django.core.exceptions import ValidationError
from django.core.validators import validate_email

TRUE: Final = frozenset({"true", "1", "yes"})
FALSE: Final = frozenset({"false", "0", "no"})
FUTURE_S: Final = 60
DAY_S: Final = 86400
_DIGITS: Final = re.compile(r"[0-9]{1,18}")
_HEX32: Final = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, kw_only=True)
class Parameter(ABC):
    """One named value of a request. `argument` is what the view calls it; a `writes` one makes a request a write."""

    name: str
    help: str = ""
    required: bool = False
    default: Any = None
    argument: str = ""
    writes: bool = False
    framed: bool = False  # read by the frame itself; the view does not get it
    in_path: bool = False

    kind: ClassVar[str] = "string"
    converter: ClassVar[str] = "str"

    @property
    def key(self) -> str:
        return self.argument or self.name

    @abstractmethod
    def read(self, raw: Any, *, now: int) -> Any:
        """The value of what was sent. Raises ValueError with a sentence; `now` is in unix seconds."""

    def schema(self) -> dict[str, Any]:
        return {"type": self.kind}


@dataclass(frozen=True, kw_only=True)
class Text(Parameter):
    """Text of at most `limit` characters, without NUL, stripped unless it is a `secret`."""

    limit: int = 200
    secret: bool = False

    def read(self, raw: Any, *, now: int) -> str:
        if not isinstance(raw, str | int | float) or isinstance(raw, bool):
            raise ValueError("This must be text.")
        text = str(raw) if self.secret else str(raw).strip()
        if "\x00" in text:
            raise ValueError("Text must not hold NUL characters.")
        if len(text) > self.limit:
            raise ValueError(f"This must have at most {self.limit} characters.")
        return text

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "maxLength": self.limit} | ({"format": "password"} if self.secret else {})


@dataclass(frozen=True, kw_only=True)
class AnyPath(Text):
    """A part of the address that may hold slashes."""

    limit: int = 4096
    converter: ClassVar[str] = "path"


@dataclass(frozen=True, kw_only=True)
class Email(Text):
    limit: int = 254

    def read(self, raw: Any, *, now: int) -> str:
        text = super().read(raw, now=now).lower()
        try:
            validate_email(text)
        except ValidationError as exc:
            raise ValueError("This is no e-mail address.") from exc
        return text

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "format": "email", "maxLength": self.limit}


@dataclass(frozen=True, kw_only=True)
class Token(Parameter):
    """32 hexadecimal digits."""

    def read(self, raw: Any, *, now: int) -> str:
        text = str(raw).strip().lower()
        if not _HEX32.fullmatch(text):
            raise ValueError("A token has 32 hexadecimal digits.")
        return text

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "pattern": "^[0-9a-f]{32}$"}


@dataclass(frozen=True, kw_only=True)
class Code(Parameter):
    """Six decimal digits, as they were mailed; spaces between them do not matter."""

    def read(self, raw: Any, *, now: int) -> str:
        text = str(raw).replace(" ", "")
        if not re.fullmatch("[0-9]{6}", text):
            raise ValueError("A code has 6 digits.")
        return text

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "pattern": "^[0-9]{6}$"}


@dataclass(frozen=True, kw_only=True)
class Integer(Parameter):
    least: int = 0
    most: int = 2**53 - 1

    kind: ClassVar[str] = "integer"

    def read(self, raw: Any, *, now: int) -> int:
        text = str(raw).strip()
        if isinstance(raw, bool) or not _DIGITS.fullmatch(text.removeprefix("-")) or not self.least <= int(text) <= self.most:
            raise ValueError(f"This must be a whole number from {self.least} to {self.most}.")
        return int(text)

    def schema(self) -> dict[str, Any]:
        return {"type": "integer", "minimum": self.least, "maximum": self.most}


@dataclass(frozen=True, kw_only=True)
class Flag(Parameter):
    """true/false, 1/0 or yes/no."""

    kind: ClassVar[str] = "boolean"

    def read(self, raw: Any, *, now: int) -> bool:
        text = str(raw).strip().lower()
        if text not in TRUE | FALSE:
            raise ValueError("Say true or false (also 1 or 0, yes or no).")
        return text in TRUE


@dataclass(frozen=True, kw_only=True)
class Timestamp(Parameter):
    """Unix seconds, not negative and at most a minute ahead."""

    kind: ClassVar[str] = "integer"

    def read(self, raw: Any, *, now: int) -> int:
        text = str(raw).strip()
        if isinstance(raw, bool) or not re.fullmatch("-?[0-9]{1,20}", text):
            raise ValueError("A time is a whole number of unix seconds.")
        value = int(text)
        if value < 0:
            raise ValueError("A time must not be negative.")
        if len(text) >= 13:
            raise ValueError("This looks like milliseconds: a time is in unix seconds, 10 digits.")
        if value > now + FUTURE_S:
            raise ValueError(f"A time may be at most {FUTURE_S} seconds in the future.")
        return value

    def schema(self) -> dict[str, Any]:
        return {"type": "integer", "format": "unix-time", "minimum": 0}


@dataclass(frozen=True, kw_only=True)
class Choice(Parameter):
    choices: tuple[str, ...]

    def read(self, raw: Any, *, now: int) -> str:
        text = str(raw).strip()
        if text not in self.choices:
            shown = ", ".join(self.choices) if len(self.choices) <= 20 else "the known values"
            raise ValueError(f"This must be one of {shown}.")
        return text

    def schema(self) -> dict[str, Any]:
        return {"type": "string"} | ({"enum": list(self.choices)} if len(self.choices) <= 20 else {})


@dataclass(frozen=True, kw_only=True)
class Words(Parameter):
    """A list: a JSON array, or text with commas between."""

    limit: int = 10_000
    default: Any = ()

    def read(self, raw: Any, *, now: int) -> tuple[str, ...]:
        parts = [part.strip() for part in (raw if isinstance(raw, list) else str(raw).split(",")) if isinstance(part, str)]
        if isinstance(raw, list) and len(parts) != len(raw) or any("\x00" in part for part in parts):
            raise ValueError("This must be a list of texts.")
        if len(parts) > self.limit:
            raise ValueError(f"At most {self.limit} at once.")
        return tuple(part for part in parts if part)

    def schema(self) -> dict[str, Any]:
        return {"type": "array", "items": {"type": "string"}, "maxItems": self.limit}


@dataclass(frozen=True, kw_only=True)
class Numbers(Parameter):
    """A list of ids: a JSON array, or text with commas between."""

    limit: int = 1000

    def read(self, raw: Any, *, now: int) -> tuple[int, ...]:
        parts = [str(part).strip() for part in (raw if isinstance(raw, list) else str(raw).split(","))]
        if len(parts) > self.limit or not all(_DIGITS.fullmatch(part) for part in parts if part):
            raise ValueError(f"This must be a list of at most {self.limit} ids.")
        return tuple(int(part) for part in parts if part)

    def schema(self) -> dict[str, Any]:
        return {"type": "array", "items": {"type": "integer"}, "maxItems": self.limit}


@dataclass(frozen=True, kw_only=True)
class Flags(Parameter):
    """A JSON object of true and false, of the names in `names`."""

    names: tuple[str, ...]

    kind: ClassVar[str] = "object"

    def read(self, raw: Any, *, now: int) -> dict[str, bool]:
        found = raw
        if isinstance(raw, str):
            try:
                found = json.loads(raw)
            except ValueError as exc:
                raise ValueError("This must be a JSON object.") from exc
        if not isinstance(found, dict) or not all(isinstance(value, bool) for value in found.values()):
            raise ValueError("This must be a JSON object of true and false.")
        if unknown := [name for name in found if name not in self.names]:
            raise ValueError(f"Unknown: {', '.join(map(str, unknown))[:200]}. Known: {', '.join(self.names)}.")
        return found

    def schema(self) -> dict[str, Any]:
        return {"type": "object", "properties": {name: {"type": "boolean"} for name in self.names}, "additionalProperties": False}


def window() -> tuple[Parameter, ...]:
    """`from` and `until` of every endpoint that shows a span of time; the view gets `since` and `until`, in seconds."""
    return (
        Timestamp(name="from", argument="since", help="Start; 24 hours before `until` without it."),
        Timestamp(name="until", help="End; now without it."),
    )


def page(*, limit: int = 100, most: int = 1000) -> tuple[Parameter, ...]:
    return (
        Integer(name="limit", default=limit, least=1, most=most, help="How many at most."),
        Integer(name="offset", default=0, most=10_000_000, help="How many to leave out first."),
    )
