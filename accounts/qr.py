"""QR codes as one SVG path, made here: no script, and nothing from elsewhere."""

from dataclasses import dataclass
from typing import Final

from qrcode.constants import ERROR_CORRECT_M
from qrcode.main import QRCode

QUIET: Final = 4  # modules of white around it, which readers need


@dataclass(frozen=True)
class Picture:
    """`path` draws the dark modules in a square of `size` units."""

    size: int
    path: str


def picture_of(text: str) -> Picture:
    """The code of the text: each run of dark modules is a bar one unit high."""
    code: QRCode[object] = QRCode(error_correction=ERROR_CORRECT_M, border=QUIET)
    code.add_data(text)
    rows = code.get_matrix()
    return Picture(
        len(rows), "".join(f"M{start} {y}h{stop - start}v1h-{stop - start}z" for y, row in enumerate(rows) for start, stop in _runs(row))
    )


def _runs(row: list[bool]) -> list[tuple[int, int]]:
    """Where dark modules begin and end."""
    edges = [x for x, (before, here) in enumerate(zip([False, *row], [*row, False], strict=True)) if bool(before) != bool(here)]
    return list(zip(edges[::2], edges[1::2], strict=True))
