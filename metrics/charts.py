"""The picture of a series: points, expected band, shaded anomalies and now. Values in, PNG or SVG out; no database and no clock.

matplotlib is imported by the first picture of a process, not with this module: it takes a second and 50 MB.
"""

import functools
import io
import logging
import warnings
from dataclasses import dataclass, replace
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np

from metrics.arrays import Floats, Ints
from metrics.looks import LOOKS, Look, Theme
from metrics.steps import means, starts_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Form = Literal["png", "svg"]

FONTS: Final = Path(__file__).parent / "fonts"
DPI: Final = 100
CONTENT_TYPES: Final = MappingProxyType({"png": "image/png", "svg": "image/svg+xml"})
# A step without a point that is this many times the usual one is a gap, and is drawn as one.
GAP_STEPS: Final = 3.5
# Pixels between the picture's edge and the axes: left, right, top, bottom.
MARGINS: Final = (56, 16, 44, 30)
PIXELS_PER_TIME: Final = 80
PIXELS_PER_VALUE: Final = 38
LEGEND_PIXELS: Final = 340
PIXELS_PER_LETTER: Final = 7
# The height of a picture of values beyond this may be more than a number holds: it is drawn some powers of ten less, and labelled as it is.
FAR: Final = 1e300
FAR_POWER: Final = 10


@dataclass(frozen=True)
class Span:
    """One anomaly on the picture; `end_ms` is None while it lasts."""

    start_ms: int
    end_ms: int | None
    peak_ms: int | None = None


@dataclass(frozen=True)
class Picture:
    """What is drawn. Points and band are columns in time order, NaN = gap; times are shown in `zone`."""

    title: str
    start_ms: int
    end_ms: int
    timestamps_ms: Ints
    values: Floats
    band_ms: Ints
    expected: Floats
    lower: Floats
    upper: Floats
    spans: tuple[Span, ...] = ()
    now_ms: int | None = None
    zone: tzinfo = UTC
    power: int = 0  # of ten, by which values and band are less than what they show


def draw(picture: Picture, *, form: Form, theme: Theme = "light", width: int = 900, height: int = 300) -> bytes:
    """The picture as a PNG, or as an SVG with real text, of width x height pixels."""
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    _know_fonts()
    look, picture = LOOKS[theme], nearer(picture)
    with matplotlib.rc_context(_style(look)):
        figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI, facecolor=look.panel)
        FigureCanvasAgg(figure)
        box = Box(width, height)
        axes = _axes(figure, box)
        _draw_all(axes, picture, look, box)
        _label(figure, axes, picture, look, box)
        return _written(figure, form)


def nearer(picture: Picture) -> Picture:
    """The same, with values whose differences are finite."""
    columns = {name: getattr(picture, name) for name in ("values", "expected", "lower", "upper")}
    if not any((np.abs(column[np.isfinite(column)]) > FAR).any() for column in columns.values()):
        return picture
    return replace(picture, power=FAR_POWER, **{name: column / 10.0**FAR_POWER for name, column in columns.items()})


@functools.cache
def _know_fonts() -> None:
    """Makes our Inter known, once per process; glyphs that it lacks come from matplotlib's own font."""
    from matplotlib import font_manager

    for path in sorted(FONTS.glob("*.ttf")):
        font_manager.fontManager.addfont(path)
    # A weight or a glyph that no font here has is drawn as well as can be; nobody can act on being told for each picture.
    logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", message=r"Glyph \d+ .* missing from font", category=UserWarning)


def _style(look: Look) -> Any:
    return {
        "font.family": ["Inter", "DejaVu Sans"],
        "font.size": 8.5,
        "svg.fonttype": "none",  # text stays text: smaller, searchable, in the reader's font
        "svg.hashsalt": "plumbline",  # equal pictures are equal bytes, so that an ETag means something
        "path.simplify": False,  # the points are thinned to the pixel already
        "text.color": look.ink,
        "text.parse_math": False,  # a series may be called $x$
    }


def _written(figure: "Figure", form: Form) -> bytes:
    out = io.BytesIO()
    if form == "svg":
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": "Plumbline"})
    else:
        # Level 1 is five times as fast as the default and a fifth larger.
        figure.savefig(out, format="png", pil_kwargs={"compress_level": 1}, metadata={"Software": "Plumbline"})
    return out.getvalue()


@dataclass(frozen=True)
class Box:
    """Where the axes are in the picture, and fractions of the picture for pixels counted from the axes' left and bottom edge."""

    width: int
    height: int

    @property
    def columns(self) -> int:
        return self.width - MARGINS[0] - MARGINS[1]

    @property
    def rows(self) -> int:
        return self.height - MARGINS[2] - MARGINS[3]

    def x(self, pixels: float) -> float:
        return (MARGINS[0] + pixels) / self.width

    def y(self, pixels: float) -> float:
        return (MARGINS[3] + pixels) / self.height


def _axes(figure: "Figure", box: Box) -> "Axes":
    """Axes without ticks and frame: matplotlib's take half of the time of a picture, ours are lines and words."""
    axes = figure.add_axes((box.x(0), box.y(0), box.columns / box.width, box.rows / box.height), facecolor="none")
    axes.set_axis_off()
    return axes


def _draw_all(axes: "Axes", picture: Picture, look: Look, box: Box) -> None:
    within = (picture.start_ms, picture.end_ms)
    seconds, values = thinned(*with_gaps(picture.timestamps_ms, picture.values), columns=box.columns, within=within)
    axes.set_xlim(picture.start_ms / 1000, picture.end_ms / 1000)
    axes.set_ylim(*_limits(picture, values))
    _draw_spans(axes, picture, look)
    _draw_band(axes, picture, look, columns=box.columns)
    axes.plot(seconds, values, color=look.ink, linewidth=1.1, solid_joinstyle="round", zorder=4)
    _draw_anomalous(axes, picture, look, seconds, values)
    _draw_now(axes, picture, look)


def _draw_spans(axes: "Axes", picture: Picture, look: Look) -> None:
    # A spike of one point would be thinner than a pixel.
    least = (picture.end_ms - picture.start_ms) / 1000 * 0.006
    for span in picture.spans:
        start, end = _edges(span, picture)
        spare = max(0.0, least - (end - start)) / 2
        axes.axvspan(start - spare, end + spare, color=look.shade[0], alpha=look.shade[1], linewidth=0, zorder=1)


def _edges(span: Span, picture: Picture) -> tuple[float, float]:
    """In seconds; one that lasts ends at the newest point or now."""
    newest = int(picture.timestamps_ms[-1]) if picture.timestamps_ms.size else span.start_ms
    end = span.end_ms if span.end_ms is not None else max(newest, picture.now_ms or 0)
    return max(span.start_ms, picture.start_ms) / 1000, min(max(end, span.start_ms), picture.end_ms) / 1000


def _draw_band(axes: "Axes", picture: Picture, look: Look, *, columns: int) -> None:
    within = (picture.start_ms, picture.end_ms)
    bounds = [
        averaged(picture.band_ms, column, columns=columns, within=within) for column in (picture.lower, picture.upper, picture.expected)
    ]
    (seconds, lower), (_, upper), (_, expected) = bounds
    axes.fill_between(seconds, lower, upper, color=look.band[0], alpha=look.band[1], linewidth=0, zorder=2)
    axes.plot(seconds, expected, color=look.accent, linewidth=0.8, linestyle=(0, (2.5, 2)), zorder=3)


def _draw_anomalous(axes: "Axes", picture: Picture, look: Look, seconds: Floats, values: Floats) -> None:
    """The points of an anomaly in its colour, and a dot on its peak."""
    for span in picture.spans:
        start, end = _edges(span, picture)
        inside = np.flatnonzero((seconds >= start) & (seconds <= end))
        if inside.size:
            # From the point before to the point after, so that the line is not cut.
            part = slice(max(0, inside[0] - 1), inside[-1] + 1)
            axes.plot(seconds[part], values[part], color=look.anomaly, linewidth=1.4, solid_joinstyle="round", zorder=5)
        _draw_peak(axes, picture, look, span)


def _draw_peak(axes: "Axes", picture: Picture, look: Look, span: Span) -> None:
    at = np.flatnonzero(picture.timestamps_ms == (span.start_ms if span.peak_ms is None else span.peak_ms))
    if at.size and np.isfinite(picture.values[at[0]]):
        place = picture.timestamps_ms[at[0]] / 1000, picture.values[at[0]]
        axes.plot(*place, "o", color=look.anomaly, markeredgecolor=look.panel, markersize=6.5, zorder=6, clip_on=False)


def _draw_now(axes: "Axes", picture: Picture, look: Look) -> None:
    now_ms = picture.now_ms
    if now_ms is None or not picture.start_ms < now_ms <= picture.end_ms:
        return
    axes.axvline(now_ms / 1000, color=look.mute, linewidth=0.9, linestyle=(0, (1, 2)), zorder=3)
    inside = now_ms < picture.end_ms - 0.05 * (picture.end_ms - picture.start_ms)
    place: Any = {"xytext": (4 if inside else -4, -8), "ha": "left" if inside else "right"}
    axes.annotate(
        "now", (now_ms / 1000, 1), xycoords=("data", "axes fraction"), textcoords="offset points", color=look.mute, fontsize=8, **place
    )


def _label(figure: "Figure", axes: "Axes", picture: Picture, look: Look, box: Box) -> None:
    _label_values(figure, axes, look, box, power=picture.power)
    _label_times(figure, picture, look, box)
    right = _legend(figure, picture, look, box) if box.columns >= LEGEND_PIXELS + 80 else 0
    letters = (box.columns - right) // PIXELS_PER_LETTER
    title = picture.title if len(picture.title) <= letters else f"{picture.title[: letters - 1]}…"
    figure.text(14 / box.width, 1 - 16 / box.height, title, va="top", fontsize=10, weight=600)


def _label_values(figure: "Figure", axes: "Axes", look: Look, box: Box, *, power: int) -> None:
    low, high = axes.get_ylim()
    values = value_ticks(low, high, most=max(2, box.rows // PIXELS_PER_VALUE))
    axes.hlines(values, *axes.get_xlim(), color=look.line, linewidth=0.8, zorder=0.5)
    texts = far_numbers(values, power=power) if power else short_numbers(values)
    for value, text in zip(values, texts, strict=True):
        figure.text(box.x(-8), box.y(box.rows * (value - low) / (high - low)), text, ha="right", va="center_baseline", color=look.mute)


def _label_times(figure: "Figure", picture: Picture, look: Look, box: Box) -> None:
    length = picture.end_ms - picture.start_ms
    for at_ms, text in time_ticks(picture.start_ms, picture.end_ms, most=max(2, box.columns // PIXELS_PER_TIME), zone=picture.zone):
        figure.text(box.x(box.columns * (at_ms - picture.start_ms) / length), box.y(-8), text, ha="center", va="top", color=look.mute)


def _legend(figure: "Figure", picture: Picture, look: Look, box: Box) -> int:
    """The keys of what is drawn, from the right edge leftwards; returns how many pixels they take."""
    from matplotlib.lines import Line2D

    keys: list[tuple[str, int, dict[str, Any]]] = [("value", 30, {"color": look.ink, "linewidth": 1.6})]
    if picture.band_ms.size:
        keys.append(("expected", 53, {"color": look.accent, "linewidth": 1.2, "linestyle": (0, (2.5, 1.5))}))
        keys.append(("99 % band", 62, {"color": look.band[0], "alpha": 2 * look.band[1], "linewidth": 6, "solid_capstyle": "butt"}))
    if picture.spans:
        keys.append(("anomaly", 48, {"color": look.anomaly, "linewidth": 1.6}))
    edge, height = box.columns, box.y(box.rows + 15)
    for text, width, style in reversed(keys):
        edge -= width
        figure.text(box.x(edge), height, text, va="center_baseline", color=look.mute, fontsize=8)
        ends = [box.x(edge - 20), box.x(edge - 6)]
        figure.add_artist(Line2D(ends, [height - 1.5 / box.height] * 2, transform=figure.transFigure, **style))
        edge -= 34
    return box.columns - edge


def _limits(picture: Picture, shown: Floats) -> tuple[float, float]:
    """The values, and the band as far as it does not squeeze them: at most once their height beyond on each side."""
    known = shown[np.isfinite(shown)]
    band = np.concatenate([picture.lower, picture.upper])
    band = band[np.isfinite(band)]
    if not known.size and not band.size:
        return 0.0, 1.0
    low, high = (known.min(), known.max()) if known.size else (band.min(), band.max())
    height = (high - low) or abs(high) or 1.0
    if band.size and known.size:
        low, high = min(low, max(band.min(), low - height)), max(high, min(band.max(), high + height))
    spare = 0.05 * ((high - low) or abs(high) or 1.0)
    return float(low - spare), float(high + spare)


def with_gaps(timestamps_ms: Ints, values: Floats) -> tuple[Ints, Floats]:
    """The same with a NaN in every gap, so that no line is drawn over what is not known."""
    if timestamps_ms.size < 3:
        return timestamps_ms, values
    steps = np.diff(timestamps_ms)
    gaps = np.flatnonzero(steps > GAP_STEPS * np.median(steps)) + 1
    return np.insert(timestamps_ms, gaps, timestamps_ms[gaps - 1] + 1), np.insert(values, gaps, np.nan)


def thinned(timestamps_ms: Ints, values: Floats, *, columns: int, within: tuple[int, int]) -> tuple[Floats, Floats]:
    """Seconds and values of what a screen can show: first, least, greatest and last point of each pixel column, gaps kept.

    Few points stay as they are.
    """
    seconds = timestamps_ms / 1000
    if values.size <= 4 * columns:
        return seconds, values
    column = np.clip((timestamps_ms - within[0]) * columns // max(1, within[1] - within[0]), 0, columns - 1)
    starts = starts_of(column)
    group = np.repeat(np.arange(starts.size), np.diff(np.append(starts, values.size)))
    order = np.lexsort((values, group))  # NaN last within a group
    known = np.add.reduceat(~np.isnan(values), starts)
    kept = np.concatenate([starts, order[starts], order[starts + np.maximum(known, 1) - 1], np.append(starts[1:], values.size) - 1])
    places = np.unique(np.concatenate([kept, np.flatnonzero(np.isnan(values))]))
    return seconds[places], values[places]


def averaged(timestamps_ms: Ints, column: Floats, *, columns: int, within: tuple[int, int]) -> tuple[Floats, Floats]:
    """Seconds and means per pixel column, NaN left out; few points stay as they are."""
    if column.size <= 2 * columns:
        return timestamps_ms / 1000, column
    pixel = np.clip((timestamps_ms - within[0]) * columns // max(1, within[1] - within[0]), 0, columns - 1)
    starts = starts_of(pixel)
    return timestamps_ms[starts] / 1000, means(column, starts)


MINUTE: Final = 60
HOUR: Final = 3600
DAY: Final = 86400
TIME_STEPS: Final = (
    1, 2, 5, 10, 15, 30, MINUTE, 2 * MINUTE, 5 * MINUTE, 10 * MINUTE, 15 * MINUTE, 30 * MINUTE,
    HOUR, 2 * HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR,
    DAY, 2 * DAY, 3 * DAY, 7 * DAY, 14 * DAY, 28 * DAY, 56 * DAY, 91 * DAY, 182 * DAY, 364 * DAY,
)  # fmt: skip


def time_ticks(start_ms: int, end_ms: int, *, most: int, zone: tzinfo) -> list[tuple[int, str]]:
    """Round local times in the range with their words, at most about `most`. Across a clock change the wall clock stays round."""
    length = (end_ms - start_ms) / 1000
    step = next((step for step in TIME_STEPS if length / step <= most), TIME_STEPS[-1])
    ticks: list[tuple[int, str]] = []
    wall = _wall_seconds(start_ms, zone) // step * step
    while (at_ms := _real_ms(wall, zone)) <= end_ms:
        if at_ms >= start_ms:
            ticks.append((at_ms, _words(at_ms, step, zone, is_first=not ticks)))
        wall += step
    return ticks


def _wall_seconds(at_ms: int, zone: tzinfo) -> int:
    """Seconds since 1970 as the wall clock of `zone` shows them."""
    return int(datetime.fromtimestamp(at_ms / 1000, zone).replace(tzinfo=UTC).timestamp())


def _real_ms(wall_s: int, zone: tzinfo) -> int:
    return int(datetime.fromtimestamp(wall_s, UTC).replace(tzinfo=zone).timestamp() * 1000)


def _words(at_ms: int, step: int, zone: tzinfo, *, is_first: bool) -> str:
    at = datetime.fromtimestamp(at_ms / 1000, zone)
    if step >= DAY:
        return f"{at:%a} {at.day} {at:%b}" if step < 7 * DAY else f"{at.day} {at:%b %Y}" if step >= 91 * DAY else f"{at.day} {at:%b}"
    if at.hour == at.minute == 0 or is_first:
        return f"{at.day} {at:%b %H:%M}"
    return f"{at:%H:%M}" if step >= MINUTE else f"{at:%H:%M:%S}"


def value_ticks(low: float, high: float, *, most: int) -> Floats:
    """Round numbers in [low, high], at most about `most`."""
    rough = (high - low) / most
    power = 10.0 ** np.floor(np.log10(rough))
    step = next(nice * power for nice in (1, 2, 2.5, 5, 10) if nice * power >= rough)
    ticks: Floats = np.arange(np.ceil(low / step), np.floor(high / step) + 1) * step
    return ticks


# From how much on an axis is told in which unit; 4,000 is read more easily than 4k.
UNITS: Final = ((1e12, "T", 1e12), (1e9, "G", 1e9), (1e6, "M", 1e6), (1e3, "k", 5e3))


def short_numbers(values: Floats) -> list[str]:
    """The values of an axis in one unit and with as few digits as tell them apart: 0, 10k, 20k."""
    largest = float(np.max(np.abs(values))) if values.size else 0.0
    scale, unit = next(((scale, unit) for scale, unit, least in UNITS if largest >= least), (1.0, ""))
    if largest >= 1e16 or 0 < largest < 1e-4:
        return [f"{value:.3g}" for value in values]
    scaled = values / scale
    step = float(np.min(np.diff(scaled))) if scaled.size > 1 else 1.0
    digits = max(0, min(9, int(np.ceil(-np.log10(step) - 1e-9)) + (0 if _is_round(step) else 1)))
    return [f"{value + 0.0:,.{digits}f}{unit if value else ''}" for value in scaled]


def far_numbers(values: Floats, *, power: int) -> list[str]:
    """The values of an axis times ten to the `power`, also where no number holds that."""
    told = (f"{value:.1e}".split("e") for value in values.tolist())
    return [f"{digits.removesuffix('.0')}e{int(exponent) + power}" if float(digits) else "0" for digits, exponent in told]


def _is_round(step: float) -> bool:
    """Whether the step has one significant digit, so 0.2 but not 0.25."""
    power = 10.0 ** np.floor(np.log10(step))
    return bool(abs(step / power - round(step / power)) < 1e-6)
