"""What a browser or program is called in front of people, from what it says of itself. Nothing is decided by it."""

import re
from typing import Final

# In this order: nearly every browser claims to be those that come later, too.
PROGRAMS: Final = (
    ("Edge", r"Edg(?:e|A|iOS)?/"),
    ("Opera", r"OPR/"),
    ("Samsung Internet", r"SamsungBrowser/"),
    ("Firefox", r"(?:Firefox|FxiOS)/"),
    ("Chrome", r"(?:Chrome|CriOS|Chromium)/"),
    ("Safari", r"Version/.*Safari/"),
    ("curl", r"^curl/"),
    ("Python", r"python|aiohttp|httpx"),
)
SYSTEMS: Final = (
    ("iPhone", r"iPhone"),
    ("iPad", r"iPad"),
    ("Android", r"Android"),
    ("Windows", r"Windows"),
    ("macOS", r"Macintosh|Mac OS X"),
    ("ChromeOS", r"CrOS"),
    ("Linux", r"Linux|X11"),
)


def browser_words(agent: str) -> str:
    """`Firefox on Linux`, `curl`, `A client` for what is not known."""
    program, system = _first(PROGRAMS, agent), _first(SYSTEMS, agent)
    return f"{program or 'A browser'} on {system}" if system else program or "A client"


def _first(known: tuple[tuple[str, str], ...], agent: str) -> str:
    return next((name for name, mark in known if re.search(mark, agent, re.IGNORECASE)), "")
