"""The feeder: history through the import first, then each point when it is due, for as long as it runs."""

import json
import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from config.demo import catalogue, faults
from config.demo.catalogue import Source
from config.demo.client import Client

logger = logging.getLogger(__name__)

POLL_S: Final = 2.0
LIVE_AFTER_GAP_MS: Final = 90_000  # a longer pause of the feeder is history: imported, not sent as if it happened now


def now_ms() -> int:
    return time.time_ns() // 1_000_000


@dataclass
class Feed:
    """The series of one org and how far they have been sent; kept in a file, so that a restart goes on where the last one ended."""

    client: Client
    sources: list[Source]
    path: Path
    anchor_ms: int = 0
    sent_ms: int = 0
    plants_faults: bool = False
    fault: faults.Fault | None = None
    fault_number: int = 0
    next_fault_ms: int = field(default_factory=lambda: now_ms() + faults.FIRST_AFTER_MS)

    def load(self) -> None:
        if self.path.is_file():
            kept = json.loads(self.path.read_text())
            self.anchor_ms, self.sent_ms, self.fault_number = kept["anchor_ms"], kept["sent_ms"], kept["fault_number"]
        else:
            self.anchor_ms = now_ms()

    def save(self) -> None:
        part = self.path.with_suffix(".part")
        part.write_text(json.dumps({"anchor_ms": self.anchor_ms, "sent_ms": self.sent_ms, "fault_number": self.fault_number}))
        part.replace(self.path)

    def anchor_of(self, number: int) -> int:
        """Where series `number` has the last row of its file: spread over a step, so that the org gets a point every few seconds."""
        source = self.sources[number]
        return self.anchor_ms - (number * source.step_ms // len(self.sources)) // 1000 * 1000

    def points(self, until_ms: int) -> Iterator[tuple[str, int, float]]:
        """What is due and not sent yet, series by series."""
        for number, source in enumerate(self.sources):
            times, values = source.points(self.anchor_of(number), self.sent_ms, until_ms)
            yield from ((source.metric, int(at), float(value)) for at, value in zip(times, values, strict=True))

    def catch_up(self) -> None:
        """Imports everything that is older than now and has not been sent."""
        until = now_ms()
        if until - self.sent_ms > LIVE_AFTER_GAP_MS:
            ended = self.client.backfill(self.points(until))
            logger.info("history of %d series: %s", len(self.sources), ended)
            self.sent_ms = until
            self.save()

    def step(self) -> None:
        """Sends what is due now."""
        until = now_ms()
        due = [self._with_fault(*point) for point in sorted(self.points(until), key=lambda point: point[1])]
        if due:
            self.client.send(due)
        self.sent_ms = until
        self.save()

    def _with_fault(self, metric: str, timestamp_ms: int, value: float) -> tuple[str, int, float]:
        if not self.plants_faults:
            return metric, timestamp_ms, value
        if self.fault is None and timestamp_ms >= self.next_fault_ms:
            self._plan_fault(timestamp_ms)
        if self.fault is None or not self.fault.applies(metric, timestamp_ms):
            return metric, timestamp_ms, value
        source = next(source for source in self.sources if source.metric == metric)
        distorted = self.fault.distort(value, source)
        if timestamp_ms - self.fault.start_ms < source.step_ms:
            faults.record(self.path.with_name("demo-faults.jsonl"), self.fault, timestamp_ms, distorted, value)
            logger.info("planted fault: %s on %s, %.6g instead of %.6g", self.fault.kind, metric, distorted, value)
        if timestamp_ms + source.step_ms > self.fault.end_ms:
            self.fault = None
        return metric, timestamp_ms, distorted

    def _plan_fault(self, timestamp_ms: int) -> None:
        live = [source for source in self.sources if source.metric in catalogue.LIVE]
        self.fault = faults.planned(self.fault_number, live, timestamp_ms)
        self.fault_number += 1
        self.next_fault_ms = timestamp_ms + faults.EVERY_MS


def feeds(demo: dict[str, object], home: Path, url: str) -> list[Feed]:
    """The feed of the demo org and that of the second one, from the content of `demo.json`."""
    other = demo["other_org"]
    if not isinstance(other, dict):
        raise TypeError("demo.json: other_org must be an object.")
    everything = [catalogue.load(metric) for metric in (*catalogue.NATIVE, *catalogue.LIVE)]
    some = [source for source in everything if source.metric in catalogue.OTHER]
    # The database that was fed is part of the name: a fresh one gets its history again.
    return [
        Feed(
            Client(url, str(demo["ingest_key"]), str(demo["personal_token"])),
            everything,
            home / f"demo-feed-{demo['id']}.json",
            plants_faults=True,
        ),
        Feed(Client(url, str(other["ingest_key"]), str(other["personal_token"])), some, home / f"demo-feed-{other['id']}.json"),
    ]


def run(running: list[Feed]) -> None:
    """Feeds for ever."""
    for feed in running:
        feed.load()
        feed.catch_up()
    while True:
        for feed in running:
            feed.step()
        time.sleep(POLL_S)
