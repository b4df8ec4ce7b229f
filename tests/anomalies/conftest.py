"""What tests of detection need: an empty log, and steps as far apart as the points of the streams."""

import pytest


@pytest.fixture
def minutely(settings, transactional_db) -> None:
    """The streams here come once a minute, so that is how often the detector steps."""
    settings.DETECT_INTERVAL_S = 60
