"""Answers that a process remembers for a moment, so that what is asked with every request is asked of the database now and then."""

import time
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Answer = TypeVar("Answer")


class Remembered(Generic[Key, Answer]):
    """Each answer for `fresh_s` seconds; all are dropped when there are `most` of them."""

    def __init__(self, *, fresh_s: float, most: int) -> None:
        self.fresh_s, self.most = fresh_s, most
        self._kept: dict[Key, tuple[float, Answer]] = {}

    def answer(self, key: Key, ask: Callable[[Key], Answer]) -> Answer:
        """What is remembered, else what `ask` says, counted from before it was asked. When that raises, nothing is remembered."""
        now = time.monotonic()
        kept = self._kept.get(key)
        if kept is not None and now - kept[0] < self.fresh_s:
            return kept[1]
        found = ask(key)
        if len(self._kept) >= self.most:
            self._kept.clear()
        self._kept[key] = (now, found)
        return found

    def forget(self) -> None:
        self._kept.clear()
