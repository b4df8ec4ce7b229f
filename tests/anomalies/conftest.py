"""What tests of detection need: an empty log, and steps as far apart as the points of the streams."""

import pytest
from django.db import connection

# Not models of Django's, so that it does not empty them between two tests.
RAW = (
    "metrics_batch",
    "metrics_verdict",
    "metrics_point_hour",
    "metrics_point_day",
    "metrics_verdict_hour",
    "metrics_verdict_day",
    "metrics_fold",
)


@pytest.fixture
def empty_log(transactional_db) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"TRUNCATE {', '.join(RAW)}")


@pytest.fixture
def minutely(settings, empty_log) -> None:
    """The streams here come once a minute, so that is how often the detector steps."""
    settings.DETECT_INTERVAL_S = 60
