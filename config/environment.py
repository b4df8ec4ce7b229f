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


def env_redis(name: str, default: str) -> str:
    """The address of a Redis. Raises ImproperlyConfigured as `env_url`, and for one without a host or socket."""
    text = env_url(name, default, schemes=("redis", "rediss", "unix"))
    parts = urlsplit(text)
    if not (parts.path if parts.scheme == "unix" else parts.hostname):
        raise ImproperlyConfigured(f"{name} must name a host, redis://host:6379/0, or a socket, unix:///path/of/redis.sock.")
    return text


def env_origin(name: str, default: str) -> str:
    """Scheme, host and perhaps port. Raises ImproperlyConfigured for anything else."""
    text = env_str(name, default)
    if not _is_origin(text):
        raise ImproperlyConfigured(_no_origin(name))
    return text


def env_origins(name: str) -> list[str]:
    """Origins, separated by commas. Raises ImproperlyConfigured for an entry that is none."""
    found = env_list(name)
    if not all(map(_is_origin, found)):
        raise ImproperlyConfigured(_no_origin(name))
    return found


def _is_origin(text: str) -> bool:
    try:
        parts = urlsplit(text)
        whole = text == f"{parts.scheme}://{parts.netloc}" and (parts.port is None or parts.port > 0)
    except ValueError:
        return False
    return whole and parts.scheme in ("http", "https") and bool(parts.hostname) and "@" not in text and " " not in text


def _no_origin(name: str) -> str:
    return f"{name} must be scheme, host and perhaps port, such as https://plumbline.example: no path, and no slash at the end."


def env_list(name: str, default: str = "") -> list[str]:
    """Comma-separated; empty entries are dropped."""
    return [part.strip() for part in env_str(name, default).split(",") if part.strip()]


def env_secret(name: str, *, fallback_file: Path | None = None, default: str | None = None) -> str:
    """The value of NAME, or the content of the file that NAME_FILE names, or of `fallback_file`, or `default`.

    Raises ImproperlyConfigured when none of them gives a value, and for a NAME_FILE that gives none: then nothing else is looked at.
    """
    if value := os.environ.get(name, "").strip():
        return value
    if named := os.environ.get(f"{name}_FILE", "").strip():
        return _content(Path(named), name)
    if fallback_file is not None and fallback_file.is_file() and (value := fallback_file.read_text().strip()):
        return value
    if default is not None:
        return default
    raise ImproperlyConfigured(f"{name} is not set. Set {name}, or {name}_FILE to a file that holds it.")


def _content(path: Path, name: str) -> str:
    try:
        value = path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text"
        raise ImproperlyConfigured(f"{name}_FILE names a file that cannot be read ({why}): {path}") from None
    if not value:
        raise ImproperlyConfigured(f"{name}_FILE names an empty file: {path}")
    return value
