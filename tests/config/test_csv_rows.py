"""CSV that a spreadsheet may open."""

import pytest

from config.api.csv_rows import csv_lines, defused


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "\uff1d1"])
def test_what_begins_like_a_formula_gets_an_apostrophe(text):
    assert defused(text) == f"'{text}"


@pytest.mark.parametrize("cell", ["a=1", "", " x", "'x", -1, -1.5, None, "é"])
def test_anything_else_stays(cell):
    assert defused(cell) is cell


def test_lines_are_quoted_where_they_must_be_and_end_in_cr_lf():
    rows = [["a", "b,c", 'say "x"', "two\nlines"], [1, -2.5, None, "=x"]]
    assert csv_lines(rows) == b'a,"b,c","say ""x""","two\nlines"\r\n1,-2.5,,\'=x\r\n'
    assert csv_lines([]) == b""
