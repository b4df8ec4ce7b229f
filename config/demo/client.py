"""The feeder's way in: the same HTTP that any agent uses, with the ingest key of the demo."""

import json
import logging
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Final

logger = logging.getLogger(__name__)

RETRY_S: Final = (0.5, 1, 2, 5)
POLL_S: Final = 0.5


class Client:
    """Sends points to one org. Whatever is refused for now (no server yet, 503) is tried again until it is taken."""

    def __init__(self, url: str, key: str, token: str) -> None:
        """`key` is an ingest key, `token` that of somebody who may read the org's operations."""
        self.url, self.key, self.token = url.rstrip("/"), key, token

    def send(self, points: list[tuple[str, int, float]]) -> None:
        """Sends live points (metric, unix milliseconds, value)."""
        rows = [{"metric": metric, "timestamp": ms / 1000, "value": value} for metric, ms, value in points]
        self._post("/flux/metric_data_post", json.dumps({"key": self.key, "metrics": rows}).encode(), "application/json")

    def backfill(self, points: Iterator[tuple[str, int, float]]) -> str:
        """Imports history, and waits until it is imported: a live point that came before would make it late, and late points warm nothing.

        Returns how it ended, in words.
        """
        lines = (json.dumps({"metric": metric, "timestamp": ms / 1000, "value": value}) for metric, ms, value in points)
        answer = self._post("/api/metrics/import", "\n".join(lines).encode(), "application/x-ndjson")
        while answer["status"] in ("waiting", "running"):
            time.sleep(POLL_S)
            answer = self._ask(f"/api/operations/{answer['id']}", self.token)
        return f"{answer['status']}: {answer['message']}"

    def _post(self, path: str, body: bytes, content_type: str) -> dict[str, object]:
        return self._ask(path, self.key, body, {"Content-Type": content_type})

    def _ask(self, path: str, secret: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> dict[str, object]:
        # By the name that is always served, whatever address the server listens on.
        headers = {"Authorization": f"Bearer {secret}", "Host": "localhost"} | (headers or {})
        request = urllib.request.Request(self.url + path, data=body, headers=headers)  # noqa: S310 - our own address
        attempt = 0
        while True:
            try:
                with urllib.request.urlopen(request, timeout=60) as response:  # noqa: S310 - our own address
                    content = response.read()
                return json.loads(content) if content else {}
            except urllib.error.HTTPError as error:
                if error.code not in (429, 500, 502, 503, 504):
                    raise RuntimeError(f"{path} answered {error.code}: {error.read()[:500].decode(errors='replace')}") from error
            except (urllib.error.URLError, TimeoutError, ConnectionError):
                logger.debug("%s is not there yet", self.url)
            time.sleep(RETRY_S[min(attempt, len(RETRY_S) - 1)])
            attempt += 1
