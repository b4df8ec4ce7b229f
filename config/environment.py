"""Typed readers of environment variables: each fails loudly on nonsense and says which variable is wrong."""

import os
import re
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

BASE_DIR: Final = Path(__file__).resolve().parent.parent

_TRUE = {"1", "true", "yes", "on"}
_FALSE = {"0", "false", "no", "off"}


def env_str(name: str, default: str) -> str:
    return os.environ.get(name, "").strip() or default


def plumbline_home() -> Path:
    """The folder of everything that this installation writes: PLUMBLINE_HOME, or `.plumbline` in the checkout."""
    return Path(env_str("PLUMBLINE_HOME", str(BASE_DIR / ".plumbline"))).expanduser().resolve()


def env_bool(name: str, *, default: bool) -> bool:
    """Raises ImproperlyConfigured for anything but 1/0, true/false, yes/no, on/off."""
    text = os.environ.get(name, "").strip().lower()
    if not text:
        return default
    if text not in _TRUE | _FALSE:
        raise ImproperlyConfigured(f"{name}={text!r} is neither true nor false: use 1 or 0.")
    return text in _TRUE


def env_int(name: str, default: int, *, minimum: int = 0, maximum: int = 2**31) -> int:
    """Raises ImproperlyConfigured for what is no whole number or outside [minimum, maximum]."""
    text = os.environ.get(name, "").strip()
    if not text:
        return default
    if not re.fullmatch(r"-?[0-9]{1,18}", text) or not minimum <= int(text) <= maximum:
        raise ImproperlyConfigured(f"{name}={text!r} must be a whole number from {minimum} to {maximum}.")
    return int(text)


def env_choice(name: str, default: str, *, among: tuple[str, ...]) -> str:
    """Raises ImproperlyConfigured for anything but one of `among`; case does not matter."""
    text = env_str(name, default)
    for choice in among:
        if choice.lower() == text.lower():
            return choice
    raise ImproperlyConfigured(f"{name}={text!r} must be one of {', '.join(among)}.")


def env_url(name: str, default: str, *, schemes: tuple[str, ...]) -> str:
    """Raises ImproperlyConfigured for what begins with none of `schemes`, or has a port that is none."""
    text = env_str(name, default)
    try:
        parts = urlsplit(text)
        is_one = parts.scheme in schemes and (parts.port is None or parts.port > 0)
    except ValueError:
        is_one = False
    if not is_one:
        forms = " or ".join(f"{scheme}://" for scheme in schemes)
        raise ImproperlyConfigured(f"{name} must be an address that begins with {forms}, and its port a number.")
    return text


def env_list(name: str, default: str = "") -> list[str]:
    """Comma-separated; empty entries are dropped."""
    return [part.strip() for part in env_str(name, default).split(",") if part.strip()]


def env_secret(name: str, *, fallback_file: Path | None = None, default: str | None = None) -> str:
    """The value of NAME, or the content of the file that NAME_FILE names, or of `fallback_file`, or `default`.

    Raises ImproperlyConfigured when none of them gives a value, and for a NAME_FILE that gives none.
    """
    if value := os.environ.get(name, "").strip():
        return value
    named = os.environ.get(f"{name}_FILE", "").strip()
    for path in (Path(named) if named else None, fallback_file):
        if path is not None and path.is_file() and (value := path.read_text().strip()):
            return value
    if default is not None and not named:
        return default
    raise ImproperlyConfigured(f"{name} is not set. Set {name}, or {name}_FILE to a file that holds it.")
