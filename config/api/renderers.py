"""JSON out: arrays of numbers go from numpy to text without a Python object per number."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np
import orjson
from django.http import HttpRequest
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request

from orgs.moments import iso_millis

OPTIONS = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_NON_STR_KEYS | orjson.OPT_NAIVE_UTC | orjson.OPT_UTC_Z


def _default(value: object) -> object:
    if isinstance(value, datetime):
        return iso_millis(value)
    if isinstance(value, np.ndarray):
        return value.tolist()  # a kind or layout that orjson does not take as it is
    if isinstance(value, (Mapping, Sequence)):
        return dict(value) if isinstance(value, Mapping) else list(value)
    return str(value)


def to_json(data: object) -> bytes:
    """JSON of plain values, numpy arrays (NaN becomes null), times (see `iso_millis`) and lazy strings."""
    return orjson.dumps(data, default=_default, option=OPTIONS)


class JsonRenderer(BaseRenderer):
    media_type = "application/json"
    format = "json"
    charset = None  # JSON is UTF-8 and says so by being JSON

    def render(self, data: Any, accepted_media_type: str | None = None, renderer_context: Mapping[str, Any] | None = None) -> bytes:
        return b"" if data is None else to_json(data)


class AlwaysJson(DefaultContentNegotiation):
    """Answers in JSON whatever `Accept` says: a browser that opens an address shall see the answer, not a 406."""

    def select_renderer(self, request: Request | HttpRequest, renderers: Any, format_suffix: str | None = None) -> Any:
        return renderers[0], renderers[0].media_type
