"""The way to the first point: what stands in the lines, that the lines work, and the sign when a point comes."""

import re
import shutil
import subprocess
import time
import tomllib

import cramjam
import pytest
import yaml
from django.test import Client
from django.utils import timezone

from metrics import points
from metrics.agents import PLACEHOLDER, agents
from metrics.ingest import senders, series
from metrics.ingest.series import count_invalid
from metrics.models import Metric
from metrics.points.families import POINTS
from metrics.points.fold import fold_all
from orgs.models import IngestKey
from tests import factories
from tests.metrics.ingest.protobuf import v1

PAGE = "/app/start"
HTMX = {"HX-Request": "true"}
URL = "https://plumbline.example.com"
PROMTOOL = shutil.which("promtool")


def text_of(code: str, url: str = URL, key: str = "abcDEF0123456789abcDEF0123456789") -> str:
    return next(agent.text for agent in agents(url, key) if agent.code == code)


@pytest.mark.parametrize("code", ["prometheus", "telegraf", "opentelemetry", "graphite", "curl"])
def test_every_way_names_the_address_and_the_key(code):
    text = text_of(code)
    assert (URL in text, "abcDEF0123456789abcDEF0123456789" in text, PLACEHOLDER in text) == (True, True, False)


@pytest.mark.skipif(PROMTOOL is None, reason="no promtool on this machine; `apt-get install prometheus` brings one")
def test_prometheus_takes_its_lines(tmp_path):
    (tmp_path / "prometheus.yml").write_text(text_of("prometheus"))
    done = subprocess.run([PROMTOOL, "check", "config", tmp_path / "prometheus.yml"], capture_output=True, text=True, check=False)
    assert (done.returncode, "SUCCESS" in done.stdout) == (0, True), done.stderr


def test_the_collectors_lines_are_a_whole_pipeline():
    config = yaml.safe_load(text_of("opentelemetry"))
    pipeline = config["service"]["pipelines"]["metrics"]
    assert set(pipeline["exporters"]) <= set(config["exporters"])
    assert set(pipeline["receivers"]) <= set(config["receivers"])
    exporter = config["exporters"]["prometheusremotewrite"]
    assert exporter == {"endpoint": f"{URL}/api/v1/write", "headers": {"Authorization": "Bearer abcDEF0123456789abcDEF0123456789"}}


@pytest.mark.parametrize("code", ["telegraf", "graphite"])
def test_telegrafs_lines_are_what_its_remote_write_needs(code):
    (output,) = tomllib.loads(text_of(code))["outputs"]["http"]
    assert (output["url"], output["data_format"]) == (f"{URL}/api/v1/write", "prometheusremotewrite")
    assert set(output["headers"]) == {"Content-Type", "Content-Encoding", "X-Prometheus-Remote-Write-Version", "Authorization"}


@pytest.fixture
def key(datastore):
    senders.forget(), series.forget()
    return factories.make_ingest_key(datastore)[1]


@pytest.mark.parametrize("code", ["prometheus", "telegraf", "opentelemetry", "graphite"])
def test_a_request_with_the_headers_of_the_lines_is_taken(key, org, code):
    """Where the agent itself is not at hand: its protocol, with what the lines make it send beside."""
    sent = {
        "prometheus": lambda text: yaml.safe_load(text)["remote_write"][0]["authorization"]["credentials"],
        "opentelemetry": lambda text: yaml.safe_load(text)["exporters"]["prometheusremotewrite"]["headers"]["Authorization"].split()[1],
    }.get(code, lambda text: tomllib.loads(text)["outputs"]["http"][0]["headers"]["Authorization"].split()[1])(text_of(code, key=key))
    headers = {"Authorization": f"Bearer {sent}", "Content-Encoding": "snappy", "X-Prometheus-Remote-Write-Version": "0.1.0"}
    body = bytes(cramjam.snappy.compress_raw(v1([((("__name__", "cpu"), ("job", code)), [(int(time.time() * 1000), 1.0)])])))
    answer = Client().post("/api/v1/write", body, content_type="application/x-protobuf", headers=headers)
    assert (answer.status_code, answer.content) == (204, b"")
    assert Metric.objects.get().name == f'cpu{{job="{code}"}}'


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl on this machine")
def test_the_command_for_a_shell_really_sends(key, org, live_server):
    done = subprocess.run(["/bin/sh", "-c", text_of("curl", live_server.url, key)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    fold_all(org.pk, POINTS)
    metric = Metric.objects.get()
    found = points.read(org.pk, [metric.pk], 0, 2**42)[metric.pk]
    assert (metric.name, found.values.tolist()) == ("my.first.metric", [42.0])
    assert abs(found.timestamps_ms[0] / 1000 - time.time()) < 600


def test_a_key_is_made_on_demand_and_fills_the_lines_this_once(as_, manager, settings):
    client = as_(manager)
    assert PLACEHOLDER in client.get(PAGE).content.decode()
    page = client.post(PAGE, {"do": "make_key", "agent": "telegraf"}, headers=HTMX).content.decode()
    secret = re.search(r'<code id="secret">([^<]+)</code>', page)[1]
    assert (page.count(secret) > 10, PLACEHOLDER in page, settings.BASE_URL in page) == (True, False, True)
    key = IngestKey.objects.get()
    assert (key.name, key.prefix) == ("telegraf, set up by Max Manager", secret[:6])
    assert secret not in client.get(PAGE).content.decode()


@pytest.mark.parametrize("who", ["viewer", "editor", "demo"])
def test_others_see_the_lines_and_make_no_key(as_, org, cast, who):
    person = factories.make_user(org, "Dan", is_demo=True) if who == "demo" else cast[who]
    page = as_(person).get(PAGE)
    assert (page.status_code, b"Make a key" in page.content, PLACEHOLDER.encode() in page.content) == (200, False, True)
    assert as_(person).post(PAGE, {"do": "make_key"}).status_code == 403
    assert not IngestKey.objects.exists()


def test_a_manager_without_a_datastore_is_told_what_is_missing(as_, org):
    manager = factories.make_user(org, "Mo", role="manager")
    assert b"needs the level editor on a datastore" in as_(manager).post(PAGE, {"do": "make_key"}, headers=HTMX).content


def send(key):
    said = {"key": key, "metric": "web.a", "value": 1, "timestamp": time.time()}
    assert Client().post("/flux/metric_data_post", said, content_type="application/json").status_code == 204


def tick(client, **asked):
    return client.get(f"{PAGE}/tick", asked, headers=HTMX).content.decode()


def test_the_sign_waits_ever_longer_and_changes_with_the_first_point(as_, admin, key):
    client = as_(admin)
    since = int(time.time()) - 1
    found = [tick(client, since=since, turn=turn) for turn in (0, 5, 50)]
    assert [re.search(r'hx-trigger="load delay:(\d+)s, again"', part)[1] for part in found] == ["2", "5", "30"]
    assert "turn=1" in found[0]
    Client().post(
        "/flux/metric_data_post", {"key": key, "metric": "web.a", "value": 1, "timestamp": time.time()}, content_type="application/json"
    )
    part = tick(client, since=since)
    metric = Metric.objects.get()
    assert ("The first point is here" in part, f'href="/app/metrics/{metric.pk}"' in part, "hx-get" in part) == (True, True, False)


def test_with_a_key_it_waits_for_what_comes_by_that_key(as_, admin, key, datastore):
    client = as_(admin)
    client.post(PAGE, {"do": "make_key"}, headers=HTMX)
    fresh = IngestKey.objects.get(name__startswith="agent, set up")
    send(key)
    assert "Waiting for a point" in tick(client, key=fresh.pk)
    IngestKey.objects.filter(pk=fresh.pk).update(last_used=timezone.now())
    assert "The first point is here" in tick(client, key=fresh.pk)


def test_what_was_refused_is_told_while_one_waits(as_, admin, org):
    count_invalid(org.pk, points=1, example="web.a: timestamp: a time is needed.")
    assert "Something came and was refused: web.a: timestamp" in tick(as_(admin), since=int(time.time()) - 60)


@pytest.mark.parametrize("asked", [{}, {"since": "x", "turn": "y", "key": "z"}, {"since": 10**14}, {"key": 10**12}, {"turn": 10**12}])
def test_nonsense_waits(as_, viewer, asked):
    assert 'id="tick"' in tick(as_(viewer), **asked)


def test_points_of_other_orgs_are_no_sign(as_, outsider, admin, key):
    client = as_(admin)
    client.post(PAGE, {"do": "make_key"}, headers=HTMX)
    Client().post(
        "/flux/metric_data_post", {"key": key, "metric": "a", "value": 1, "timestamp": time.time()}, content_type="application/json"
    )
    mine = IngestKey.objects.latest("pk")
    IngestKey.objects.update(last_used=timezone.now())
    assert "Waiting for a point" in tick(as_(outsider), since=int(time.time()) - 60, key=mine.pk)


def test_a_newcomer_is_brought_here_once(as_, admin):
    client = as_(admin)
    assert client.get("/app/")["Location"] == PAGE
    assert client.get(PAGE).status_code == 200
    admin.refresh_from_db()
    assert admin.onboarding_flags == {"main_intro": True}
    assert client.get("/app/").status_code == 200


def test_who_cannot_make_a_key_or_has_metrics_is_not_brought_here(as_, viewer, admin, datastore):
    assert as_(viewer).get("/app/").status_code == 200
    factories.make_metric(datastore)
    assert as_(admin).get("/app/").status_code == 200
