"""Debian's Prometheus pushes to the running product: what it scraped is what we stored, under its own names."""

import base64
import json
import shutil
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.product import Product, free_port, new_product, wait_until

PROMETHEUS = shutil.which("prometheus")

pytestmark = [
    pytest.mark.agents,
    pytest.mark.skipif(PROMETHEUS is None, reason="no Prometheus on this machine; `apt-get install prometheus` brings one"),
]

SEED = """
import json
from accounts.models import Role
from tests import factories
from datastores.services import create_org
org = create_org(name="Acme", slug="acme", metric_limit=100_000)
key = factories.make_ingest_key(org.datastores.get())[1]
token = factories.make_personal_token(factories.make_user(org, role=Role.ADMIN))
print(json.dumps([key, token]))
"""

CONFIG = """
global: {{scrape_interval: 1s}}
scrape_configs:
  - job_name: itself
    static_configs: [{{targets: ["127.0.0.1:{port}"]}}]
remote_write:
  - url: "{url}{path}"
    {auth}
    queue_config: {{batch_send_deadline: 1s}}
"""


def running(folder: Path, *, port: int, url: str, path: str, auth: str) -> subprocess.Popen[bytes]:
    (folder / "prometheus.yml").write_text(CONFIG.format(port=port, url=url, path=path, auth=auth))
    options = (f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data", f"--web.listen-address=127.0.0.1:{port}")
    with (folder / "prometheus.log").open("wb") as log:
        return subprocess.Popen([PROMETHEUS, *options], stdout=log, stderr=log)


@pytest.fixture(scope="module")
def product() -> Iterator[Product]:
    with new_product() as made:
        made.start()
        yield made


@pytest.fixture(scope="module")
def secrets(product: Product) -> tuple[str, str]:
    """An ingest key and an admin's token of one org."""
    key, token = json.loads(product.as_owner(SEED).splitlines()[-1])
    return key, token


def scraped(port: int, expression: str) -> list[list[float]]:
    """Raw samples of one series as Prometheus itself has them: unix seconds and value."""
    query = urllib.parse.urlencode({"query": expression})
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/query?{query}", timeout=60) as answer:
        found = json.load(answer)["data"]["result"]
    return [[at, float(value)] for at, value in found[0]["values"]] if found else []


def stored(product: Product, token: str, name: str) -> list[list[float]]:
    headers = {"Authorization": f"Bearer {token}"}
    found = product.get(f"/api/metrics?{urllib.parse.urlencode({'search': name, 'size': 100})}", **headers)[1]["items"]
    ids = [metric["id"] for metric in found if metric["name"] == name]
    if not ids:
        return []
    series = product.get(f"/api/metrics/{ids[0]}/timeseries?times=unix", **headers)[1]
    return [[at, value] for at, value in zip(series["timestamps"], series["values"], strict=True) if value is not None]


@pytest.mark.parametrize(
    ("path", "auth"),
    [
        ("/api/v1/write", "basic_auth: {{username: plumbline, password: {key}}}"),
        ("/api/v1/write", "authorization: {{credentials: {key}}}"),
        # Debian's build sends no `headers` of its own, so the header `key` of this path is tested without an agent.
        ("/flux/prometheus/write", "authorization: {{credentials: {key}}}"),
    ],
)
def test_prometheus_pushes_what_it_scraped(product, secrets, tmp_path, path, auth):
    key, token = secrets
    port = free_port()
    name = f'process_cpu_seconds_total{{instance="127.0.0.1:{port}",job="itself"}}'
    agent = running(tmp_path, port=port, url=product.url, path=path, auth=auth.format(key=key))
    try:
        wait_until(lambda: len(stored(product, token, name)) >= 5, what="points of Prometheus")
        theirs = scraped(port, f"{name}[5m]")
    finally:
        agent.terminate()
        agent.wait(240)
    wait_until(lambda: len(stored(product, token, name)) >= len(theirs), what="the rest of the points")
    assert len(theirs) >= 5
    assert stored(product, token, name)[: len(theirs)] == theirs
    assert "non-recoverable error" not in (tmp_path / "prometheus.log").read_text()


def test_its_probe_of_the_write_path_is_answered(product, secrets):
    password = base64.b64encode(f"plumbline:{secrets[0]}".encode()).decode()
    assert product.request("GET", "/api/v1/write", Authorization=f"Basic {password}")[0] == 200
