"""What to write into an agent's configuration so that it sends here. Only what works with the protocols that the product speaks."""

import json
import shlex
from dataclasses import dataclass
from typing import Final

PLACEHOLDER: Final = "YOUR_INGEST_KEY"
WRITE: Final = "/api/v1/write"
FLUX: Final = "/flux/metric_data_post"


@dataclass(frozen=True)
class Agent:
    """One way to send: `text` goes into `file` (a command when it is empty); `then` is what to do next, `note` what one has to know."""

    code: str
    name: str
    file: str
    text: str
    then: str
    note: str = ""


def agents(url: str, key: str = PLACEHOLDER) -> tuple[Agent, ...]:
    """Every way, with the product's own address and the key filled in."""
    return (prometheus(url, key), telegraf(url, key), opentelemetry(url, key), graphite(url, key), curl(url, key))


def prometheus(url: str, key: str) -> Agent:
    text = f"""remote_write:
  - url: {url}{WRITE}
    authorization:
      credentials: {key}
"""
    then = "Reload it (kill -HUP, or POST /-/reload). Everything that it scrapes comes with the next batch, within seconds."
    note = "The same works for Grafana Alloy, vmagent, Thanos and whatever else speaks remote write, 1.0 or 2.0."
    return Agent("prometheus", "Prometheus", "prometheus.yml", text, then, note)


def telegraf_output(url: str, key: str) -> str:
    return f"""[[outputs.http]]
  url = "{url}{WRITE}"
  data_format = "prometheusremotewrite"
  [outputs.http.headers]
    Content-Type = "application/x-protobuf"
    Content-Encoding = "snappy"
    X-Prometheus-Remote-Write-Version = "0.1.0"
    Authorization = "Bearer {key}"
"""


def telegraf(url: str, key: str) -> Agent:
    then = "Restart Telegraf. Its measurements arrive as measurement_field, with its tags as labels."
    note = "It sends by remote write. Telegraf's own InfluxDB outputs are not understood."
    return Agent("telegraf", "Telegraf", "telegraf.conf", telegraf_output(url, key), then, note)


def opentelemetry(url: str, key: str) -> Agent:
    text = f"""receivers:
  otlp:
    protocols:
      grpc:
      http:

exporters:
  prometheusremotewrite:
    endpoint: {url}{WRITE}
    headers:
      Authorization: Bearer {key}

service:
  pipelines:
    metrics:
      receivers: [otlp]
      exporters: [prometheusremotewrite]
"""
    then = "Restart the collector, and point your programs' OTLP exporters at it (ports 4317 and 4318)."
    note = "The contrib distribution has this exporter. OTLP itself is not understood here: a program needs a collector between."
    return Agent("opentelemetry", "OpenTelemetry", "otel-collector.yaml", text, then, note)


def graphite(url: str, key: str) -> Agent:
    text = f"""[[inputs.socket_listener]]
  service_address = "tcp://:2003"
  data_format = "graphite"

{telegraf_output(url, key)}"""
    then = "Start Telegraf, and send your Graphite lines to its port 2003: servers.web1.load arrives as servers_web1_load_value."
    note = "Graphite's own protocol is not spoken here: Telegraf takes the lines and passes them on."
    return Agent("graphite", "Graphite", "telegraf.conf", text, then, note)


def curl(url: str, key: str) -> Agent:
    text = one_point(f"{url}{FLUX}", metric="my.first.metric", key=key) + "\n"
    then = "Run it in a shell; again each minute, and a series grows."
    note = "Any program that can POST JSON can send like this, up to 500,000 points at once in metrics: [...]."
    return Agent("curl", "curl", "", text, then, note)


def one_point(url: str, *, metric: str, key: str = PLACEHOLDER) -> str:
    """A command for a shell that sends one point of `metric` to the address `url`."""
    body = json.dumps({"key": key, "metric": metric, "value": 42}, ensure_ascii=False)
    # The shell puts the time in: a point belongs to the moment when it is sent.
    timed = body.removesuffix("}") + ', "timestamp": '
    return f"curl -X POST {url} \\\n  -d {shlex.quote(timed)}\"$(date +%s)\"'}}'"
