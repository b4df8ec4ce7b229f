"""The demo's series: real, labelled ones from the Numenta Anomaly Benchmark, under names that an on-call engineer would know.

Each runs on from its end by starting over: point number k has the value of row k modulo the length of its file.
The `NATIVE` ones keep their own step of minutes to an hour. The `LIVE` ones carry the same real values at a point a minute, so that there
is always something to watch.
"""

import csv
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import numpy as np
from django.conf import settings
from numpy.typing import NDArray

DATA: Final = settings.BASE_DIR / "tests" / "data" / "nab" / "data"
MINUTE_MS: Final = 60_000


@dataclass(frozen=True)
class Source:
    """One series of the demo. `offsets_ms` (n,) count from the first row, ascending; `values` (n,) float64 without NaN."""

    metric: str
    offsets_ms: NDArray[np.int64]
    values: NDArray[np.float64]
    step_ms: int

    @property
    def least(self) -> float:
        return float(self.values.min())

    @property
    def most(self) -> float:
        return float(self.values.max())

    def points(self, anchor_ms: int, after_ms: int, until_ms: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Timestamps and values in (after, until] of the series whose last row of the file lies at `anchor_ms`."""
        past = anchor_ms - self.offsets_ms[-1] + self.offsets_ms
        count = max(0, (until_ms - anchor_ms) // self.step_ms)
        times = np.concatenate([past, anchor_ms + self.step_ms * np.arange(1, count + 1)])
        values = np.concatenate([self.values, self.values[np.arange(count) % len(self.values)]])
        wanted = (times > after_ms) & (times <= until_ms)
        return times[wanted], values[wanted]


NATIVE: Final = {
    "taxi.rides.half_hourly": "realKnownCause/nyc_taxi",
    "api.request.latency.p95": "realKnownCause/ec2_request_latency_system_failure",
    "office.temperature.ambient": "realKnownCause/ambient_temperature_system_failure",
    "ec2.cpu.utilization.web-1": "realAWSCloudwatch/ec2_cpu_utilization_5f5533",
    "ec2.cpu.utilization.web-2": "realAWSCloudwatch/ec2_cpu_utilization_24ae8d",
    "ec2.cpu.utilization.batch-1": "realAWSCloudwatch/ec2_cpu_utilization_825cc2",
    "rds.cpu.utilization.db-primary": "realAWSCloudwatch/rds_cpu_utilization_e47b3b",
    "ec2.network.in.web-1": "realAWSCloudwatch/ec2_network_in_257a54",
    "ec2.disk.write_bytes.db-primary": "realAWSCloudwatch/ec2_disk_write_bytes_1ef3de",
    "elb.requests.count": "realAWSCloudwatch/elb_request_count_8c0756",
    "ads.exchange2.cpc": "realAdExchange/exchange-2_cpc_results",
    "ads.exchange4.cpc": "realAdExchange/exchange-4_cpc_results",
    "traffic.speed.6005": "realTraffic/speed_6005",
    "mentions.aapl": "realTweets/Twitter_volume_AAPL",
    "mentions.ibm": "realTweets/Twitter_volume_IBM",
}

LIVE: Final = {
    "shop.checkout.latency_ms": "realKnownCause/ec2_request_latency_system_failure",
    "shop.checkout.cpu": "realAWSCloudwatch/ec2_cpu_utilization_5f5533",
    "shop.orders.db.cpu": "realAWSCloudwatch/rds_cpu_utilization_e47b3b",
    "shop.gateway.requests": "realAWSCloudwatch/elb_request_count_8c0756",
    "shop.gateway.network_in": "realAWSCloudwatch/ec2_network_in_257a54",
    "shop.search.cpu": "realAWSCloudwatch/ec2_cpu_utilization_825cc2",
    "shop.catalog.cpu": "realAWSCloudwatch/ec2_cpu_utilization_c6585a",
    "shop.riders.active": "realKnownCause/nyc_taxi",
    "shop.keys.rotations": "realKnownCause/rogue_agent_key_updown",
    "shop.warehouse.temperature": "realKnownCause/ambient_temperature_system_failure",
    "shop.delivery.speed": "realTraffic/speed_t4013",
    "shop.delivery.travel_time": "realTraffic/TravelTime_387",
    "shop.delivery.occupancy": "realTraffic/occupancy_6005",
    "shop.mentions.aapl": "realTweets/Twitter_volume_AAPL",
    "shop.mentions.crm": "realTweets/Twitter_volume_CRM",
    "shop.mentions.fb": "realTweets/Twitter_volume_FB",
    "shop.mentions.pfe": "realTweets/Twitter_volume_PFE",
    "shop.ads.cpc": "realAdExchange/exchange-3_cpc_results",
    "shop.heartbeat.a": "artificialNoAnomaly/art_daily_small_noise",
    "shop.heartbeat.b": "artificialNoAnomaly/art_noisy",
}

# The second org has look-alikes of some: equal names that must never meet.
OTHER: Final = ("taxi.rides.half_hourly", "elb.requests.count", "shop.checkout.cpu", "shop.gateway.requests")


def load(metric: str) -> Source:
    """Reads one series. Raises FileNotFoundError when the demo's data are not in the checkout."""
    live = metric in LIVE
    path = DATA / f"{LIVE[metric] if live else NATIVE[metric]}.csv"
    times, values = _read(path)
    if live:
        times = MINUTE_MS * np.arange(len(values), dtype=np.int64)
        # Where the last row meets the first is a jump that nobody planted: it lies in the history, not at the moment that people watch.
        values = np.roll(values, -(len(values) // 3))
    return Source(metric, times - times[0], values, int(np.median(np.diff(times))))


def _read(path: Path) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    with path.open(newline="") as file:
        rows = [
            (datetime.fromisoformat(row["timestamp"]).replace(tzinfo=UTC).timestamp(), float(row["value"])) for row in csv.DictReader(file)
        ]
    # One of the files steps back by an hour where its clock did; the points are put in order, the later of two equal times stays.
    ordered = dict(sorted(rows, key=lambda row: row[0]))
    return (1000 * np.fromiter(ordered.keys(), dtype=np.float64)).astype(np.int64), np.fromiter(ordered.values(), dtype=np.float64)
