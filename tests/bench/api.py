"""How fast the REST API answers, over HTTP, from the product's own web server."""

import http.client
import itertools
import json
import statistics
import threading
import time

from tests.bench.figures import Figure, at_most, measured
from tests.product import PYTHON, Product, new_product

CLIENTS = 4
# The limit is for those who ask too much; here somebody asks as much as possible.
UNLIMITED = {"API_RATE_PER_MINUTE": "100000000", "API_BURST": "1000000"}


def run() -> dict[str, Figure]:
    with new_product(**UNLIMITED) as product:
        start(product)
        data = json.loads(product.manage("shell", "--no-imports", "-c", "from tests.bench.api_data import main; main()").splitlines()[-1])
        return {**metric_page(product, data), **lists(product, data)}


def start(product: Product) -> None:
    product.start_web()
    product.process.terminate()
    product.process.wait(15)
    command = ("-m", "granian", "--interface=wsgi", f"--port={product.port}", "--workers=2", "--blocking-threads=2", "--log-level=warning")
    product.start(PYTHON, *command, "config.wsgi:application")


class Caller:
    """One kept connection with a token."""

    def __init__(self, product: Product, token: str) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", product.port, timeout=30)
        self.headers = {"Host": "localhost", "Authorization": f"Bearer {token}"}

    def ms(self, path: str) -> float:
        started = time.perf_counter()
        self.connection.request("GET", path, headers=self.headers)
        response = self.connection.getresponse()
        body = response.read()
        assert response.status == 200, body[:500]
        return 1000 * (time.perf_counter() - started)


def metric_page(product: Product, data: dict) -> dict[str, Figure]:
    """What the page of one series fetches for 30 days: the points and the band, one after the other."""
    caller, start_s = Caller(product, data["tokens"]["member"]), int(time.time()) - 30 * 86400
    paths = [f"/api/metrics/{data['metric']}/{part}?from={start_s}&times=unix" for part in ("timeseries", "forecast")]
    took = [[caller.ms(path) for path in paths] for _ in range(25)][5:]
    day = [caller.ms(f"/api/metrics/{data['metric']}/timeseries?times=unix") for _ in range(25)][5:]
    return {
        "metric page's data, 30 days at one minute": at_most(statistics.median(map(sum, took)), "ms", 60),
        "of that, the points": measured(statistics.median(one[0] for one in took), "ms"),
        "a day of points as received": measured(statistics.median(day), "ms"),
    }


LISTS = {
    "anomalies, open, the first 100 pages": [f"/api/anomalies?page={page}" for page in range(1, 101, 3)],
    "anomalies, one status, sorted by weight": [f"/api/anomalies?status=Active&sort_weight=desc&page={page}" for page in range(1, 30)],
    "anomalies, at any depth": [f"/api/anomalies?page={page}" for page in range(1500, 2000, 17)],
}


def lists(product: Product, data: dict) -> dict[str, Figure]:
    """95th percentile with four clients at once on 200,000 anomalies of one org, half of them open."""
    found = {}
    for name, paths in LISTS.items():
        for who in ("admin", "member"):
            p95 = percentile_95(product, data["tokens"][who], paths)
            target = 150 if "depth" in name else 30
            found[f"{name}, p95 as {who}"] = at_most(p95, "ms", target) if "sorted" not in name else measured(p95, "ms")
    caller = Caller(product, data["tokens"]["member"])
    newest = json.loads(fetched(caller, "/api/anomalies?size=1"))["items"][0]["id"]
    found["one anomaly"] = at_most(statistics.median(caller.ms(f"/api/anomalies/{newest}") for _ in range(40)), "ms", 30)
    return found


def fetched(caller: Caller, path: str) -> bytes:
    caller.connection.request("GET", path, headers=caller.headers)
    return caller.connection.getresponse().read()


def percentile_95(product: Product, token: str, paths: list[str]) -> float:
    took: list[float] = []

    def call(share: list[str]) -> None:
        caller = Caller(product, token)
        caller.ms(share[0])
        took.extend(caller.ms(path) for path in share)

    shares = [list(itertools.islice(itertools.cycle(paths[n:] + paths[:n]), 40)) for n in range(CLIENTS)]
    threads = [threading.Thread(target=call, args=(share,)) for share in shares]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return statistics.quantiles(took, n=20)[-1]
