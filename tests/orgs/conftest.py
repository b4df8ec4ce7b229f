from collections.abc import Iterator

import pytest

from tests.metrics.threads import in_thread  # noqa: F401 - a fixture
from tests.peer import Peer, listening


@pytest.fixture
def peer() -> Iterator[Peer]:
    """Somebody else's server."""
    with listening() as found:
        yield found
