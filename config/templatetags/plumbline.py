"""How pages write moments, figures and sentences. `{% load plumbline %}`."""

import math
import re
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, Final

from django import template
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from metrics import agents
from orgs.moments import span_words

register = template.Library()

# A figure with its unit or thousands: "39,197", "-0.52", "76.2 %".
_FIGURE: Final = r"(?<![\w#.])[-\u2212]?\d(?:[\d,.]*\d)?(?:e[-+]?\d+)?(?: %)?"
# What a sentence about an anomaly is about: the value, and the range that was expected.
TELLING: Final = re.compile(rf"({_FIGURE} to {_FIGURE}|{_FIGURE}(?= where | is within |, unlike )|(?<=Stuck at ){_FIGURE})")

CODE: Final = re.compile(r"`([^`]+)`")


@register.filter
def lasting(seconds: float | timedelta | None) -> str:
    """A length of time in two units: "3 h 30 min", "12 s". Empty for none."""
    if seconds is None:
        return ""
    total = round(seconds.total_seconds() if isinstance(seconds, timedelta) else seconds)
    if 0 < (shown := abs(seconds.total_seconds() if isinstance(seconds, timedelta) else seconds)) < 1:
        return f"{shown:.2g} s"
    parts = [(total // 86400, "d"), (total % 86400 // 3600, "h"), (total % 3600 // 60, "min"), (total % 60, "s")]
    first = next((index for index, (count, _) in enumerate(parts) if count), len(parts) - 1)
    return " ".join(f"{count} {name}" for count, name in parts[first : first + 2] if count) or "0 s"


@register.filter
def took(seconds: float | None) -> str:
    """How long people took, as `lasting` says it; of what was done by a program, that it took no time to speak of."""
    return "< 1 s" if seconds is not None and seconds < 1 else lasting(seconds)


@register.filter
def figure(value: float | None) -> str:
    """A number as people write it: thousands by comma, four digits that count, "no value" for none and NaN."""
    if value is None or not math.isfinite(value):
        return "no value"
    size = abs(value)
    if size >= 1e15 or 0 < size < 1e-4:
        return f"{value:.3g}"
    if size >= 1000 or float(value).is_integer():
        return f"{value:,.0f}"
    return f"{value:.4g}"


@register.filter
def emphasise(sentence: str) -> SafeString:
    """The sentence with the value and the expected range in bold, everything escaped."""
    pieces = enumerate(TELLING.split(sentence))
    return format_html_join("", "{}", ((format_html("<strong>{}</strong>", piece) if odd % 2 else piece,) for odd, piece in pieces))


@register.filter
def code_words(sentence: str) -> SafeString:
    """The sentence with what stands between backticks as code; everything escaped."""
    pieces = enumerate(CODE.split(sentence))
    return format_html_join("", "{}", ((format_html("<code>{}</code>", piece) if odd % 2 else piece,) for odd, piece in pieces))


def reader_zone(context: template.Context) -> tzinfo:
    """The reader's zone, asked for once per page; UTC where no page has one."""
    if "reader_zone" not in context.render_context:
        context.render_context["reader_zone"] = context["zone"]() if "zone" in context else UTC
    zone: tzinfo = context.render_context["reader_zone"]
    return zone


@register.simple_tag(takes_context=True)
def when(context: template.Context, moment: datetime | None, form: str = "both") -> SafeString | str:
    """A <time> in the reader's zone, UTC on hover; ages count up to the context's `now`, if it has one, else to the clock.

    `form`: "age" (4 min), "clock" (Sun 2 Nov, 01:30), "both".
    """
    if moment is None:
        return ""
    zone, now = reader_zone(context), context.get("now") or timezone.now()
    age = span_words((now - moment).total_seconds())
    clock = clock_words(moment.astimezone(zone), now.astimezone(zone), is_half=str(context.get("clock", "24")) == "12")
    relative = f"in {age}" if moment > now else f"{age} ago"
    shown = {"age": age, "clock": clock, "both": f"{relative} · {clock}"}[form]
    utc = moment.astimezone(UTC)
    title = f"{utc:%Y-%m-%d %H:%M:%S} UTC" if form != "age" else f"{clock} · {utc:%Y-%m-%d %H:%M:%S} UTC"
    return mark_safe(f'<time datetime="{utc:%Y-%m-%dT%H:%M:%SZ}" title="{title}">{shown}</time>')  # noqa: S308 - figures and our own words


def clock_words(moment: datetime, now: datetime, *, is_half: bool = False) -> str:
    """A moment by the clock of 24 hours or of 12, as short as it can be without a doubt: no date today, no year this year."""
    clock = f"{moment.hour % 12 or 12}:{moment:%M} {'am' if moment.hour < 12 else 'pm'}" if is_half else f"{moment:%H:%M}"
    if moment.date() == now.date():
        return clock
    if abs(now - moment) < timedelta(days=300):
        return f"{moment:%a} {moment.day} {moment:%b}, {clock}"
    return f"{moment.day} {moment:%b %Y}, {clock}"


@register.simple_tag(takes_context=True)
def send_command(context: template.Context, metric: str) -> str:
    """A command for a shell that sends one point of `metric` to this server."""
    return agents.one_point(context["request"].build_absolute_uri(agents.FLUX), metric=metric)


@register.simple_tag(takes_context=True)
def query(context: template.Context, **changes: Any) -> str:
    """The page's own query string with `changes` applied; None and "" take a parameter out. Starts with "?"."""
    params = context["request"].GET.copy()
    for name, value in changes.items():
        params.pop(name, None)
        if value not in (None, ""):
            params[name] = str(value)
    return f"?{params.urlencode()}"
