"""The private Valkey: broker and cache, in memory only. What it holds can be lost; the truth is in PostgreSQL."""

import socket
import time
from pathlib import Path
from typing import Final

from config.embedded.binaries import find_valkey
from config.embedded.errors import NoServerError
from config.embedded.place import Place

START_TIMEOUT_S: Final = 60
# Whoever listens and says nothing is slow, not gone: another server in its place would take the socket from under everybody.
ANSWER_TIMEOUT_S: Final = 30


class Valkey:
    """One server under `place`; the caller holds the place's lock around `ensure` and `stop`."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.socket = place.sockets / "redis.sock"
        self.log = place.sockets / "redis.log"

    @property
    def url(self) -> str:
        return f"unix://{self.socket}"

    def ensure(self) -> str:
        """The URL of a running server that answers. Raises NoServerError when it cannot be made to."""
        if not self.answers():
            self._start(find_valkey(self.place))
        return self.url

    def answers(self) -> bool:
        return self._say(b"PING\r\n").startswith(b"+PONG")

    def stop(self) -> None:
        self._say(b"SHUTDOWN NOSAVE\r\n")

    def _say(self, words: bytes) -> bytes:
        """The first bytes of the answer; empty when there is none."""
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(ANSWER_TIMEOUT_S)
                connection.connect(str(self.socket))
                connection.sendall(words)
                return connection.recv(64)
        except OSError:
            return b""

    def _start(self, program: Path) -> None:
        started = self.place.account.run(
            program, "--unixsocket", self.socket, "--unixsocketperm", "700", "--port", "0", "--daemonize", "yes",
            "--dir", self.place.sockets, "--pidfile", self.place.sockets / "redis.pid", "--logfile", self.log,
            "--save", "", "--appendonly", "no", "--maxmemory", "256mb", "--maxmemory-policy", "noeviction",
        )  # fmt: skip
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self.answers():
            if started.returncode or time.monotonic() > deadline:
                raise NoServerError(f"Valkey does not start ({started.stderr.strip()}); its log is {self.log}.")
            time.sleep(0.01)
