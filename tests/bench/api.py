"""How fast the REST API answers, over HTTP, from the product's own web server.

With BENCH_HOME set to a folder, the million anomalies stay there and are found again by the next run.
"""

import json
import os
import statistics
import time
from pathlib import Path

from tests.bench import lists
from tests.bench.figures import Figure, at_most, measured
from tests.product import Product, kept_product, new_product

# The limit is for those who ask too much; here somebody asks as much as possible.
UNLIMITED = {"API_RATE_PER_MINUTE": "100000000", "API_BURST": "1000000"}

# The web server's workers load compiled code ten seconds after they began (`config/wsgi.py`), which is not what is measured.
SETTLED_S = 15


def run() -> dict[str, Figure]:
    kept = os.environ.get("BENCH_HOME")
    with kept_product(Path(kept), **UNLIMITED) if kept else new_product(**UNLIMITED) as product:
        start(product)
        data = seeded(product)
        time.sleep(SETTLED_S)
        return {**metric_page(product, data), **lists.figures(product, data)}


def seeded(product: Product) -> dict:
    """What `api_data` says of the million, which is made where there is none."""
    said = product.home / "seeded.json"
    if not said.exists():
        said.write_text(product.as_owner("from tests.bench.api_data import main; main()").splitlines()[-1])
    return json.loads(said.read_text())


def start(product: Product) -> None:
    """The web server as the product runs it, on servers of its own."""
    product.start_servers()
    product.manage("migrate", "--verbosity=0")
    product.manage("collectstatic", "--noinput", "--verbosity=0")
    product.serve()


def metric_page(product: Product, data: dict) -> dict[str, Figure]:
    """What the page of one series fetches for 30 days: the points and the band, one after the other."""
    caller, start_s = lists.Caller(product, data["tokens"]["member"]), int(time.time()) - 30 * 86400
    paths = [f"/api/metrics/{data['metric']}/{part}?from={start_s}&times=unix" for part in ("timeseries", "forecast")]
    took = [[caller.ms(path) for path in paths] for _ in range(25)][5:]
    day = [caller.ms(f"/api/metrics/{data['metric']}/timeseries?times=unix") for _ in range(25)][5:]
    return {
        "metric page's data, 30 days at one minute": at_most(statistics.median(map(sum, took)), "ms", 60),
        "of that, the points": measured(statistics.median(one[0] for one in took), "ms"),
        "a day of points as received": measured(statistics.median(day), "ms"),
    }
