"""Runs every benchmark: a table on screen, `docs/benchmarks.md` and `bench.json`.

usage: python -m tests.bench [area ...]     (all areas without arguments)
"""

import importlib
import json
import os
import platform
import sys
from datetime import UTC, datetime
from pathlib import Path

from tests.bench.figures import Figure

AREAS = ("nab", "detection", "ingest", "points", "loop", "api", "session", "charts")
ROOT = Path(__file__).resolve().parents[2]
REPORT = ROOT / "docs" / "benchmarks.md"
RESULTS = ROOT / "bench.json"
MARK = "<!-- figures -->"


def machine() -> str:
    model = next(
        (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")), "?"
    )
    return f"{os.cpu_count()} cores, {model}, Python {platform.python_version()}"


def row(name: str, figure: Figure) -> str:
    verdict = {True: "yes", False: "**no**", None: ""}[figure["holds"]]
    return f"| {name} | {figure['value']:,.4g} | {figure['unit']} | {figure['target']} | {verdict} |"


def table(figures: dict[str, Figure]) -> str:
    return "\n".join(["| what | measured | unit | target | holds |", "|---|---:|---|---|---|", *(row(*item) for item in figures.items())])


def write_report(figures: dict[str, Figure]) -> None:
    """Replaces what stands between the two marks of the report; the words around them are written by hand."""
    head, _, rest = REPORT.read_text().partition(MARK)
    tail = rest.partition(MARK)[2]
    body = f"{MARK}\n\n{datetime.now(UTC):%Y-%m-%d}, {machine()}.\n\n{table(figures)}\n\n{MARK}"
    REPORT.write_text(head + body + tail)


def main() -> None:
    areas = sys.argv[1:] or list(AREAS)
    figures: dict[str, Figure] = json.loads(RESULTS.read_text()) if RESULTS.exists() and sys.argv[1:] else {}
    print(machine(), flush=True)
    for area in areas:
        for name, figure in importlib.import_module(f"tests.bench.{area}").run().items():
            figures[name] = figure
            print(row(name, figure), flush=True)
        RESULTS.write_text(json.dumps(figures, indent=2) + "\n")
    write_report(figures)


if __name__ == "__main__":
    main()
