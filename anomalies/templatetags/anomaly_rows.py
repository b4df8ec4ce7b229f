"""The lines of a list of anomalies. `{% load anomaly_rows %}`.

They are written here and not in a template, which takes several times as long: the inbox writes up to a hundred of them with each page.
"""

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any, Final

from django import template
from django.template.defaultfilters import floatformat, truncatechars
from django.template.loader import render_to_string
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

from anomalies.pages.rows import Face, Row
from anomalies.pages.why import rule_words
from config.templatetags.plumbline import figure, when
from metrics.sparklines import Spark

register = template.Library()

# Of the inbox, those that a short list beside other things has room for.
BRIEF: Final = ("weight", "evidence", "status", "age")

TAGS_SHOWN: Final = 5
TAG_FITS: Final = 9  # letters, wherever it stands

# Writes a moment: "age" or "clock".
Told = Callable[[Any, str], str]


@register.simple_tag(takes_context=True)
def anomaly_rows(context: template.Context, rows: tuple[Row, ...], columns: tuple[str, ...], may_change: bool) -> SafeString:
    """The lines with these columns; with a box to tick where the reader may change something."""
    told = partial(when, context)
    writers = [write for name, write in CELLS.items() if name in columns or name == "what" or (name == "pick" and may_change)]
    return mark_safe("\n".join(line(row, writers, told) for row in rows))  # noqa: S308 - each cell escapes what it shows


@register.simple_tag(takes_context=True)
def brief_rows(context: template.Context, rows: tuple[Row, ...]) -> SafeString:
    """The lines of a short list, with nothing to tick."""
    return anomaly_rows(context, rows, BRIEF, may_change=False)


def line(row: Row, writers: list[Callable[[Row, Told], str]], told: Told) -> str:
    return f'<tr data-id="{row.id}" data-url="{escape(row.url)}">{"".join(write(row, told) for write in writers)}</tr>'


def pick(row: Row, told: Told) -> str:
    box = f'<input type="checkbox" name="id" value="{row.id}" aria-label="Select {short(row.name, 80)} #{row.id}">'
    return f'<td class="pick">{box if row.may_change else ""}</td>'


def weight(row: Row, told: Told) -> str:
    return f'<td><span class="weight">{meter(row.meter)}<span class="hidden-text">weight</span>{row.weight}</span></td>'


def what(row: Row, told: Told) -> str:
    seen, hint = ("", '<span class="hidden-text"> not looked at yet</span>') if row.is_new else (" seen", "")
    kind = escape(row.type)
    lead = f'<span class="tag {kind}">{kind}</span><a class="name{seen}" href="{escape(row.url)}">{short(row.name, 120)}</a>{hint}'
    return f'<td class="what"><div class="lead">{lead}</div><div class="say">{short(row.message, 220)}</div>{failed(row)}</td>'


def failed(row: Row) -> str:
    """The first check that is violated; its message only where the line does not say it already."""
    if row.failed is None:
        return ""
    message = f"{short(row.failed.message, 160)} " if row.failed.message != row.message else ""
    others = f" and {row.failed.others} more" if row.failed.others else ""
    return f'<div class="say">{message}<span class="rule">{escape(rule_words(row.failed.rule).capitalize())}</span>{others}</div>'


def evidence(row: Row, told: Told) -> str:
    if row.cells:
        cells = "".join(
            f'<span class="cell{" wrong" if cell.is_wrong else ""}" title="{escape(cell.field)}">'
            f'<span class="hidden-text">{escape(cell.field)}: </span>{escape(cell.text)}</span>'
            for cell in row.cells
        )
        return f'<td class="evidence"><span class="cells">{cells}</span></td>'
    records = f'<span class="mute small">{figure(row.records)} records</span>' if row.type == "shape" and row.records else ""
    later = f' hx-get="{row.spark_url}" hx-trigger="intersect once" hx-target="this" hx-swap="innerHTML"' if row.spark_url else ""
    return f'<td class="evidence"{later}>{picture(row.spark) if row.spark else ""}{records}</td>'


def source(row: Row, told: Told) -> str:
    return f'<td class="from mute">{escape(row.source)}</td>'


def status(row: Row, told: Told) -> str:
    asleep = f"until {told(row.sleeps_until, 'clock')}" if row.sleeps_until else escape(row.sleep)
    below = f'<div class="mute small">asleep {asleep}</div>' if asleep else ""
    return f'<td><span class="status {escape(row.status.lower())}">{escape(row.status)}</span>{below}</td>'


def tags(row: Row, told: Told) -> str:
    history = '<span class="tag plain" title="Found in imported history">history</span> ' if row.is_history else ""
    named = "".join(map(label, row.tags[:TAGS_SHOWN]))
    more = f'<span class="mute small nowrap">and {len(row.tags) - TAGS_SHOWN} more</span>' if len(row.tags) > TAGS_SHOWN else ""
    return f'<td class="tagged">{history}{named}{more}</td>'


def label(tag: str) -> str:
    """A long one is cut by its place, and shown whole where one points."""
    whole = f' title="{escape(tag)}"' if len(tag) > TAG_FITS else ""
    return f'<span class="tag plain"{whole}>{escape(tag)}</span> '


def assignees(row: Row, told: Told) -> str:
    return f"<td>{faces(row.faces)}</td>"


def number(row: Row, told: Told) -> str:
    return f'<td class="end mute">#{row.id}</td>'


def score(row: Row, told: Told) -> str:
    return f'<td class="end">{"" if row.score is None else floatformat(row.score, 0)}</td>'


def records(row: Row, told: Told) -> str:
    return f'<td class="end">{"" if row.records is None else figure(row.records)}</td>'


def age(row: Row, told: Told) -> str:
    began = f'<div class="small nowrap">began {told(row.at, "age")}&nbsp;ago</div>' if row.is_history else ""
    return f'<td class="end mute">{told(row.found, "age")}{began}</td>'


# By column, in their order; "pick" and "what" are no columns that one chooses.
CELLS: Final[dict[str, Callable[[Row, Told], str]]] = {
    "pick": pick, "weight": weight, "what": what, "evidence": evidence, "source": source, "status": status, "tags": tags,
    "assignees": assignees, "number": number, "score": score, "records": records, "age": age,
}  # fmt: skip


def short(text: str, most: int) -> str:
    """The beginning of a text, escaped."""
    return escape(text if len(text) <= most else truncatechars(text, most))


@lru_cache(maxsize=64)
def meter(width: int) -> str:
    return render_to_string("parts/meter.html", {"width": width})


@lru_cache(maxsize=1024)
def picture(spark: Spark) -> str:
    return render_to_string("parts/spark.html", {"spark": spark})


@lru_cache(maxsize=1024)
def faces(shown: tuple[Face, ...]) -> str:
    return render_to_string("anomalies/_faces.html", {"faces": shown})
