"""A fixture for tests that do several things at once."""

import threading

import pytest
from django.db import connections


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
        thread.join(240)
    assert not [thread for thread in threads if thread.is_alive()]
    if errors:
        raise errors[0]
