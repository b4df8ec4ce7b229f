"""The colours of the pictures that the server draws: those of the pages, read from their one sheet (static/css/tokens.css)."""

import re
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final, Literal

Theme = Literal["light", "dark"]

TOKENS: Final = Path(__file__).parent.parent / "static/css/tokens.css"
_PAIR: Final = re.compile(r"--([\w-]+): light-dark\(((?:[^(),]|\([^)]*\))+), ((?:[^(),]|\([^)]*\))+)\);")
_SEEN_THROUGH: Final = re.compile(r"rgb\((\d+) (\d+) (\d+) / (\d+)%\)")


@dataclass(frozen=True)
class Look:
    """The colours of one theme, `#rrggbb`; of the areas that let others through, with how much they cover, 0 to 1."""

    panel: str
    line: str
    ink: str
    mute: str
    accent: str
    band: tuple[str, float]
    anomaly: str
    shade: tuple[str, float]


def _look(colors: dict[str, str]) -> Look:
    plain = {name: colors[name] for name in ("panel", "line", "ink", "mute", "accent", "anomaly")}
    return Look(**plain, band=_area(colors["band"]), shade=_area(colors["anomaly-shade"]))


def _area(color: str) -> tuple[str, float]:
    found = _SEEN_THROUGH.fullmatch(color)
    assert found is not None, color  # noqa: S101 - a sheet of ours, which the tests read
    *channels, percent = map(int, found.groups())
    return "#" + "".join(f"{channel:02x}" for channel in channels), percent / 100


_pairs: Final = _PAIR.findall(TOKENS.read_text())
LOOKS: Final = MappingProxyType(
    {"light": _look({name: light for name, light, _ in _pairs}), "dark": _look({name: dark for name, _, dark in _pairs})}
)
