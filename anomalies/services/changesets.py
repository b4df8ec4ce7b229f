"""What a line of history says, in words: for the timeline, notices and mails."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from anomalies.models import Anomaly

# A sentence without a subject, and the text that was set, if there is one.
Words = tuple[str, str]

STATUS_WORDS: Final = {
    (False, Anomaly.Status.ACKNOWLEDGED): "acknowledged it",
    (False, Anomaly.Status.ACTIVE): "made it active again",
    (True, Anomaly.Status.ACKNOWLEDGED): "restored it",
    (True, Anomaly.Status.ACTIVE): "opened it again",
    (False, Anomaly.Status.RESOLVED): "archived it as resolved",
    (False, Anomaly.Status.DUPLICATE): "archived it as a duplicate",
    (False, Anomaly.Status.INVALID): "archived it as invalid",
    (False, Anomaly.Status.DISCARDED): "discarded it",
}
# By whether there was one before, and whether there is one now.
COMMENT_WORDS: Final = {(False, True): "commented", (True, True): "changed a comment", (True, False): "deleted a comment"}


def told(changeset: Mapping[str, Sequence[Any]]) -> Iterator[Words]:
    """What a changeset says, field by field; of several changes, nothing of what is again as it was."""
    for field, (before, after) in changeset.items():
        if before == after:
            continue
        words = WORDS.get(field)
        yield words(before, after) if words else (f"changed the {field.replace('_', ' ')} from {in_words(before)} to {in_words(after)}", "")


def status_words(before: str | None, after: str) -> Words:
    return STATUS_WORDS.get((before in Anomaly.ARCHIVED, Anomaly.Status(after)), f"{before} to {after}"), ""


def description_words(before: str | None, after: str | None) -> Words:
    return ("described it" if after else "took the description away"), after or ""


def comment_words(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> Words:
    return COMMENT_WORDS[bool(before), bool(after)], str((after or {}).get("message", ""))


def snooze_words(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> Words:
    """Of the one condition that a snooze has; None for its end."""
    match dict(after or {}):
        case {"until": moment}:
            return f"snoozed it until {str(moment)[:16].replace('T', ' ')} UTC", ""
        case {"count": count}:
            return f"snoozed it for {count} more occurrence{'' if count == 1 else 's'}", ""
        case {"weight": weight}:
            return f"snoozed it until it weighs more than {weight}", ""
        case {"back_in_band": _}:
            return "snoozed it until its value is back where it was expected", ""
        case _:
            return "woke it", ""


def original_words(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> Words:
    if after:
        return f"said that it is a duplicate of #{after['id']}", ""
    return f"unlinked it from its original, #{(before or {}).get('id')}", ""


def list_words(came: str, went: str) -> Callable[[Any, Any], Words]:
    """Who or what came into a list and left it: "assigned Bob Patel, took off Alice Lee"."""

    def words(before: object, after: object) -> Words:
        old, new = names_in(before), names_in(after)
        changed = ((came, [name for name in new if name not in old]), (went, [name for name in old if name not in new]))
        return ", ".join(f"{verb} {', '.join(names)}" for verb, names in changed if names), ""

    return words


WORDS: Final[Mapping[str, Callable[[Any, Any], Words]]] = {
    "status": status_words,
    "description": description_words,
    "comment": comment_words,
    "snooze": snooze_words,
    "duplicate_of": original_words,
    "assignees": list_words("assigned", "took off"),
    "global_tags": list_words("tagged it", "took away the tag"),
    "ticket_links": list_words("linked the ticket", "unlinked the ticket"),
    "ended_at": lambda before, after: ("found it over" if after else "found it going on again", ""),
    "message": lambda before, after: ("now says", str(after)),
    "deleted": lambda before, after: ("deleted it", ""),
    "peak_value": lambda before, after: (f"saw the peak go from {in_words(before)} to {in_words(after)}", ""),
}


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
