"""An anomaly in Markdown, to be pasted into a ticket or a chat."""

import re
from collections.abc import Sequence
from typing import Final

from accounts.models import User
from anomalies.models import Anomaly, Tag
from anomalies.pages.rows import source_of, title_of

MARKS: Final = re.compile(r"([\\`*_\[\]<>|#])")


def markdown_of(found: Anomaly, *, address: str, tags: Sequence[Tag], assignees: Sequence[User]) -> str:
    """A heading that leads to the page, the sentence, and the facts as a list."""
    facts = {
        "Status": found.status,
        "Weight": str(found.weight),
        "Source": plain(source_of(found)),
        "Detected": f"{found.created:%Y-%m-%d %H:%M} UTC",
        "Assignees": plain(", ".join(one.name for one in assignees)),
        "Tags": plain(", ".join(one.name for one in tags)),
        "Fingerprint": str(found.fingerprint or ""),
    }
    lines = [f"### [#{found.pk} {plain(title_of(found))}]({address})", "", plain(found.message), ""]
    lines += [f"- {name}: {value}" for name, value in facts.items() if value]
    return "\n".join([*lines, *(["", plain(found.description)] if found.description else [])]) + "\n"


def plain(text: str) -> str:
    """Text that Markdown shows as it is."""
    return MARKS.sub(r"\\\1", text)
