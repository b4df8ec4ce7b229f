"""How many requests the session API answers, over HTTP with kept connections, from the product's own web server."""

import json
import os
import selectors
import socket
import time
from pathlib import Path

from tests.bench.api import UNLIMITED, start
from tests.bench.figures import Figure, at_least
from tests.product import Product, new_product, wait_until

CONNECTIONS = 8
SECONDS = 5
WARM_AFTER_S = 12.0
# CPU seconds in a second of workers that do nothing.
IDLE_S = 0.05
MAKE_PERSON = """
from django.test import Client
from tests import factories
client = Client()
client.force_login(factories.make_user(factories.make_org("Bench", slug="bench")))
print(client.session.session_key)
"""


def run() -> dict[str, Figure]:
    with new_product(**UNLIMITED) as product:
        start(product)
        settle(product)
        session = product.as_owner(MAKE_PERSON).split()[-1]
        anonymous = session_of(product)
        return {
            "/ping": at_least(rate(product, "/ping", anonymous), "requests/s", 1500),
            "/ping, logged in": at_least(rate(product, "/ping", session), "requests/s", 1500),
            "/user/info": at_least(rate(product, "/user/info", session), "requests/s", 400),
        }


def settle(product: Product) -> None:
    """Waits until the workers have loaded the compiled code, which they begin some seconds after their start."""
    time.sleep(WARM_AFTER_S)
    wait_until(lambda: work_of(product) < IDLE_S, what="quiet workers")


def work_of(product: Product) -> float:
    """CPU seconds of the web server and what it started (fields of `stat` behind the command's name), within one second."""

    def used() -> int:
        return sum(ticks(path, product.process.pid) for path in Path("/proc").glob("[0-9]*/stat"))

    before = used()
    time.sleep(1)
    return (used() - before) / os.sysconf("SC_CLK_TCK")


def ticks(path: Path, leader: int) -> int:
    """What one process of the session that `leader` began has used; 0 for any other."""
    try:
        told = path.read_text().rpartition(")")[2].split()
    except OSError:
        return 0  # it has ended meanwhile
    return int(told[11]) + int(told[12]) if int(told[3]) == leader else 0


def session_of(product: Product) -> str:
    with socket.create_connection(("127.0.0.1", product.port)) as connection:
        connection.sendall(b"GET /ping HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    return json.loads(answer.partition(b"\r\n\r\n")[2])["status"]["session_id"]


def rate(product: Product, path: str, session: str) -> float:
    """Answers per second, all of them 200, with CONNECTIONS requests on their way at any time."""
    request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nX-Session-Id: {session}\r\n\r\n".encode()
    ready, count = selectors.DefaultSelector(), 0
    connections = [socket.create_connection(("127.0.0.1", product.port)) for _ in range(CONNECTIONS)]
    for connection in connections:
        ready.register(connection, selectors.EVENT_READ)
        connection.sendall(request)
    warm, started = time.perf_counter() + 1, 0.0
    while not started or time.perf_counter() < started + SECONDS:
        for key, _ in ready.select(timeout=1):
            whole_answer(key.fileobj)
            key.fileobj.sendall(request)
            count += 1
        if not started and time.perf_counter() > warm:
            started, count = time.perf_counter(), 0
    took = time.perf_counter() - started
    for connection in connections:
        connection.close()
    return count / took


def whole_answer(connection: socket.socket) -> None:
    head, _, body = connection.recv(65536).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200"), head
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    while len(body) < length:
        body += connection.recv(65536)
