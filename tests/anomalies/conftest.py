"""What tests of detection need: an empty log, and steps as far apart as the points of the streams."""

import pytest

from anomalies.services.loop import ShardWorker
from tests.acting import as_application


@pytest.fixture(autouse=True)
def _steps_are_the_products(monkeypatch):
    """Every step of detection is done by the product's role."""
    steps = ShardWorker.steps

    def acting(self, *args, **options):
        with as_application():
            yield from steps(self, *args, **options)

    monkeypatch.setattr(ShardWorker, "steps", acting)


@pytest.fixture
def minutely(settings, transactional_db) -> None:
    """The streams here come once a minute, so that is how often the detector steps."""
    settings.DETECT_INTERVAL_S = 60
