"""How a comment mentions people: `@[Name](id)`. The name is what the writer saw; only the number counts."""

import re
from typing import Final

MENTION: Final = re.compile(r"@\[([^\]\n]*)\]\(([0-9]{1,18})\)")


def mentioned_in(message: str) -> tuple[int, ...]:
    """The ids, in their order, each once."""
    return tuple(dict.fromkeys(int(found) for _, found in MENTION.findall(message)))


def plain(message: str) -> str:
    """The comment without the numbers: "Look, @Alice Lee"."""
    return MENTION.sub(r"@\1", message)
