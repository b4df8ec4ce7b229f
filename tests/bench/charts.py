"""What one picture costs in CPU, warm: the first of a process pays for matplotlib once."""

import statistics
import time
from datetime import UTC

import numpy as np

from metrics.charts import Picture, Span, draw
from tests.bench.figures import Figure, at_most, measured

MINUTE = 60_000


def run() -> dict[str, Figure]:
    started = time.process_time()
    draw(picture(100), form="png")
    first = 1000 * (time.process_time() - started)
    found = {"chart, the first of a process": measured(first, "ms CPU")}
    for points in (2_016, 43_200):
        for form in ("png", "svg"):
            for theme in ("light", "dark"):
                took = statistics.median(cpu_ms(picture(points), form, theme) for _ in range(9))
                found[f"chart 900x300, {points:,} points, {form}, {theme}"] = at_most(took, "ms CPU", 150)
    return found


def cpu_ms(drawn: Picture, form: str, theme: str) -> float:
    started = time.process_time()
    draw(drawn, form=form, theme=theme)
    return 1000 * (time.process_time() - started)


def picture(n: int) -> Picture:
    times, noise = MINUTE * np.arange(n), np.random.default_rng(3).normal(size=n)
    values = 100 + 20 * np.sin(np.arange(n) / 229) + noise
    span = Span(int(times[n // 2]), int(times[n // 2 + 20]))
    return Picture("bench", 0, int(times[-1]), times, values, times, values - noise, values - 4, values + 4, (span,), int(times[-1]), UTC)
