"""Packed columns: int64 and float64 arrays as bytes, bit-exact, with one leading codec byte.

Columns are small (a request, a day of one series), so every codec is a handful of vector operations; lz4 blocks are raw blocks of a
known length: zstd makes them a quarter smaller, but costs ten times the time to read, and its set-up more than a short column is worth.
"""

from typing import Final

import cramjam
import numpy as np

from metrics.arrays import Floats, Ints

_RAW: Final = 0
_DELTA: Final = 0x10
_LZ4: Final = 0x20
_DECIMAL: Final = 0x40
_WIDTH: Final = 0x0F
_WIDTHS: Final = ((1, 0xFF), (2, 0xFFFF), (4, 0xFFFFFFFF))
_MAX_DECIMALS: Final = 6
# A column shorter than this is not worth a compressor's fixed cost.
_WORTH_SQUEEZING: Final = 64
# Scaled decimals stay exact below 2^53, and so do their differences in int64.
_EXACT: Final = float(2**53)


def pack_ints(values: Ints, *, delta: bool = False, squeeze: bool = False) -> bytes:
    """An int64 array of shape (n,) as offsets from its least value, or from step to step, in the narrowest width that holds them.

    `squeeze` adds lz4 where it makes the column smaller. |values| must stay below 2^62: differences must not overflow.
    """
    if values.size == 0:
        return bytes([_RAW])
    first = int(values[0])
    steps = np.diff(values) if delta else values
    base = int(steps.min()) if steps.size else 0
    width = _width_of(int(steps.max()) - base if steps.size else 0)
    body = _narrow(steps, base, width)
    head = np.array([first, base] if delta else [base], np.int64).tobytes()
    return _framed((_DELTA if delta else _RAW) | width, head, body, squeeze=squeeze)


def unpack_ints(data: bytes, n: int) -> Ints:
    """The array of shape (n,) that `pack_ints` packed. Raises ValueError when `data` is not such a column."""
    if n == 0:
        return np.empty(0, np.int64)
    code, is_delta = data[0], bool(data[0] & _DELTA)
    heads = 2 if is_delta else 1
    head = np.frombuffer(data, np.int64, heads, 1)
    steps: Ints = _widened(data[1 + 8 * heads :], code, n - is_delta) + head[-1]
    if not is_delta:
        return steps
    out = np.empty(n, np.int64)
    out[0] = head[0]
    np.cumsum(steps, out=out[1:])
    out[1:] += head[0]
    return out


def pack_floats(values: Floats) -> bytes:
    """A float64 array of shape (n,), bit for bit (NaN payloads and -0.0 included), as small as the cheap codecs make it.

    Numbers with few decimals are stored as differences of scaled integers, all others raw; both squeezed where that helps.
    """
    decimals = _decimals_of(values)
    if decimals is None:
        return _framed(_RAW | 8, b"", np.ascontiguousarray(values).tobytes(), squeeze=True)
    scaled = _scaled(values, decimals)
    return bytes([_DECIMAL, decimals]) + pack_ints(scaled, delta=True, squeeze=True)


def unpack_floats(data: bytes, n: int) -> Floats:
    """The array of shape (n,) that `pack_floats` packed. Raises ValueError when `data` is not such a column."""
    if n == 0:
        return np.empty(0, np.float64)
    if data[0] != _DECIMAL:
        return np.frombuffer(_body(data[1:], data[0], n * 8), np.float64, n)
    scaled = unpack_ints(data[2:], n).astype(np.float64)
    return scaled if data[1] == 0 else scaled / 10.0 ** data[1]


def _width_of(span: int) -> int:
    if span == 0:
        return 0
    return next((width for width, top in _WIDTHS if span <= top), 8)


def _narrow(steps: Ints, base: int, width: int) -> bytes:
    return b"" if width == 0 else (steps - base).astype(f"<u{width}").tobytes()


def _widened(body: bytes, code: int, n: int) -> Ints:
    width = code & _WIDTH
    if width == 0:
        return np.zeros(n, np.int64)
    return np.frombuffer(_body(body, code, n * width), f"<u{width}", n).astype(np.int64)


def _framed(code: int, head: bytes, body: bytes, *, squeeze: bool) -> bytes:
    if squeeze and len(body) >= _WORTH_SQUEEZING:
        small = bytes(cramjam.lz4.compress_block(body, store_size=False))
        if len(small) < len(body):
            return bytes([code | _LZ4]) + head + small
    return bytes([code]) + head + body


def _body(body: bytes, code: int, size: int) -> bytes:
    return bytes(cramjam.lz4.decompress_block(body, output_len=size)) if code & _LZ4 else body


def _decimals_of(values: Floats) -> int | None:
    """The fewest decimals that give every value back bit for bit, or None. A sample decides most cases without a full pass."""
    for decimals in range(_MAX_DECIMALS + 1):
        if _is_exact(values[:32], decimals) and _is_exact(values, decimals):
            return decimals
    return None


def _is_exact(values: Floats, decimals: int) -> bool:
    with np.errstate(invalid="ignore", over="ignore"):
        scaled = np.rint(values * 10.0**decimals)
        if not bool((np.abs(scaled) < _EXACT).all()):
            return False
        back = scaled.astype(np.int64).astype(np.float64) / 10.0**decimals
    return bool(np.array_equal(back.view(np.int64), values.view(np.int64)))


def _scaled(values: Floats, decimals: int) -> Ints:
    return np.rint(values * 10.0**decimals).astype(np.int64)
