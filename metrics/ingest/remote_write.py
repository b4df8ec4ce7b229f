"""Prometheus remote write 1.0 and 2.0: a compressed body -> sample arrays, with the series that the process does not know yet.

Reference: prometheus.io/docs/specs/prw/remote_write_spec and remote_write_spec_2_0.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Final

import numpy as np

from metrics.arrays import Floats, Ints
from metrics.ingest import walk
from metrics.ingest.batch import SAMPLE_LIMIT, BadRequest, Refusal, Series
from metrics.ingest.labels import Drop, Pairs, labels_v1, labels_v2, series_of
from metrics.ingest.scalars import EARLIEST_MS, LATEST_AHEAD_MS, Unusable
from metrics.ingest.table import DROPPED, Seeds, SeriesTable, Words

# Prometheus marks the end of a series with this NaN; it is no value (storage/remote and model/value in Prometheus).
STALE_BITS: Final = 0x7FF0000000000002
_HISTOGRAMS, _EXEMPLARS = 0, 1


class Version(Enum):
    """A message format, by its name in the Content-Type."""

    V1 = "prometheus.WriteRequest"
    V2 = "io.prometheus.write.v2.Request"


@dataclass(frozen=True)
class Walked:
    """A request after the walk.

    Per series, shape (series,): `starts` and `ends` of its message in `body`, `counts` of its samples, both label hashes, and `ids`: its
    id, 0 when unknown, DROPPED when the sender drops it. Per sample, in request order, shape (samples,): `times` in unix milliseconds and
    `values`. `symbols` are those of a 2.0 request.
    """

    body: bytes
    starts: Ints
    ends: Ints
    counts: Ints
    h1s: Words
    h2s: Words
    ids: Ints
    times: Ints
    values: Floats
    symbols: list[bytes] | None
    histograms: int
    exemplars: int


def version_of(content_type: str) -> Version:
    """The format that a Content-Type names; 1.0 when it names none. Raises BadRequest 415 for any other."""
    kind, _, parameters = content_type.partition(";")
    if kind.strip().lower() not in ("", "application/x-protobuf"):
        raise BadRequest(f"Content-Type {kind.strip()[:100]!r} is not supported: send application/x-protobuf.", status=415)
    for parameter in parameters.split(";"):
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "proto":
            return _version(value.strip().strip('"'))
    return Version.V1


def _version(name: str) -> Version:
    try:
        return Version(name)
    except ValueError:
        known = " or ".join(version.value for version in Version)
        raise BadRequest(f"proto={name[:100]!r} is not supported: send {known}.", status=415) from None


def walk_body(body: bytes, version: Version, *, table: SeriesTable, seeds: Seeds) -> Walked:
    """Walks an unpacked message. Raises BadRequest when it is no such message (400) or holds too many samples (413)."""
    # Room for messages of ordinary density; a denser one is walked again with room for the densest there can be.
    for room in (min(len(body) // 16 + 16, SAMPLE_LIMIT), min(len(body) // 2 + 1, SAMPLE_LIMIT)):
        walked = _walk(body, version, table, seeds, room)
        if walked is not None:
            return walked
    raise BadRequest(f"At most {SAMPLE_LIMIT} samples and series per request.", status=413)


def _walk(body: bytes, version: Version, table: SeriesTable, seeds: Seeds, room: int) -> Walked | None:
    symbols: list[bytes] | None = None
    buf, firsts, lasts = np.frombuffer(body, np.uint8), np.empty(0, np.int64), np.empty(0, np.int64)
    if version is Version.V2:
        firsts, lasts = np.empty(room, np.int64), np.empty(room, np.int64)
        if (known := _checked(walk.symbols_v2(buf, firsts, lasts))) is None:
            return None
        firsts, lasts = firsts[:known], lasts[:known]
        symbols = [body[a:b] for a, b in zip(firsts.tolist(), lasts.tolist(), strict=True)]
        if symbols and symbols[0]:
            raise BadRequest("The first symbol must be the empty string.")
    starts, ends, counts, found, times = (np.empty(room, np.int64) for _ in range(5))
    h1s, h2s, values, tally = np.empty(room, np.uint64), np.empty(room, np.uint64), np.empty(room), np.zeros(2, np.int64)
    out = (starts, ends, counts, h1s, h2s, found, times, values, tally)
    series, samples = walk.walk(symbols is not None, buf, firsts, lasts, *seeds, *table.arrays(), *out)
    if _checked(series) is None:
        return None
    return Walked(
        body=body,
        starts=starts[:series],
        ends=ends[:series],
        counts=counts[:series],
        h1s=h1s[:series],
        h2s=h2s[:series],
        ids=found[:series],
        times=times[:samples],
        values=values[:samples],
        symbols=symbols,
        histograms=int(tally[_HISTOGRAMS]),
        exemplars=int(tally[_EXEMPLARS]),
    )


def _checked(answer: int) -> int | None:
    if answer == walk.MALFORMED:
        raise BadRequest("The body is not a valid remote-write message.")
    return None if answer == walk.FULL else int(answer)


def decode_unknown(walked: Walked, good: Ints, drop: Drop) -> tuple[dict[int, Series], list[Refusal]]:
    """The series without an id, by their place in the request, and those whose labels cannot be used.

    `good` says how many samples of each series may be stored, shape (series,); one of which none may is left alone, for it shall not
    come to be. Series that the sender drops get the id DROPPED in `walked.ids`.
    """
    series: dict[int, Series] = {}
    refused = []
    for place in np.flatnonzero((walked.ids == walk.UNKNOWN) & (good > 0)).tolist():
        try:
            one = series_of(_pairs(walked, place), drop)
        except Unusable as error:
            refused.append(Refusal(place, "", error.code, str(error), points=int(good[place])))
            continue
        if one is None:
            walked.ids[place] = DROPPED
        else:
            series[place] = one
    return series, refused


def _pairs(walked: Walked, place: int) -> Pairs:
    message = walked.body[int(walked.starts[place]) : int(walked.ends[place])]
    return labels_v1(message) if walked.symbols is None else labels_v2(message, walked.symbols)


@dataclass(frozen=True)
class Judged:
    """Which samples may be stored (bool, shape (samples,)), and why others may not. Stale markers are neither."""

    is_good: np.ndarray[tuple[int], np.dtype[np.bool_]]
    refused: list[Refusal]

    def good_of(self, counts: Ints) -> Ints:
        """How many samples of each series may be stored; `counts` is how many it sent, shape (series,)."""
        owners = np.repeat(np.arange(counts.size), counts)
        return np.bincount(owners[self.is_good], minlength=counts.size)


def judge(walked: Walked, *, now_ms: int) -> Judged:
    """Times within bounds and finite values; NaN is a gap and is kept, Prometheus' stale marker is not a value and is left out."""
    is_stale = walked.values.view(np.uint64) == STALE_BITS
    is_endless = np.isinf(walked.values)
    is_off = (walked.times < EARLIEST_MS) | (walked.times > now_ms + LATEST_AHEAD_MS)
    reasons = (
        (is_off & ~is_stale, "timestamp_out_of_range", "timestamp: before 2000-01-01 or more than one day in the future."),
        (is_endless & ~is_off, "value_invalid", "value: a finite number is needed."),
    )
    refused = [Refusal(int(np.argmax(is_bad)), "", code, reason, int(is_bad.sum())) for is_bad, code, reason in reasons if is_bad.any()]
    return Judged(~(is_stale | is_endless | is_off), refused)
