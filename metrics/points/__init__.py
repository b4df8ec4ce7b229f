"""The point store: the batch log, its fold into chunks, and reads that see every point exactly once.

Times are int64 unix milliseconds (UTC), values float64 with NaN for a gap, series the ids of `metrics.Metric`.
"""

from metrics.points.families import POINTS, VERDICTS, Rule
from metrics.points.log import NEWEST_LIVE, LogSlice, append, append_verdicts, append_verdicts_of, drop_consumed, first_received, read_log
from metrics.points.reads import Newest, Points, Verdicts, last, read, read_verdicts
from metrics.points.rollups import Rollup, rollup

__all__ = [
    "LogSlice", "NEWEST_LIVE", "Newest", "POINTS", "Points", "Rollup", "Rule", "VERDICTS", "Verdicts", "append",
    "append_verdicts", "append_verdicts_of", "drop_consumed", "first_received", "last", "read", "read_log", "read_verdicts", "rollup",
]  # fmt: skip
