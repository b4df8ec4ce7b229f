"""How the lines of a list of anomalies are written."""

from datetime import UTC, datetime

from django.template import engines

from anomalies.pages.cells import Cell
from anomalies.pages.columns import COLUMNS
from anomalies.pages.rows import Face, Failed, Row

NASTY = "<b title='x'>&\"</b>"
AT = datetime(2026, 5, 15, 12, 0, tzinfo=UTC)


def row(**changes) -> Row:
    plain = {
        "id": 7, "url": "/app/anomalies/7?list=a%3Db&c", "type": "record", "name": NASTY, "message": NASTY, "weight": 3, "meter": 11,
        "status": "Active", "is_new": True, "source": NASTY, "at": AT, "found": AT, "is_history": False, "tags": (NASTY,), "spark": None,
        "spark_url": "",
        "cells": (Cell(NASTY, NASTY, True),), "failed": Failed(NASTY, f"{NASTY} again", 2), "faces": (Face("AL", NASTY, 1),),
        "sleep": NASTY, "sleeps_until": None, "score": 2.5, "records": 12345, "may_change": True,
    }  # fmt: skip
    return Row(**plain | changes)


def written(*rows: Row, columns=tuple(COLUMNS), may_change=True) -> str:
    template = engines["django"].from_string("{% load anomaly_rows %}{% anomaly_rows rows columns may_change %}")
    return template.render({"rows": rows, "columns": columns, "may_change": may_change, "now": AT})


def test_whatever_a_line_shows_is_escaped():
    line = written(row())
    assert "<b" not in line
    # Name (twice: its box says it too), message and that of the check, rule, source, tag (twice: it may be cut), field (twice)
    # and value of the cell, face, sleep.
    assert line.count("&lt;b title=&#x27;x&#x27;&gt;&amp;&quot;&lt;/b&gt;") == 14
    assert 'data-url="/app/anomalies/7?list=a%3Db&amp;c"' in line


def test_only_the_chosen_columns_are_written_and_a_box_where_one_may_change():
    line = written(row(), row(may_change=False), columns=("weight", "number"))
    assert line.count("<td") == 2 * 4
    assert line.count("<input") == 1
    assert written(row(), columns=(), may_change=False).count("<td") == 1


def test_long_texts_are_cut_and_figures_are_written_as_people_do():
    line = written(row(name="n" * 200, message="m" * 300, score=88.5), columns=("score", "records"))
    assert f"{'n' * 119}…</a>" in line
    assert f"{'m' * 219}…</div>" in line
    assert ('<td class="end">89</td>' in line, '<td class="end">12,345</td>' in line) == (True, True)


def test_a_line_with_many_tags_names_some_and_counts_the_rest():
    line = written(row(tags=tuple(f"tag {number}" for number in range(40))), columns=("tags",))
    assert (line.count("tag plain"), "and 35 more</span>" in line, ">tag 4<" in line, ">tag 5<" in line) == (5, True, True, False)
    assert " more" not in written(row(tags=("a", "b", "c", "d", "e"), failed=None), columns=("tags",))
