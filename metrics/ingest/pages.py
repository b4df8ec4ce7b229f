"""What web pages send: counts and gauges that a script gathered. Bytes in, points out, nothing else touched.

`{"counts": [["checkout", 3], ["signup", 1, {"plan": "pro"}]], "gauges": [["cart.value", 12.5]]}`. Whoever reads a page can send anything:
names are cleaned here too, and stand below the namespace of their key.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import orjson

from metrics.ingest.batch import BadRequest, Batch, Refusal, Series
from metrics.ingest.labels import canonical_name

BODY_LIMIT: Final = 65_536
MOST: Final = 200
NAME_LIMIT: Final = 100
LABELS: Final = 5
LABEL_LIMIT: Final = 64
# A page that counts more than so many of one thing in one go is not to be believed.
MOST_COUNTED: Final = 1_000_000
_FOREIGN: Final = re.compile(r"[^A-Za-z0-9_.:-]+")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True)
class Gathered:
    """What one request brought: counts, to be added up per minute, and gauges, of which the last counts."""

    counts: Batch
    gauges: Batch


def parse(body: bytes, *, namespace: str, now_ms: int) -> Gathered:
    """The points of a body, all at `now_ms`: the clock of a page is its visitor's. Raises BadRequest for what is no such document."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise BadRequest("The body is no JSON.") from None
    if not isinstance(document, dict):
        raise BadRequest("The body must be one JSON object with counts, gauges or both.")
    counts, gauges = _list(document, "counts"), _list(document, "gauges")
    if len(counts) + len(gauges) > MOST:
        raise BadRequest(f"At most {MOST} names in one request.", status=413)
    return Gathered(
        _batch(counts, namespace, now_ms, least=0.0, most=MOST_COUNTED),
        _batch(gauges, namespace, now_ms, least=-math.inf, most=math.inf),
    )


def _list(document: Mapping[str, Any], name: str) -> list[Any]:
    found = document.get(name, [])
    if not isinstance(found, list):
        raise BadRequest(f"{name} must be a list of [name, number].")
    return found


def _batch(entries: list[Any], namespace: str, now_ms: int, *, least: float, most: float) -> Batch:
    good: list[tuple[int, Series, float]] = []
    refused: list[Refusal] = []
    for place, entry in enumerate(entries):
        read = _entry(entry, namespace)
        if isinstance(read, Refusal):
            refused.append(replace(read, index=place))
        elif not least < read[1] <= most:
            refused.append(Refusal(place, read[0].name, "value_invalid", "A count is a number above 0; a gauge is a finite number."))
        else:
            good.append((place, *read))
    return Batch(
        series=[one for _, one, _ in good],
        index=np.arange(len(good), dtype=np.int64),
        timestamps_ms=np.full(len(good), now_ms, np.int64),
        values=np.array([value for _, _, value in good], np.float64),
        places=np.array([place for place, _, _ in good], np.int64),
        refused=refused,
    )


def _entry(entry: Any, namespace: str) -> tuple[Series, float] | Refusal:
    if not isinstance(entry, list) or len(entry) not in (2, 3) or not isinstance(entry[0], str):
        return Refusal(0, "", "point_invalid", "An entry is [name, number], or [name, number, {label: text}].")
    name = cleaned(entry[0])
    if not name:
        return Refusal(0, entry[0][:NAME_LIMIT], "name_missing", "Nothing is left of the name but letters, digits and . _ : -")
    value = entry[1]
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return Refusal(0, name, "value_invalid", "The value is no finite number.")
    labels = labels_of(entry[2]) if len(entry) == 3 else {}
    whole = f"{namespace}.{name}"
    return Series(canonical_name(whole, labels), {"__name__": whole, **labels} if labels else {}), float(value)


def cleaned(name: str) -> str:
    """A name of letters, digits and `. _ : -`; runs of anything else become one `_`. Empty when nothing is left."""
    parts = (part.strip("_-") for part in _FOREIGN.sub("_", name.strip()).split("."))
    return ".".join(part for part in parts if part)[:NAME_LIMIT].rstrip("._-")


def labels_of(meta: Any) -> dict[str, str]:
    """What an event says beside its name, as labels: the first LABELS in the order of their names, texts cut to LABEL_LIMIT."""
    if not isinstance(meta, dict):
        return {}
    found = {_FOREIGN.sub("_", str(name)).strip("_")[:LABEL_LIMIT]: _text(value) for name, value in sorted(meta.items(), key=str)}
    return dict([(name, text) for name, text in found.items() if name and text][:LABELS])


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return _CONTROL.sub(" ", str(value)).encode(errors="replace").decode()[:LABEL_LIMIT] if isinstance(value, str | int | float) else ""
