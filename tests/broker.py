"""The broker as a test wants it: the session's own with nobody at its other end, or none at all."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings

from config.celery import app


class Broker:
    """What was sent to the real broker and waits there."""

    def waiting(self) -> list[tuple[str, list[Any]]]:
        """The tasks that wait, by name and arguments, the oldest first; they wait no more afterwards."""
        with app.connection_for_read() as connection:
            channel = connection.default_channel
            found = []
            while (message := channel.basic_get(settings.CELERY_TASK_DEFAULT_QUEUE, no_ack=True)) is not None:
                found.append((message.headers["task"], message.decode()[0]))
            return found

    def work(self) -> None:
        """Does what waits, as a worker does."""
        for name, args in self.waiting():
            app.tasks[name].apply(args)


@contextmanager
def unattended() -> Iterator[Broker]:
    """Tasks go to the broker, and no worker takes them."""
    broker = Broker()
    broker.waiting()
    app.conf.task_always_eager = False
    try:
        yield broker
    finally:
        app.conf.task_always_eager = True
        broker.waiting()


@contextmanager
def away() -> Iterator[None]:
    """Where the broker should listen, nobody does."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        address = f"redis://127.0.0.1:{nobody.getsockname()[1]}/0"
        app.conf.task_always_eager, usual = False, app.conf.broker_url
        try:
            _connect_to(address)
            yield
        finally:
            app.conf.task_always_eager = True
            _connect_to(usual)


def _connect_to(address: str) -> None:
    app.conf.broker_url = app.conf.broker_read_url = app.conf.broker_write_url = address
    app._pool = app.amqp._producer_pool = None
