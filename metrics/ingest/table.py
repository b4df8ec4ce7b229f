"""The process's memory of series: hashes of label bytes -> series ids, bounded, and never shared between datastores."""

import hashlib
import secrets
import threading
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from metrics.arrays import Ints
from metrics.ingest import walk

Words = npt.NDArray[np.uint64]
Seeds = tuple[np.uint64, np.uint64]

# What a sender asked to drop: remembered like an id, so that it is decoded once.
DROPPED: Final = -1
_PLACES: Final = 2**20
_FULL: Final = 0.6


@dataclass
class _Slots:
    keys1: Words
    keys2: Words
    ids: Ints
    used: int = 0


class SeriesTable:
    """An open-addressing table of 2^20 places (24 MB). When it fills up it is emptied: the next requests decode their labels once more.

    The hashes are seeded with a secret of the process, the datastore, the epoch of its series and what the sender drops; so one sender
    cannot aim at another's series, and a deleted series is made anew.
    """

    def __init__(self, places: int = _PLACES) -> None:
        self._secret = secrets.token_bytes(32)
        self._places = places
        self._lock = threading.Lock()
        self._slots = _empty(places)

    def seeds(self, *context: object) -> Seeds:
        digest = hashlib.blake2b(repr(context).encode(), key=self._secret, digest_size=16).digest()
        first, second = np.frombuffer(digest, np.uint64)
        return first, second

    def arrays(self) -> tuple[Words, Words, Ints]:
        slots = self._slots
        return slots.keys1, slots.keys2, slots.ids

    def put(self, h1s: Words, h2s: Words, ids: Ints) -> None:
        """Remembers pairs of hashes; ids that are 0 are left out."""
        with self._lock:
            for h1, h2, series in zip(h1s, h2s, ids.tolist(), strict=True):
                if self._slots.used > _FULL * self._places:
                    self._slots = _empty(self._places)
                if series:
                    slots = self._slots
                    slots.used += walk.put(h1, h2, series, slots.keys1, slots.keys2, slots.ids)


def _empty(places: int) -> _Slots:
    return _Slots(np.zeros(places, np.uint64), np.zeros(places, np.uint64), np.zeros(places, np.int64))
