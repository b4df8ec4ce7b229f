"""CSV for downloads: RFC 4180, and nothing in it that a spreadsheet would run."""

import csv
from collections.abc import Iterable, Sequence
from typing import Any, Final

# What spreadsheets take for the beginning of a formula, or skip before one.
FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")

FORMULA_SIGNS: Final = frozenset(FORMULA)


def defused(cell: Any) -> Any:
    """Text that a spreadsheet would take for a formula gets an apostrophe before it; numbers stay numbers."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(FORMULA) else cell


def defused_row(row: Sequence[Any]) -> Sequence[Any]:
    """The row itself where nothing in it has to be defused, as in nearly all."""
    for cell in row:
        if cell.__class__ is not str:
            continue
        if cell[:1] in FORMULA_SIGNS:
            return [defused(one) for one in row]
    return row


def csv_lines(rows: Iterable[Sequence[Any]]) -> bytes:
    """The rows as lines of CSV in UTF-8, each ended by CR LF; text defused, None empty."""
    lines = _Lines()
    csv.writer(lines).writerows(defused_row(row) for row in rows)
    return "".join(lines.written).encode()


class _Lines:
    """What the writer writes to."""

    def __init__(self) -> None:
        self.written: list[str] = []

    def write(self, line: str) -> None:
        self.written.append(line)
