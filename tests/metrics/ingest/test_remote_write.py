"""Remote write 1.0 and 2.0, on /api/v1/write, its aliases and /flux/prometheus/write."""

import base64
import gzip
import struct

import cramjam
import pytest

from metrics.models import Metric
from orgs.models import IngestKey, Org, RefusedSeries
from tests import factories
from tests.metrics.ingest import protobuf as pb

pytestmark = pytest.mark.django_db
PROTOBUF = "application/x-protobuf"
V3 = "io.prometheus.write.v3.Request"
PATHS = ["/api/v1/write", "/api/v1/push", "/api/prom/push", "/flux/prometheus/write"]
STALE = struct.unpack("<d", struct.pack("<Q", 0x7FF0000000000002))[0]
UP = {"__name__": "up", "job": "node"}
WRITTEN = "X-Prometheus-Remote-Write-{}-Written"


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("path", PATHS)
def test_samples_are_stored_under_one_canonical_name(write, now, stored, path, version):
    answer = write([(UP, [(now * 1000, 1.0), (now * 1000 + 15_500, 0.5)]), ({"__name__": "x"}, [])], path=path, version=version)
    assert (answer.status_code, answer.content, answer.headers.get("Content-Type")) == (204, b"", None)
    assert stored() == {'up{job="node"}': [(now, 1.0), (now + 15.5, 0.5)]}
    assert Metric.objects.get(name='up{job="node"}').labels == UP


def test_version_2_tells_what_was_written(write, now):
    answer = write([(UP, [(now * 1000, 1.0), (now * 1000 + 1, 2.0)])], version=2)
    assert [answer[WRITTEN.format(kind)] for kind in ("Samples", "Histograms", "Exemplars")] == ["2", "0", "0"]


def test_both_versions_and_any_order_of_labels_mean_one_series(write, agent, key, now, stored):
    write([(UP, [(now * 1000, 1.0)])])
    write([(UP, [(now * 1000 + 1000, 2.0)])], version=2)
    body = bytes(cramjam.snappy.compress_raw(pb.v1([([("job", "node"), ("__name__", "up")], [(now * 1000 + 2000, 3.0)])])))
    agent.post("/api/v1/write", body, content_type=PROTOBUF, headers={"Authorization": f"Bearer {key}"})
    assert stored() == {'up{job="node"}': [(now, 1.0), (now + 1, 2.0), (now + 2, 3.0)]}


def test_a_request_sent_again_changes_nothing(write, now, stored):
    rows = [({"__name__": f"m{k}"}, [(now * 1000, float(k))]) for k in range(5)]
    for _ in range(3):
        assert write(rows).status_code == 204
    assert stored() == {f"m{k}": [(now, float(k))] for k in range(5)}


class TestWhoSends:
    @pytest.mark.parametrize("kind", ["Bearer {}", "bearer {}", "Token {}"])
    def test_the_key_as_bearer(self, write, key, now, kind):
        assert write([(UP, [(now * 1000, 1.0)])], Authorization=kind.format(key)).status_code == 204

    def test_the_key_as_the_password_of_basic(self, write, key, now):
        basic = base64.b64encode(f"anyone:{key}".encode()).decode()
        assert write([(UP, [(now * 1000, 1.0)])], Authorization=f"Basic {basic}").status_code == 204

    def test_the_key_in_its_own_header_on_the_flux_path(self, write, key, now):
        assert write([(UP, [(now * 1000, 1.0)])], path="/flux/prometheus/write", Authorization=None, key=key).status_code == 204

    @pytest.mark.parametrize("wrong", [None, "Bearer", "Bearer x", "Basic", "Basic !!", "Basic eA==", "Digest x"])
    @pytest.mark.parametrize("path", PATHS)
    def test_anything_else_is_401_and_stores_nothing(self, write, now, org, path, wrong):
        answer = write([(UP, [(now * 1000, 1.0)])], path=path, Authorization=wrong)
        assert (answer.status_code, Metric.objects.for_org(org).count()) == (401, 0)

    @pytest.mark.parametrize("path", [*PATHS, "/flux/metric_data_post"])
    def test_a_probe_by_get_is_200_without_a_key(self, agent, path):
        assert agent.get(path).status_code == 200
        assert agent.head(path).status_code == 200

    def test_a_foreign_tenant_header_changes_nothing(self, write, now, stored):
        other = factories.make_org("Other")
        assert write([(UP, [(now * 1000, 1.0)])], **{"X-Scope-OrgID": str(other.pk), "x-tenant-id": other.slug}).status_code == 204
        assert (len(stored()), stored(other)) == (1, {})


class TestBadSamples:
    def test_the_good_are_stored_and_400_tells_of_the_bad(self, write, now, stored):
        rows = [(UP, [(now * 1000, 1.0)]), ({"__name__": "old"}, [(5, 1.0), (now * 1000, 2.0)]), ({"job": "x"}, [(now * 1000, 3.0)])]
        answer = write(rows)
        assert answer.status_code == 400
        assert answer.content.decode().startswith("2 samples stored, 2 refused: ")
        assert "__name__ is missing" in answer.content.decode()
        assert "before 2000-01-01" in answer.content.decode()
        assert answer[WRITTEN.format("Samples")] == "2"
        assert stored() == {'up{job="node"}': [(now, 1.0)], "old": [(now, 2.0)]}

    def test_infinite_values_are_refused(self, write, now, stored):
        assert write([(UP, [(now * 1000, float("inf")), (now * 1000 + 1, 1.0)])]).status_code == 400
        assert list(stored().values()) == [[(now + 0.001, 1.0)]]

    def test_the_end_of_a_series_is_not_a_value(self, write, now, stored):
        assert write([(UP, [(now * 1000, 1.0), (now * 1000 + 15_000, STALE)])]).status_code == 204
        assert stored() == {'up{job="node"}': [(now, 1.0)]}

    def test_a_series_of_which_only_the_end_comes_stores_nothing(self, write, now, stored):
        assert write([(UP, [(now * 1000, STALE)])]).status_code == 204
        assert stored() == {}

    def test_native_histograms_are_refused_and_say_so(self, agent, key, now):
        message = pb.delimited(1, pb.delimited(1, pb.label("__name__", "h")) + pb.delimited(4, b"\x08\x01"))
        headers = {"Authorization": f"Bearer {key}", "Content-Encoding": "snappy"}
        answer = agent.post("/api/v1/write", bytes(cramjam.snappy.compress_raw(message)), content_type=PROTOBUF, headers=headers)
        assert (answer.status_code, b"Native histograms" in answer.content) == (400, True)

    @pytest.mark.parametrize("version", [1, 2])
    def test_a_series_of_which_nothing_can_be_stored_takes_no_place_in_the_quota(self, write, agent, key, now, org, stored, version):
        Org.objects.filter(pk=org.pk).update(metric_limit=1)
        histogram = pb.delimited(1, pb.delimited(1, pb.label("__name__", "h")) + pb.delimited(4, b"\x08\x01"))
        if version == 2:
            symbols = b"".join(pb.delimited(4, symbol) for symbol in (b"", b"__name__", b"h"))
            histogram = symbols + pb.delimited(5, pb.delimited(1, b"\x01\x02") + pb.delimited(3, b"\x08\x01"))
        headers = {"Authorization": f"Bearer {key}", "Content-Encoding": "snappy"}
        content_type = PROTOBUF if version == 1 else f"{PROTOBUF};proto=io.prometheus.write.v2.Request"
        answer = agent.post("/api/v1/write", bytes(cramjam.snappy.compress_raw(histogram)), content_type=content_type, headers=headers)
        assert (answer.status_code, b"Native histograms" in answer.content) == (400, True)
        nothing = [({"__name__": "old"}, [(5, 1.0)]), ({"__name__": "ended"}, [(now * 1000, STALE)]), ({"__name__": "empty"}, [])]
        assert write(nothing, version=version).content == (
            b"0 samples stored, 1 refused: 1 x timestamp: before 2000-01-01 or more than one day in the future.\n"
        )
        assert Metric.objects.for_org(org).count() == 0
        assert write([(UP, [(now * 1000, 1.0)])], version=version).status_code == 204
        counted = RefusedSeries.objects.get()
        assert (list(stored()), counted.refused, counted.invalid) == (['up{job="node"}'], 0, 2)

    def test_what_the_quota_refuses_is_counted_without_what_could_not_be_stored_anyway(self, write, now, org):
        Org.objects.filter(pk=org.pk).update(metric_limit=0)
        answer = write([({"__name__": "new"}, [(5, 1.0), (now * 1000, 2.0)])])
        assert answer.content.decode().startswith("0 samples stored, 2 refused: ")
        assert RefusedSeries.objects.get().refused == 1

    def test_symbols_that_do_not_begin_with_the_empty_string_are_400(self, agent, key, now, org):
        message = b"".join(pb.delimited(4, symbol) for symbol in (b"x", b"__name__", b"up"))
        message += pb.delimited(5, pb.delimited(1, b"\x01\x02") + pb.delimited(2, pb.sample(now * 1000, 1.0)))
        content_type = f"{PROTOBUF};proto=io.prometheus.write.v2.Request"
        headers = {"Authorization": f"Bearer {key}"}
        answer = agent.post("/api/v1/write", bytes(cramjam.snappy.compress_raw(message)), content_type=content_type, headers=headers)
        assert (answer.status_code, answer.json()["error"]) == (400, "The first symbol must be the empty string.")
        assert Metric.objects.for_org(org).count() == 0

    def test_references_to_no_symbol_cost_only_their_series(self, agent, key, now, stored):
        good = pb.delimited(5, pb.delimited(1, b"\x01\x02") + pb.delimited(2, pb.sample(now * 1000, 1.0)))
        bad = pb.delimited(5, pb.delimited(1, b"\x01\x09") + pb.delimited(2, pb.sample(now * 1000, 2.0)))
        message = b"".join(pb.delimited(4, symbol) for symbol in (b"", b"__name__", b"up")) + bad + good
        headers = {"Authorization": f"Bearer {key}"}
        content_type = "application/x-protobuf;proto=io.prometheus.write.v2.Request"
        answer = agent.post("/api/v1/write", bytes(cramjam.snappy.compress_raw(message)), content_type=content_type, headers=headers)
        assert (answer.status_code, answer[WRITTEN.format("Samples")], stored()) == (400, "1", {"up": [(now, 1.0)]})


class TestForms:
    @pytest.fixture
    def send(self, agent, key):
        def post(body, content_type=PROTOBUF, **headers):
            return agent.post("/api/v1/write", body, content_type=content_type, headers={"Authorization": f"Bearer {key}", **headers})

        return post

    @pytest.mark.parametrize(
        "content_type",
        [
            "application/json",
            "text/plain",
            "application/x-protobuf;proto=x",
            "application/x-protobuf; proto=io.prometheus.write.v3.Request",
        ],
    )
    def test_an_unknown_content_type_is_415(self, send, content_type):
        assert send(b"x", content_type).status_code == 415

    @pytest.mark.parametrize("parameter", ["", "; proto=prometheus.WriteRequest", ';proto="prometheus.WriteRequest"'])
    def test_version_1_may_be_named(self, send, parameter):
        assert (
            send(bytes(cramjam.snappy.compress_raw(b"")), PROTOBUF.upper() + parameter, **{"Content-Encoding": "snappy"}).status_code == 204
        )

    @pytest.mark.parametrize("encoding", ["zstd", "br", "identity"])
    def test_an_unknown_encoding_is_415(self, send, encoding):
        assert send(b"", **{"Content-Encoding": encoding}).status_code == 415

    def test_gzip_is_taken(self, send, now, stored):
        body = gzip.compress(pb.v1([([("__name__", "up")], [(now * 1000, 1.0)])]))
        assert (send(body, **{"Content-Encoding": "gzip"}).status_code, stored()) == (204, {"up": [(now, 1.0)]})

    @pytest.mark.parametrize("body", [b"", b"\x00garbage", b"\xff" * 40, bytes(cramjam.snappy.compress_raw(b"garbage"))])
    def test_garbage_is_400(self, send, body):
        assert send(body, **{"Content-Encoding": "snappy"}).status_code == 400

    def test_a_bomb_is_refused_by_its_stated_size(self, send):
        assert send(b"\xff\xff\xff\xff\x0f" + b"\x00" * 10, **{"Content-Encoding": "snappy"}).status_code == 413
        assert send(bytes(cramjam.snappy.compress_raw(b"\x00" * (65 * 2**20)))).status_code == 413

    def test_a_body_beyond_the_limit_is_413(self, send):
        assert send(b"x" * (16 * 2**20 + 1)).status_code == 413


class TestQuotaAndHeaders:
    def test_over_quota_known_series_go_on(self, write, now, org, stored):
        Org.objects.filter(pk=org.pk).update(metric_limit=1)
        assert write([(UP, [(now * 1000, 1.0)])]).status_code == 204
        answer = write([(UP, [(now * 1000 + 1000, 2.0)]), ({"__name__": "new"}, [(now * 1000, 1.0), (now * 1000 + 1, 1.0)])])
        assert answer.status_code == 400
        assert answer.content.decode() == (
            "1 samples stored, 2 refused: 2 x The org's limit of series is reached; series that exist go on. For example: new\n"
        )
        assert stored() == {'up{job="node"}': [(now, 1.0), (now + 1, 2.0)]}
        assert RefusedSeries.objects.get().refused == 2

    def test_dropped_metrics_and_labels(self, write, now, stored):
        rows = [({**UP, "pod": "a"}, [(now * 1000, 1.0)]), ({"__name__": "go_info"}, [(now * 1000, 1.0)])]
        for _ in range(2):
            assert write(rows, dropMetrics="go_info, x", dropLabels='["pod"]').status_code == 204
        assert stored() == {'up{job="node"}': [(now, 1.0)]}
        assert write(rows).status_code == 204
        assert sorted(stored()) == ["go_info", 'up{job="node",pod="a"}', 'up{job="node"}']

    def test_a_sum_key_sums_per_minute(self, write, datastore, now, stored):
        secret = factories.make_ingest_key(datastore, rule=IngestKey.Rule.SUM)[1]
        minute = now - now % 60
        write([(UP, [(minute * 1000 + 1, 1.0), (minute * 1000 + 2, 1.0)])], secret=secret)
        write([(UP, [(minute * 1000 + 59_999, 3.0)])], secret=secret)
        assert stored() == {'up{job="node"}': [(minute, 5.0)]}


def test_two_orgs_with_equal_labels_never_see_each_other(write, now, stored):
    other = factories.make_org("Other")
    secret = factories.make_ingest_key(other.datastores.get())[1]
    write([(UP, [(now * 1000, 1.0)])])
    write([(UP, [(now * 1000, 2.0)])], secret=secret)
    write([(UP, [(now * 1000 + 1000, 3.0)])])
    assert stored() == {'up{job="node"}': [(now, 1.0), (now + 1, 3.0)]}
    assert stored(other) == {'up{job="node"}': [(now, 2.0)]}
