"""Labels: decoded from a remote-write message for series that are seen for the first time, and the one name that a set of labels has."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from metrics.ingest.batch import Series
from metrics.ingest.scalars import Unusable, read_name

_PLAIN_METRIC: Final = re.compile(r'[^{}"\\\s]+')
_PLAIN_LABEL: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_ESCAPES: Final = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})

# Tags of length-delimited fields 1 and 2.
_FIRST: Final = 10
_SECOND: Final = 18

Pairs = list[tuple[str, str]]


@dataclass(frozen=True)
class Drop:
    """What a sender asks to leave out (headers dropMetrics, dropLabels): metrics by name, and labels by name."""

    metrics: frozenset[str] = frozenset()
    labels: frozenset[str] = frozenset()


def series_of(pairs: Pairs, drop: Drop) -> Series | None:
    """The series of a set of labels, or None when the sender asked to drop it. Raises Unusable when there is no name, or a label twice."""
    labels = dict(pairs)
    if len(labels) != len(pairs):
        raise Unusable("labels_invalid", "labels: a label name occurs twice.")
    if "" in labels:
        raise Unusable("labels_invalid", "labels: a label has no name.")
    metric = labels.pop("__name__", "")
    if metric in drop.metrics:
        return None
    kept = {name: labels[name] for name in sorted(labels) if labels[name] and name not in drop.labels}
    if not metric:
        raise Unusable("name_missing", "labels: __name__ is missing.")
    return Series(read_name(canonical_name(metric, kept)), {"__name__": metric, **kept})


def canonical_name(metric: str, labels: dict[str, str]) -> str:
    """`metric{a="b",c="d"}`, labels in the given order; a metric name that would be ambiguous stands quoted inside the braces."""
    parts = [f'{_label(name)}="{value.translate(_ESCAPES)}"' for name, value in labels.items()]
    if not _PLAIN_METRIC.fullmatch(metric):
        return "{" + ",".join([f'"{metric.translate(_ESCAPES)}"', *parts]) + "}"
    return f"{metric}{{{','.join(parts)}}}" if parts else metric


def labels_v1(message: bytes) -> Pairs:
    """The labels of a `TimeSeries` message that the walk has accepted. Raises Unusable for labels that are malformed or no UTF-8."""
    return [_label_pair(content) for tag, content in _fields(message) if tag == _FIRST and isinstance(content, bytes)]


def labels_v2(message: bytes, symbols: Sequence[bytes]) -> Pairs:
    """The same of a 2.0 `TimeSeries`, whose labels are pairs of places in the symbols."""
    refs = [ref for tag, content in _fields(message) if tag >> 3 == 1 for ref in _refs(content)]
    if len(refs) % 2 or any(ref >= len(symbols) for ref in refs):
        raise Unusable("labels_invalid", "labels: a reference points at no symbol.")
    texts = [_text(symbols[ref]) for ref in refs]
    return list(zip(texts[::2], texts[1::2], strict=True))


def _label(name: str) -> str:
    return name if _PLAIN_LABEL.fullmatch(name) else f'"{name.translate(_ESCAPES)}"'


def _label_pair(message: bytes) -> tuple[str, str]:
    parts = {tag: content for tag, content in _fields(message) if isinstance(content, bytes)}
    return _text(parts.get(_FIRST, b"")), _text(parts.get(_SECOND, b""))


def _text(content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise Unusable("labels_invalid", "labels: not UTF-8.") from None


def _refs(content: bytes | int) -> Iterator[int]:
    """Packed numbers, or one that stands alone."""
    if isinstance(content, int):
        yield content
        return
    pos = 0
    while pos < len(content):
        ref, pos = _varint(content, pos)
        yield ref


def _fields(message: bytes) -> Iterator[tuple[int, bytes | int]]:
    """(tag, content) of each field: bytes, or the number of a varint; fixed-width fields as their bytes."""
    pos = 0
    while pos < len(message):
        tag, pos = _varint(message, pos)
        wire = tag & 7
        if wire == 0:
            number, pos = _varint(message, pos)
            yield tag, number
            continue
        size = {1: 8, 5: 4}.get(wire)
        if wire == 2:
            size, pos = _varint(message, pos)
        if size is None or size > len(message) - pos:
            raise Unusable("labels_invalid", "labels: malformed.")
        yield tag, message[pos : pos + size]
        pos += size


def _varint(message: bytes, pos: int) -> tuple[int, int]:
    value = shift = 0
    for byte in message[pos : pos + 10]:
        value |= (byte & 0x7F) << shift
        pos, shift = pos + 1, shift + 7
        if byte < 0x80:
            return value & (2**64 - 1), pos
    raise Unusable("labels_invalid", "labels: malformed.")
