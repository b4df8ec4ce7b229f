"""Helpers of the point store's tests: short calls, and times of today, yesterday and long ago."""

import threading
from datetime import UTC, datetime

import numpy as np
import pytest
from django.db import connections
from django.utils import timezone

from metrics import points
from metrics.points import DAY_MS


@pytest.fixture
def today() -> int:
    """The start of today (UTC) in unix milliseconds."""
    return int(timezone.now().timestamp() * 1000) // DAY_MS * DAY_MS


@pytest.fixture
def set_clock(monkeypatch):
    """Moves the clock to a time in unix milliseconds, where it stands still."""

    def move(now_ms):
        moment = datetime.fromtimestamp(now_ms / 1000, UTC)
        monkeypatch.setattr("django.utils.timezone.now", lambda: moment)

    return move


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


@pytest.fixture
def in_thread():
    """Runs functions in threads with connections of their own; the first error is raised at the end."""
    threads, errors = [], []

    def run(function):
        def body():
            try:
                function()
            except BaseException as error:  # noqa: BLE001 - raised below
                errors.append(error)
            finally:
                connections.close_all()

        threads.append(threading.Thread(target=body))
        threads[-1].start()
        return threads[-1]

    yield run
    for thread in threads:
        thread.join(60)
    if errors:
        raise errors[0]
