"""The remote-write walk: protobuf bytes -> sample arrays and series numbers, without an object or a string per series.

Each kernel hashes a series' label bytes with two independent seeded 64-bit hashes and looks the pair up in the process's table. Only series
that are not in the table are decoded, by `metrics/ingest/labels.py`. Compiled at first use and cached on disk, so only the processes that
receive remote write import this module.

Reference: the protobuf encoding (protobuf.dev/programming-guides/encoding); `prometheus.WriteRequest` (remote write 1.0) and
`io.prometheus.write.v2.Request` (2.0).
"""

# mypy: disable-error-code="no-untyped-def, no-untyped-call"
# The kernels carry their types in numba's signatures, which is what they are compiled from.

from typing import Final

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]  # ships no types
from numba import njit, types
from numba.extending import intrinsic

_U8 = types.Array(types.uint8, 1, "C", readonly=True)
_U64 = types.Array(types.uint64, 1, "C")
_I64 = types.Array(types.int64, 1, "C")
_F64 = types.Array(types.float64, 1, "C")
_PAIR = types.UniTuple(types.int64, 2)

MALFORMED: Final = -1
FULL: Final = -2
UNKNOWN: Final = np.int64(0)  # the table's free place, and the id of a series that it does not hold
_PROBES: Final = 64

# Odd constants of splitmix64 and MurmurHash3: any odd numbers without pattern serve, two pairs make the two hashes independent.
_A1, _A2 = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9)
_B1, _B2 = np.uint64(0x87C37B91114253D5), np.uint64(0x4CF5AD432745937F)
_R1, _R2 = np.uint64(31), np.uint64(33)


def _loader(bits):
    """An unaligned little-endian load at an address that the caller has checked against the buffer's end.

    The walk works on addresses: passing numba arrays from function to function costs five times the walk itself.
    """

    def codegen(context, builder, signature, args):
        word = builder.load(builder.inttoptr(args[0], ir.IntType(bits).as_pointer()), align=1)
        return builder.zext(word, ir.IntType(64)) if bits < 64 else word

    @intrinsic
    def load(typingctx, address):
        return types.uint64(types.int64), codegen

    return load


_load8, _load64 = _loader(8), _loader(64)


@njit(_PAIR(types.int64, types.int64), cache=True)
def _varint(pos, end):
    """(value, next position), the position -1 when the number runs over `end` or ten bytes. Values wrap at 64 bits, as protobuf's do."""
    value = np.uint64(0)
    shift = np.uint64(0)
    for _ in range(10):
        if pos >= end:
            return np.int64(0), np.int64(-1)
        byte = _load8(pos)
        pos += 1
        value |= (byte & np.uint64(0x7F)) << shift
        if byte < np.uint64(0x80):
            return np.int64(value), pos
        shift += np.uint64(7)
    return np.int64(0), np.int64(-1)


@njit(types.int64(types.int64, types.int64, types.int64), cache=True)
def _skipped(pos, end, wire):
    """The position after a field of a wire type, or -1: groups and unknown types are malformed."""
    if wire == 0:
        return _varint(pos, end)[1]
    if wire == 1:
        return pos + 8 if end - pos >= 8 else np.int64(-1)
    if wire == 5:
        return pos + 4 if end - pos >= 4 else np.int64(-1)
    if wire == 2:
        size, pos = _varint(pos, end)
        return pos + size if pos >= 0 and 0 <= size <= end - pos else np.int64(-1)
    return np.int64(-1)


@njit(types.uint64(types.uint64, types.uint64, types.uint64, types.uint64), cache=True)
def _mixed(h, word, k1, k2):
    h = (h ^ word) * k1
    h = ((h << _R1) | (h >> _R2)) * k2
    return h ^ (h >> _R2)


@njit(types.UniTuple(types.uint64, 2)(types.int64, types.int64, types.uint64, types.uint64), cache=True)
def _hashed(pos, end, h1, h2):
    """Both hashes over buf[pos:end], eight bytes at a time, and over its length."""
    start, size = pos, np.uint64(end - pos)
    while end - pos >= 8:
        word = _load64(pos)
        h1, h2 = _mixed(h1, word, _A1, _A2), _mixed(h2, word, _B1, _B2)
        pos += 8
    word = np.uint64(0)
    if end - start >= 8:
        word = _load64(end - 8)
    else:
        for k in range(pos, end):
            word = (word << np.uint64(8)) | _load8(k)
    h1, h2 = _mixed(h1, word, _A1, _A2), _mixed(h2, word, _B1, _B2)
    return _mixed(h1, size, _A1, _A2), _mixed(h2, size, _B1, _B2)


@njit(types.int64(types.uint64, types.uint64, _U64, _U64, _I64), cache=True)
def find(h1, h2, keys1, keys2, ids):
    """The id of a pair of hashes, or UNKNOWN."""
    mask = np.uint64(ids.size - 1)
    place = h1 & mask
    for _ in range(_PROBES):
        if ids[place] == 0:
            return np.int64(0)
        if keys1[place] == h1 and keys2[place] == h2:
            return ids[place]
        place = (place + np.uint64(1)) & mask
    return np.int64(0)


@njit(types.int64(types.uint64, types.uint64, types.int64, _U64, _U64, _I64), cache=True)
def put(h1, h2, series, keys1, keys2, ids):
    """Files an id under a pair of hashes. 1 when it took a free place, 0 when it replaced one or found none near."""
    mask = np.uint64(ids.size - 1)
    place = h1 & mask
    for _ in range(_PROBES):
        if ids[place] == 0 or (keys1[place] == h1 and keys2[place] == h2):
            was_free = ids[place] == 0
            keys1[place], keys2[place], ids[place] = h1, h2, series
            return np.int64(was_free)
        place = (place + np.uint64(1)) & mask
    return np.int64(0)


@njit(types.Tuple((types.int64, types.int64, types.uint64))(types.int64, types.int64), cache=True)
def _sample(pos, end):
    """(ok, time, bits of the value) of one sample message; ok is 0 when it is malformed. Absent fields are zero, as protobuf has it."""
    bits = np.uint64(0)
    time = np.int64(0)
    while pos < end:
        tag, pos = _varint(pos, end)
        if pos < 0:
            return np.int64(0), time, bits
        if tag == 9:
            if end - pos < 8:
                return np.int64(0), time, bits
            bits = _load64(pos)
            pos += 8
        elif tag == 16:
            time, pos = _varint(pos, end)
        else:
            pos = _skipped(pos, end, tag & 7)
        if pos < 0:
            return np.int64(0), time, bits
    return np.int64(1), time, bits


@njit(types.int64(_U8, _I64, _I64), cache=True)
def symbols_v2(buf, starts, ends):
    """The symbols of a 2.0 request, as places in `buf`. Their number, MALFORMED or FULL."""
    base = np.int64(buf.ctypes.data)
    pos, end, n = base, base + buf.size, np.int64(0)
    while pos < end:
        tag, pos = _varint(pos, end)
        if pos < 0 or tag >> 3 == 0:
            return np.int64(MALFORMED)
        if tag != 34:
            pos = _skipped(pos, end, tag & 7)
            if pos < 0:
                return np.int64(MALFORMED)
            continue
        size, pos = _varint(pos, end)
        if pos < 0 or size < 0 or size > end - pos:
            return np.int64(MALFORMED)
        if n >= starts.size:
            return np.int64(FULL)
        starts[n], ends[n] = pos - base, pos - base + size
        n += 1
        pos += size
    return n


@njit(
    _PAIR(types.bool_, _U8, _I64, _I64, types.uint64, types.uint64, _U64, _U64, _I64, _I64, _I64, _I64, _U64, _U64, _I64, _I64, _F64, _I64),
    cache=True,
)
def walk(  # noqa: C901 - one loop over the bytes: a call per field would cost more than the field
    is_v2, buf, symbol_starts, symbol_ends, seed1, seed2, keys1, keys2, ids, starts, ends, counts, h1s, h2s, found, times, values, tally
):
    """A decompressed `prometheus.WriteRequest` (without symbols), or an `io.prometheus.write.v2.Request` whose symbols `symbols_v2` found.

    Fills per series (shape (series,)): `starts`, `ends` (its message in `buf`), `counts` (its samples), both hashes, `found` (its id or
    UNKNOWN, which a series with a reference to no symbol stays too); per sample (shape (samples,)): `times`, `values`; `tally` =
    [histograms, exemplars]. Returns (series, samples), or (MALFORMED, position) or (FULL, 0) when an array is too short.
    """
    base = np.int64(buf.ctypes.data)
    symbol1, symbol2 = np.empty(symbol_starts.size, np.uint64), np.empty(symbol_starts.size, np.uint64)
    for k in range(symbol_starts.size):
        symbol1[k], symbol2[k] = _hashed(base + symbol_starts[k], base + symbol_ends[k], seed1, seed2)
    # Labels that are told by reference hash to others than the same labels told in full.
    if is_v2:
        seed1, seed2 = ~seed1, ~seed2
    of_series, of_histogram, of_exemplar = (42, 26, 34) if is_v2 else (10, 34, 26)
    pos, end, bits = base, base + buf.size, values.view(np.uint64)
    series, samples = np.int64(0), np.int64(0)
    while pos < end:
        tag, pos = _varint(pos, end)
        if pos < 0:
            return np.int64(MALFORMED), np.int64(0)
        if tag != of_series:
            pos = _skipped(pos, end, tag & 7)
            if pos < 0 or tag >> 3 == 0:
                return np.int64(MALFORMED), np.int64(0)
            continue
        size, pos = _varint(pos, end)
        if pos < 0 or size < 0 or size > end - pos:
            return np.int64(MALFORMED), np.int64(0)
        if series >= starts.size:
            return np.int64(FULL), np.int64(0)
        stop = pos + size
        starts[series], ends[series] = pos - base, stop - base
        h1, h2, first, is_known = seed1, seed2, samples, True
        while pos < stop:
            tag, pos = _varint(pos, stop)
            if pos < 0:
                return np.int64(MALFORMED), np.int64(0)
            if tag == 10 or tag == 18:
                size, pos = _varint(pos, stop)
                if pos < 0 or size < 0 or size > stop - pos:
                    return np.int64(MALFORMED), np.int64(0)
                after = pos + size
            else:
                after = _skipped(pos, stop, tag & 7)
                if after < 0 or tag >> 3 == 0:
                    return np.int64(MALFORMED), np.int64(0)
            if tag == 18:
                if samples >= times.size:
                    return np.int64(FULL), np.int64(0)
                ok, times[samples], bits[samples] = _sample(pos, after)
                if ok == 0:
                    return np.int64(MALFORMED), np.int64(0)
                samples += 1
            elif is_v2 and (tag == 10 or tag == 8):
                while pos < after:
                    ref, pos = _varint(pos, after)
                    if pos < 0:
                        return np.int64(MALFORMED), np.int64(0)
                    is_known = is_known and 0 <= ref < symbol1.size
                    if is_known:
                        h1, h2 = _mixed(h1, symbol1[ref], _A1, _A2), _mixed(h2, symbol2[ref], _B1, _B2)
            elif tag == 10:
                h1, h2 = _hashed(pos, after, h1, h2)
            else:
                tally[0] += tag == of_histogram
                tally[1] += tag == of_exemplar
            pos = after
        counts[series], h1s[series], h2s[series] = samples - first, h1, h2
        found[series] = find(h1, h2, keys1, keys2, ids) if is_known else np.int64(0)
        series += 1
    return series, samples
