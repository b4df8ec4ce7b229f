"""For the point store's tests: short calls, and times of today, yesterday and long ago."""

import numpy as np
import pytest
from django.utils import timezone

from metrics import points
from metrics.arrays import DAY_MS
from tests.metrics.threads import in_thread

__all__ = ["in_thread"]


@pytest.fixture
def today() -> int:
    """The start of today (UTC) in unix milliseconds."""
    return int(timezone.now().timestamp() * 1000) // DAY_MS * DAY_MS


@pytest.fixture
def put(org):
    """Logs points of the org: put({series: [(time, value), ...]}) or put([(series, time, value), ...])."""

    def log(rows, *, org_id=org.pk, **options):
        if isinstance(rows, dict):
            rows = [(series, time, value) for series, pairs in rows.items() for time, value in pairs]
        series, times, values = (np.array(column) for column in zip(*rows, strict=True))
        points.append(org_id, series.astype(np.int64), times.astype(np.int64), values.astype(np.float64), **options)

    return log


@pytest.fixture
def pairs(org):
    """What a read of one series returns, as [(time, value), ...]."""

    def read(series, *, start=0, end=2**60, org_id=org.pk):
        found = points.read(org_id, [series], start, end)[series]
        return list(zip(found.timestamps_ms.tolist(), found.values.tolist(), strict=True))

    return read
