"""Pictures over HTTP: what may be asked for, and the answer with its version."""

import hashlib
from typing import Any, Final

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request

from config.api.etags import is_known
from metrics.charts import CONTENT_TYPES
from metrics.looks import LOOKS
from metrics.pictures import Style
from orgs.errors import FieldError, Invalid

WIDTHS: Final = (200, 2000)
HEIGHTS: Final = (120, 1200)
# An SVG that is opened by itself is a page; matplotlib writes its colours as style attributes.
SVG_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"

IMAGE_PARAMETERS: Final = (
    OpenApiParameter("format", OpenApiTypes.STR, enum=list(CONTENT_TYPES), description="png without it."),
    OpenApiParameter("theme", OpenApiTypes.STR, enum=list(LOOKS), description="light without it."),
    OpenApiParameter("width", OpenApiTypes.INT, description=f"Pixels, {WIDTHS[0]} to {WIDTHS[1]}; 900 without it."),
    OpenApiParameter("height", OpenApiTypes.INT, description=f"Pixels, {HEIGHTS[0]} to {HEIGHTS[1]}; 300 without it."),
)
IMAGE_NAMES: Final = tuple(parameter.name for parameter in IMAGE_PARAMETERS)


def style_of(request: Request) -> Style:
    """How the query asks for a picture. Raises Invalid naming every parameter that does not do."""
    query, errors = request.query_params, list[FieldError]()

    def choice(name: str, words: list[str]) -> Any:
        if (text := query.get(name, words[0])) not in words:
            errors.append(FieldError(("query", name), "invalid_choice", f"Use {' or '.join(words)}."))
        return text

    def pixels(name: str, default: int, least: int, most: int) -> int:
        text = query.get(name, str(default))
        if text.isascii() and text.isdigit() and len(text) < 6 and least <= int(text) <= most:
            return int(text)
        errors.append(FieldError(("query", name), "out_of_range", f"A whole number from {least} to {most}."))
        return default

    style = Style(
        choice("format", list(CONTENT_TYPES)), choice("theme", list(LOOKS)), pixels("width", 900, *WIDTHS), pixels("height", 300, *HEIGHTS)
    )
    if errors:
        raise Invalid("There is no such picture.", errors=errors)
    return style


def image_response(request: Request, picture: bytes, *, form: str) -> HttpResponse:
    """The picture with its ETag; 304 to a caller who has it."""
    etag = f'"{hashlib.blake2b(picture, digest_size=12).hexdigest()}"'
    headers = {"ETag": etag, "Cache-Control": "private, no-cache"} | ({"Content-Security-Policy": SVG_POLICY} if form == "svg" else {})
    if is_known(request, etag):
        return HttpResponse(status=304, headers=headers)
    return HttpResponse(picture, content_type=CONTENT_TYPES[form], headers=headers)
