"""What people say, as pages show it. `{% load comment_words %}`."""

from collections.abc import Iterator

from django import template
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from anomalies.mentions import MENTION

register = template.Library()


@register.filter
def mentions(message: str) -> SafeString:
    """A comment as people read it: those whom it mentions as "@Alice Lee", marked; everything escaped."""
    return format_html_join("", "{}", ((piece,) for piece in _pieces(message)))


def _pieces(message: str) -> Iterator[str]:
    done = 0
    for found in MENTION.finditer(message):
        yield message[done : found.start()]
        yield format_html('<span class="mention">@{}</span>', found[1])
        done = found.end()
    yield message[done:]
