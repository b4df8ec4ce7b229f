"""The intake of remote write: samples come as arrays with most series known by their hash, so no name is touched for them."""

from datetime import datetime

import numpy as np

from metrics.ingest import remote_write, series
from metrics.ingest.batch import Refusal
from metrics.ingest.intake import OVER_QUOTA, OVER_QUOTA_REASON, Outcome, count_refused, store, together
from metrics.ingest.labels import Drop
from metrics.ingest.remote_write import Judged, Walked
from metrics.ingest.senders import Sender
from metrics.ingest.table import SeriesTable
from orgs.moments import unix_ms


def take_walked(sender: Sender, walked: Walked, *, table: SeriesTable, drop: Drop, received_at: datetime) -> Outcome:
    """Stores a walked remote-write request. Raises as `take`."""
    judged = remote_write.judge(walked, now_ms=unix_ms(received_at))
    refused, made = _resolve_unknown(sender, walked, judged, table, drop)
    if walked.histograms:
        refused.append(Refusal(0, "", "histogram", "Native histograms are not supported; classic ones are.", walked.histograms))
    refused = [*refused, *judged.refused]
    ids = np.repeat(walked.ids, walked.counts)
    is_stored = judged.is_good & (ids > 0)
    stored = (ids, walked.times, walked.values) if is_stored.all() else (ids[is_stored], walked.times[is_stored], walked.values[is_stored])
    with together(refused):
        count_refused(sender, refused)
        store(sender, *stored, received_at=received_at)
    return Outcome(stored[0].size, made, refused)


def _resolve_unknown(sender: Sender, walked: Walked, judged: Judged, table: SeriesTable, drop: Drop) -> tuple[list[Refusal], list[str]]:
    """Gives the series that the table does not hold their ids, and the table the ids. One of which nothing is stored takes no quota."""
    unknown = np.flatnonzero(walked.ids == 0)
    if unknown.size == 0:
        return [], []
    good = judged.good_of(walked.counts)
    decoded, refused = remote_write.decode_unknown(walked, good, drop)
    resolved = series.find_or_make(sender, list(decoded.values()))
    for place, one in decoded.items():
        walked.ids[place] = resolved.ids.get(one.name, 0)
        if not walked.ids[place]:
            refused.append(Refusal(place, one.name, OVER_QUOTA, OVER_QUOTA_REASON, points=int(good[place])))
    table.put(walked.h1s[unknown], walked.h2s[unknown], walked.ids[unknown])
    return refused, sorted(resolved.made)
