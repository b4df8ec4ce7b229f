"""The detector states of a shard's series, side by side in one array, and which series lives in which row."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from metrics.arrays import Ints
from metrics.detection import engine

BLOCK: Final = 256  # rows that are saved together: 2 MB of states at most
GROWTH: Final = 1.25  # room is made in proportion, so that a new series costs constant time on average

UNKNOWN: Final = -1


class ShardStates:
    """Rows of states with their series. Never shrinks; rows of dropped series are given to new ones.

    `states` ndarray[STATE], `series` and `orgs` int64 ids (0: free row, org not known yet), `done` the newest step that a row has taken,
    `last_values` the newest value that was seen since the process began (NaN: none), or the newest whole minute's of a series that adds
    up; all of the same length, `size` rows of it in use.
    """

    def __init__(self) -> None:
        self.states = engine.new_states(0)
        self.series: Ints = np.zeros(0, np.int64)
        self.orgs: Ints = np.zeros(0, np.int64)
        self.done: Ints = np.zeros(0, np.int64)
        self.last_values = np.zeros(0)
        self.size = 0
        self._ids: Ints = np.zeros(0, np.int64)
        self._rows: Ints = np.zeros(0, np.int64)

    def __len__(self) -> int:
        """How many series there are."""
        return len(self._ids)

    @property
    def blocks(self) -> int:
        return -(-self.size // BLOCK)

    def rows_of(self, series: Ints) -> Ints:
        """The row of each id; UNKNOWN where it has none. O(log n) each."""
        if not len(self._ids):
            return np.full(len(series), UNKNOWN, np.int64)
        places = np.minimum(np.searchsorted(self._ids, series), len(self._ids) - 1)
        return np.where(self._ids[places] == series, self._rows[places], UNKNOWN)

    def allot(self, series: Ints, *, done: int) -> None:
        """Fresh states for ids (distinct, > 0) that have none yet, as if they had taken every step up to `done`."""
        rows = np.flatnonzero(self.series[: self.size] == 0)[: len(series)]
        missing = len(series) - len(rows)
        if missing:
            rows = np.concatenate([rows, np.arange(self.size, self.size + missing)])
            self._make_room(self.size + missing)
            self.size += missing
        self.states[rows] = engine.new_states(len(rows))
        self._settle(rows, series, orgs=np.zeros(len(rows), np.int64), done=done)

    def drop(self, rows: Ints) -> None:
        """Forgets the series of these rows."""
        self.states[rows] = engine.new_states(len(rows))
        self.series[rows] = self.orgs[rows] = 0
        self.last_values[rows] = np.nan
        self._index()

    def put_block(self, block: int, *, states: NDArray[np.void], series: Ints, orgs: Ints, done: int) -> None:
        """Fills a block with what was saved of it. `_index` must be called after the last one: see `loaded`."""
        start = block * BLOCK
        self._make_room(start + len(series))
        self.size = max(self.size, start + len(series))
        rows = np.arange(start, start + len(series))
        self.states[rows] = states
        self._settle(rows, series, orgs=orgs, done=done, index=False)

    def loaded(self) -> None:
        """To be called after the last `put_block`."""
        self._index()

    def rows_in(self, block: int) -> slice:
        return slice(block * BLOCK, min((block + 1) * BLOCK, self.size))

    def _settle(self, rows: Ints, series: Ints, *, orgs: Ints, done: int, index: bool = True) -> None:
        self.series[rows] = series
        self.orgs[rows] = orgs
        self.done[rows] = done
        self.last_values[rows] = np.nan
        if index:
            self._index()

    def _index(self) -> None:
        used = np.flatnonzero(self.series[: self.size])
        order = np.argsort(self.series[used])
        self._ids, self._rows = self.series[used][order], used[order]

    def _make_room(self, count: int) -> None:
        if count <= len(self.series):
            return
        room = max(count, int(len(self.series) * GROWTH), BLOCK)
        for column in (self.states, self.series, self.orgs, self.done, self.last_values):
            # In place: a copy of hundreds of megabytes of states would need twice the memory. Nobody keeps views of them.
            column.resize(room, refcheck=False)
