"""Root paths about the product itself: is it there, how is it, and the lists that forms need."""

import zoneinfo
from dataclasses import asdict
from datetime import datetime
from functools import cache
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import phonenumbers
from django.utils import timezone

from config import health
from config.api.session import Answer, Call, Data, endpoint, stamps
from config.api.session.parameters import Timestamp
from orgs.errors import FieldError, Invalid

MINUTE, HOUR, DAY, WEEK, MONTH, YEAR = 60, 3600, 86_400, 604_800, 2_629_800, 31_557_600
UNITS: Final = ((YEAR, "year"), (MONTH, "month"), (WEEK, "week"), (DAY, "day"), (HOUR, "hour"), (MINUTE, "minute"))


@endpoint("/ping", knows_caller=False)
def ping(call: Call) -> Data:
    """Whether the product answers. Touches no table."""
    return {"message": "pong"}


@endpoint("/status", knows_caller=False)
def status(call: Call) -> Answer:
    """The health of every part: database, queue, workers, how far detection is behind, the version. 503 when the database is away."""
    found = health.current()
    ok = found.database.ok
    data: dict[str, Any] = asdict(found) | {"health": found.status, "message": WORDS[found.status]}
    data |= stamps("last_detection", data.pop("last_detection"), call.zone)
    del data["status"]
    return Answer(data, code=200 if ok else 503, headers=None if ok else {"Retry-After": "5"})


WORDS: Final = {
    "ok": "Everything works.",
    "degraded": "Points are taken, but they are judged or shown late.",
    "unavailable": "The database does not answer.",
}


@endpoint("/misc/phonecodes", knows_caller=False)
def phonecodes(call: Call) -> Data:
    """Every country with its telephone code, by name: what a form for a phone number offers."""
    return {"phonecodes": _phonecodes()}


# Regions with a code of their own that the library knows by no name.
NAMELESS: Final = {"AC": "Ascension Island", "TA": "Tristan da Cunha", "XK": "Kosovo"}


@cache
def _phonecodes() -> list[dict[str, str]]:
    found = [
        {"country": _country(iso), "iso": iso, "code": f"+{phonenumbers.country_code_for_region(iso)}"}
        for iso in phonenumbers.SUPPORTED_REGIONS
    ]
    return sorted(found, key=lambda one: (one["country"], one["iso"]))


def _country(iso: str) -> str:
    if iso in NAMELESS:
        return NAMELESS[iso]
    names = _names_of_countries()[iso]
    name = names["en"]
    return names[name[1:]] if name.startswith("*") else name  # `*aa`: as in the language aa


@cache
def _names_of_countries() -> dict[str, dict[str, str]]:
    """By ISO 3166 code and language. Read past its package, which would load where on earth each number is: ten seconds, 200 MB."""
    name = "phonenumbers.geodata.locale"
    found = spec_from_file_location(name, Path(phonenumbers.__file__).parent / "geodata" / "locale.py")
    if found is None or found.loader is None:
        raise ImportError(f"{name} is not where it was in the library.")
    module = module_from_spec(found)
    found.loader.exec_module(module)
    return dict(module.LOCALE_DATA)


@endpoint(
    "/misc/timesince",
    parameters=(
        Timestamp(name="timestamp", required=True, help="The moment that is told."),
        Timestamp(name="now", help="The moment from which it is told; now without it."),
    ),
    example={"timestamp": 1657025880, "now": 1658321880},
)
def timesince(call: Call, *, timestamp: int, now: int | None) -> Data:
    """How long ago a moment is, in words: "more than 2 weeks ago"."""
    now = call.now_s if now is None else now
    if timestamp > now + MINUTE:
        raise Invalid("The moment is after now.", errors=[FieldError(("timestamp",), "invalid", "This must not be after `now`.")])
    return {"timesince": ago(now - timestamp)}


def ago(seconds: int) -> str:
    """`seconds` >= 0 in the largest unit that fits; "more than" when it is not a whole number of them."""
    if seconds < MINUTE:
        return "just now" if seconds < 10 else "less than a minute ago"
    unit_s, unit = next((one, name) for one, name in UNITS if seconds >= one)
    count = seconds // unit_s
    return f"{'more than ' if seconds % unit_s else ''}{count} {unit}{'' if count == 1 else 's'} ago"


@endpoint("/misc/timezones", knows_caller=False)
def timezones(call: Call) -> Data:
    """Every IANA time zone with its present offset from UTC in seconds: what a form for a zone offers."""
    return {"timezones": _timezones(timezone.now().replace(minute=0, second=0, microsecond=0))}


_zones: dict[datetime, list[dict[str, Any]]] = {}


def _timezones(hour: datetime) -> list[dict[str, Any]]:
    """Made once an hour: offsets change with the season."""
    if hour not in _zones:
        _zones.clear()
        names = sorted(zoneinfo.available_timezones())
        _zones[hour] = [{"name": name, "offset": int(hour.astimezone(ZoneInfo(name)).utcoffset().total_seconds())} for name in names]  # type: ignore[union-attr]
    return _zones[hour]
