"""The detection loop end to end, from points on disk to verdicts stored, with 100,000 series at one point a minute."""

import json

from metrics.detection.layout import STATE
from tests.bench.figures import Figure, at_most, measured
from tests.product import new_product

CORES = 2
MINUTE_S = 60.0


def run() -> dict[str, Figure]:
    with new_product() as product:
        product.start_web()
        said = product.manage("shell", "--no-imports", "-c", "from tests.bench.loop_data import main; main()")
        found = json.loads(said.splitlines()[-1])
    ours, skyline = found["worker_s"] + found["postgres_s"], found["skyline_s"]
    return {
        "end to end, 100,000 series a minute, of 2 cores": at_most(100 * ours / (CORES * MINUTE_S), "%", 50),
        "of that, the workers": measured(100 * found["worker_s"] / (CORES * MINUTE_S), "%"),
        "of that, PostgreSQL": measured(100 * found["postgres_s"] / (CORES * MINUTE_S), "%"),
        "Skyline's nine checks (numpy, in batches) on the same points": measured(100 * skyline / (CORES * MINUTE_S), "%"),
        "end to end, for one point": measured(1e6 * ours / found["points"], "us"),
        "Skyline's nine checks, for one point": measured(1e6 * skyline / found["points"], "us"),
        "longest step of a shard": measured(found["longest_s"], "s"),
        "state per series": at_most(STATE.itemsize, "bytes", 8192),
        "state per series, as saved": measured(found["saved_bytes"], "bytes"),
    }
