"""What a line of history says, in words: for the timeline, notices and mails."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from anomalies.models import Anomaly

FIELDS: Final = {"peak_value": "peak", "score": "score", "weight": "weight"}
STATUS_WORDS: Final = {
    (False, Anomaly.Status.ACKNOWLEDGED): "acknowledged it",
    (False, Anomaly.Status.ACTIVE): "made it active again",
    (True, Anomaly.Status.ACKNOWLEDGED): "restored it",
    (False, Anomaly.Status.RESOLVED): "archived it as resolved",
    (False, Anomaly.Status.DUPLICATE): "archived it as a duplicate",
    (False, Anomaly.Status.INVALID): "archived it as invalid",
    (False, Anomaly.Status.DISCARDED): "discarded it",
}
# By whether there was one before, and whether there is one now.
COMMENT_WORDS: Final = {(False, True): "commented", (True, True): "changed a comment", (True, False): "deleted a comment"}
# What the names of a list say by coming into it, and by leaving it.
TAG_WORDS: Final = ("tagged it", "took away the tag")
LISTS: Final = {"assignees": ("assigned", "took off"), "tags": TAG_WORDS, "global_tags": TAG_WORDS, "ticket_links": ("linked", "unlinked")}


def told(changeset: Mapping[str, Sequence[Any]]) -> Iterator[tuple[str, str]]:
    """What a changeset says, in sentences without a subject, each with the text it set."""
    for field, (before, after) in changeset.items():
        match field:
            case "status":
                yield STATUS_WORDS.get((before in Anomaly.ARCHIVED, after), f"{before} to {after}"), ""
            case "description":
                yield ("described it" if after else "took the description away"), str(after or "")
            case "ended_at":
                yield ("over" if after else "began again"), ""
            case "message":
                yield "now says", str(after)
            case "comment":
                yield COMMENT_WORDS[bool(before), bool(after)], str((after or {}).get("message", ""))
            case "assignees" | "tags" | "global_tags" | "ticket_links":
                yield list_words(field, names_in(before), names_in(after)), ""
            case _:
                yield f"{FIELDS.get(field, field.replace('_', ' '))} {in_words(before)} to {in_words(after)}", ""


def list_words(field: str, before: Sequence[str], after: Sequence[str]) -> str:
    """Who or what came and went: "assigned Bob Patel, took off Alice Lee"."""
    came, went = ([name for name in one if name not in other] for one, other in ((after, before), (before, after)))
    words = zip(LISTS[field], (came, went), strict=True)
    return ", ".join(f"{verb} {', '.join(names)}" for verb, names in words if names)


def names_in(value: object) -> tuple[str, ...]:
    """Of a list of {id, name}, or of names."""
    found = value if isinstance(value, Sequence) and not isinstance(value, str) else ()
    return tuple(str(one["name"]) if isinstance(one, Mapping) else str(one) for one in found)


def in_words(value: object) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, float):
        return f"{value:,.4g}"
    return ", ".join(names_in(value)) if isinstance(value, list) else str(value)
