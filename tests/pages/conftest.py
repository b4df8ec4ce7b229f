"""Browsers of the pages, one per member of the cast, and points to draw."""

from datetime import timedelta

import numpy as np
import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import User
from metrics import points
from tests import factories


@pytest.fixture
def as_(db):
    """A browser in which this person is logged in."""

    def make(user: User) -> Client:
        client = Client(raise_request_exception=False)
        client.force_login(user)
        return client

    return make


@pytest.fixture
def metric(datastore):
    return factories.make_metric(datastore, "checkout.latency", state="active", resolution_s=60.0)


@pytest.fixture
def anomaly(metric):
    """A spike that began twenty minutes ago and lasts."""
    return spike(metric)


def spike(metric, *, ago: timedelta = timedelta(minutes=20), **fields):
    began = timezone.now() - ago
    times = {"created": began, "started_at": began, "peak_at": began}
    return factories.make_anomaly(metric, **(times | {"message": "9.5 where 0.5 to 1.5 were expected."} | fields))


def send_hours(metric, hours: int = 6, *, until=None) -> np.ndarray:
    """A point a minute with a band around it; their times in milliseconds."""
    end = int((until or timezone.now()).timestamp()) // 60 * 60
    times = (end - 60 * np.arange(60 * hours)[::-1]).astype(np.int64) * 1000
    values = 1.0 + 0.1 * np.sin(np.arange(times.size) / 30)
    series = np.full(times.size, metric.pk)
    points.append(metric.org_id, series, times, values)
    score = np.zeros(times.size)
    points.append_verdicts(metric.org_id, series, times, yhat=values, lower=values - 0.5, upper=values + 0.5, score=score)
    return times


@pytest.fixture
def queries_of():
    """How many queries a call makes."""

    def count(call) -> int:
        with CaptureQueriesContext(connection) as captured:
            assert call().status_code == 200
        return len(captured)

    return count
