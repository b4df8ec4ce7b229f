"""How pages write lengths of time, figures, moments and sentences."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.template import Context, Template

from config.templatetags.plumbline import emphasise, figure, lasting, took
from orgs.moments import span_words

NOW = datetime(2026, 3, 29, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (59, "59 s"), (60, "1 min"), (3599, "59 min"), (3600, "1 h"), (172799, "47 h"), (172800, "2 d"), (60 * 86400, "2 mo"),
     (800 * 86400, "2 y"), (-90, "1 min")],
)  # fmt: skip
def test_an_age_has_one_unit(seconds, words):
    assert span_words(seconds) == words


@pytest.mark.parametrize(
    ("length", "words"),
    [(0, "0 s"), (0.25, "0.25 s"), (12, "12 s"), (60, "1 min"), (12600, "3 h 30 min"), (86400, "1 d"), (90061, "1 d 1 h"),
     (timedelta(minutes=5, seconds=2), "5 min 2 s"), (None, "")],
)  # fmt: skip
def test_a_length_has_two(length, words):
    assert lasting(length) == words


@pytest.mark.parametrize(("seconds", "words"), [(0.073, "< 1 s"), (0, "< 1 s"), (1, "1 s"), (5400.4, "1 h 30 min"), (None, "")])
def test_what_took_no_time_to_speak_of_has_no_figure(seconds, words):
    assert took(seconds) == words


@pytest.mark.parametrize(
    ("value", "words"),
    [(39197.0, "39,197"), (12.0, "12"), (0.0123456, "0.01235"), (-3.14159, "-3.142"), (1234.5, "1,234"), (1e20, "1e+20"),
     (1e-7, "1e-07"), (0.0, "0"), (None, "no value"), (float("nan"), "no value"), (float("inf"), "no value")],
)  # fmt: skip
def test_a_figure_has_four_digits_that_count(value, words):
    assert figure(value) == words


@pytest.mark.parametrize(
    ("sentence", "html"),
    [
        ("39,197 where 18,204 to 26,850 were expected, for 6 h.",
         "<strong>39,197</strong> where <strong>18,204 to 26,850</strong> were expected, for 6 h."),
        ("-0.5 is within -1 to 2.5, but unlike it", "<strong>-0.5</strong> is within <strong>-1 to 2.5</strong>, but unlike it"),
        ("Stuck at 7: the value", "Stuck at <strong>7</strong>: the value"),
        ("No points since 2026-03-01 12:00 UTC.", "No points since 2026-03-01 12:00 UTC."),
        ("<b>web-1</b> & 3 more", "&lt;b&gt;web-1&lt;/b&gt; &amp; 3 more"),
    ],
)  # fmt: skip
def test_a_sentence_shows_its_figures(sentence, html):
    assert emphasise(sentence) == html


def written(moment: datetime, form: str, zone: str) -> str:
    template = Template("{% load plumbline %}{% when moment form %}")
    return template.render(Context({"moment": moment, "form": form, "now": NOW, "zone": lambda: ZoneInfo(zone)}))


@pytest.mark.parametrize(
    ("moment", "form", "shown"),
    [
        (NOW - timedelta(minutes=4), "both", "4 min ago · 13:56"),
        (NOW - timedelta(minutes=4), "age", "4 min"),
        (NOW + timedelta(minutes=4), "both", "in 4 min · 14:04"),
        (NOW - timedelta(hours=12), "clock", "01:00"),
        (NOW - timedelta(days=1), "clock", "Sat 28 Mar, 13:00"),
        (NOW - timedelta(days=400), "clock", "22 Feb 2025, 13:00"),
    ],
)
def test_a_moment_is_told_in_the_readers_zone_across_the_change_of_clocks(moment, form, shown):
    """Berlin went to summer time at 01:00 UTC on 29 March 2026."""
    html = written(moment, form, "Europe/Berlin")
    assert html.endswith(f">{shown}</time>")
    assert f'datetime="{moment:%Y-%m-%dT%H:%M:%SZ}"' in html
    assert f"{moment:%Y-%m-%d %H:%M:%S} UTC" in html


def test_no_moment_is_nothing():
    assert Template("{% load plumbline %}{% when moment %}").render(Context({"moment": None})) == ""
