"""POST /flux/metric_data_post and GET /flux/metric_data."""

import gzip
import time
from datetime import timedelta

import orjson
import pytest
from django.utils import timezone

from metrics import points
from metrics.ingest import senders, trials
from metrics.ingest.batch import JSON_LIMIT
from metrics.models import Metric
from orgs import wall
from orgs.models import IngestKey, Org, RefusedSeries
from orgs.services import revoke
from tests import factories
from tests.acting import connected_as
from tests.metrics.ingest.conftest import log_refusing

pytestmark = pytest.mark.django_db


def test_one_point_is_stored(post_json, key, now, stored):
    answer = post_json({"key": key, "metric": "a.b", "timestamp": now, "value": 1.5})
    assert (answer.status_code, answer.content, answer.headers.get("Content-Type")) == (204, b"", None)
    assert stored() == {"a.b": [(now, 1.5)]}


def test_many_points_are_stored_in_one_row_of_the_log(post_json, key, now, stored, org):
    rows = [{"metric": f"m{k % 3}", "timestamp": now - k, "value": k} for k in range(9)]
    assert post_json({"key": key, "metrics": rows}).status_code == 204
    assert stored() == {f"m{k}": [(now - k - 6, k + 6), (now - k - 3, k + 3), (now - k, k)] for k in range(3)}


def test_a_point_in_the_query_is_stored(agent, key, now, stored):
    answer = agent.get("/flux/metric_data", {"key": key, "metric": "a", "timestamp": now, "value": "2"})
    assert (answer.status_code, stored()) == (204, {"a": [(now, 2.0)]})


def test_the_key_check_answers_exactly(post_json, agent, key):
    answer = post_json({"key": key, "validate_key": True})
    assert (answer.status_code, answer.content) == (200, b'{"status":"key valid"}')
    assert agent.get("/flux/metric_data", {"key": key, "validate_key": "true"}).content == b'{"status":"key valid"}'


@pytest.mark.parametrize(
    "content_type", ["application/json", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "", "x"]
)
def test_the_body_is_parsed_whatever_the_content_type_says(post_json, key, now, stored, content_type):
    assert post_json({"key": key, "metric": "a", "timestamp": now, "value": 1}, content_type=content_type).status_code == 204
    assert stored() == {"a": [(now, 1.0)]}


def test_a_form_is_parsed_too(post_json, key, now, stored):
    body = f"key={key}&metric=a&timestamp={now}&value=3".encode()
    assert post_json(body, content_type="application/x-www-form-urlencoded").status_code == 204
    assert stored() == {"a": [(now, 3.0)]}


@pytest.mark.parametrize("headers", [{"Content-Encoding": "gzip"}, {}])
def test_gzip_is_unpacked_named_or_not(post_json, key, now, stored, headers):
    body = gzip.compress(orjson.dumps({"key": key, "metric": "a", "timestamp": now, "value": 1}))
    assert post_json(body, **headers).status_code == 204
    assert stored() == {"a": [(now, 1.0)]}


def test_gzip_of_several_members_is_unpacked_whole(post_json, key, now, stored):
    text = orjson.dumps({"key": key, "metrics": [{"metric": name, "timestamp": now, "value": 1} for name in "ab"]})
    body = gzip.compress(text[:40]) + gzip.compress(b"") + b"\0\0" + gzip.compress(text[40:]) + b"\0"
    assert (post_json(body).status_code, stored()) == (204, {"a": [(now, 1.0)], "b": [(now, 1.0)]})


@pytest.mark.parametrize(("more", "code", "error"), [
    (b"rest", 400, "The body is not valid gzip."),
    (gzip.compress(b" ")[:-1], 400, "The body is not valid gzip: its end is missing."),
    (gzip.compress(b" " * JSON_LIMIT), 413, "The unpacked body is larger than 8388608 bytes: send smaller requests."),
    (gzip.compress(b"") * 1000, 400, "The body has more than 1000 gzip members: send it as one."),
], ids=["no gzip", "cut off", "too large", "too many"])  # fmt: skip
def test_what_follows_a_gzip_member_is_not_dropped(post_json, key, now, stored, more, code, error):
    body = gzip.compress(orjson.dumps({"key": key, "metric": "a", "timestamp": now, "value": 1}))
    answer = post_json(body + more)
    assert (answer.status_code, answer.json(), stored()) == (code, {"error": error}, {})


def test_a_probe_with_head_stores_nothing(agent, key, now, stored):
    point = {"key": key, "metric": "a", "timestamp": now, "value": 1}
    assert (agent.head("/flux/metric_data", point).status_code, stored()) == (200, {})
    assert (agent.get("/flux/metric_data", point).status_code, stored()) == (204, {"a": [(now, 1.0)]})


@pytest.mark.parametrize("path", ["/flux/metric_data_post", "/flux/metric_data"])
@pytest.mark.parametrize("encoding", ["br", "zstd", "deflate", "snappy", "gzip, br"])
def test_an_encoding_that_is_not_known_is_415_and_stores_nothing(post_json, key, now, stored, path, encoding):
    point = {"key": key, "metric": "a", "timestamp": now, "value": 1}
    answer = post_json(point, path=path, **{"Content-Encoding": encoding})
    assert (answer.status_code, answer.json()["error"]) == (
        415, f"Content-Encoding {encoding!r} is not supported: send gzip, or plain text.",
    )  # fmt: skip
    assert stored() == {}
    assert post_json(point, path=path, **{"Content-Encoding": "identity"}).status_code == 204


@pytest.mark.parametrize("header", ["key", "X-Api-Key", "X-Auth-Token"])
def test_the_key_may_come_in_a_header(post_json, key, now, header):
    assert post_json({"metric": "a", "timestamp": now, "value": 1}, **{header: key}).status_code == 204


class TestWithoutAKey:
    @pytest.mark.parametrize("wrong", ["", "nonsense", None, 7])
    def test_an_unknown_key_is_401_and_stores_nothing(self, post_json, now, org, wrong):
        answer = post_json({"key": wrong, "metric": "a", "timestamp": now, "value": 1})
        assert (answer.status_code, answer.json()["error"]) == (401, "The ingest key is missing, unknown, expired or revoked.")
        assert answer["WWW-Authenticate"].startswith("Bearer")
        assert Metric.objects.for_org(org).count() == 0

    def test_half_a_character_is_no_key(self, post_json):
        assert post_json(b'{"key": "\\ud800", "metric": "a", "timestamp": 1, "value": 1}').status_code == 401

    def test_an_expired_key_is_401(self, post_json, datastore, now):
        row, secret = factories.make_ingest_key(datastore)
        IngestKey.objects.filter(pk=row.pk).update(expires=timezone.now() - timedelta(seconds=1))
        assert post_json({"key": secret, "metric": "a", "timestamp": now, "value": 1}).status_code == 401

    def test_a_revoked_key_is_401_within_a_second(self, post_json, datastore, now, monkeypatch):
        row, secret = factories.make_ingest_key(datastore)
        point = {"key": secret, "metric": "a", "timestamp": now, "value": 1}
        assert post_json(point).status_code == 204
        revoke(row)
        later = time.monotonic() + 1.0
        monkeypatch.setattr("orgs.remembered.time.monotonic", lambda: later)
        assert post_json(point).status_code == 401

    def test_another_of_the_datastores_keys_goes_on(self, post_json, datastore, now):
        first, _ = factories.make_ingest_key(datastore)
        _, second = factories.make_ingest_key(datastore)
        revoke(first)
        assert post_json({"key": second, "metric": "a", "timestamp": now, "value": 1}).status_code == 204


class TestBadPoints:
    def test_the_good_are_stored_and_the_bad_are_named(self, post_json, key, now, stored):
        rows = [{"metric": "a", "timestamp": now, "value": 1}, {"metric": "b", "timestamp": now, "value": "x"}, {"metric": "c"}]
        answer = post_json({"key": key, "metrics": rows})
        assert answer.status_code == 207
        no_time = {"status": "refused", "code": "timestamp_missing", "reason": "timestamp: unix seconds are needed."}
        assert answer.json() == {
            "error": "2 of 3 points were refused: value: this is not a number.",
            "stored": 1,
            "refused": 2,
            "metrics": [
                {"index": 0, "metric": "a", "status": "stored"},
                {"index": 1, "metric": "b", "status": "refused", "code": "value_invalid", "reason": "value: this is not a number."},
                {"index": 2, "metric": "c", **no_time},
            ],
        }
        assert stored() == {"a": [(now, 1.0)]}

    @pytest.mark.parametrize("name", ['"a\\u0000b"', '"a\\ud800b"'])
    def test_a_name_that_no_database_takes_costs_the_good_nothing(self, post_json, key, now, org, stored, name):
        bad = f'{{"metric": {name}, "timestamp": {now}, "value": 1}}'
        answer = post_json(f'{{"key": "{key}", "metrics": [{bad}, {{"metric": "good", "timestamp": {now}, "value": 2}}]}}'.encode())
        assert (answer.status_code, answer.json()["stored"], stored()) == (207, 1, {"good": [(now, 2.0)]})
        assert RefusedSeries.objects.get(org=org).invalid == 1

    def test_what_is_refused_is_counted_with_what_is_stored_or_not_at_all(self, post_json, key, now):
        rows = [{"metric": "a", "timestamp": now, "value": 1}, {"metric": "b", "timestamp": now, "value": "x"}]
        with log_refusing("57P01"):
            assert post_json({"key": key, "metrics": rows}).status_code == 503
        assert RefusedSeries.objects.count() == 0

    def test_if_all_are_bad_it_is_400(self, post_json, key, stored):
        answer = post_json({"key": key, "metric": "a", "timestamp": 5, "value": 1})
        assert (answer.status_code, answer.json()["metrics"][0]["code"]) == (400, "timestamp_out_of_range")
        assert stored() == {}

    @pytest.mark.parametrize("body", [b"", b"nothing", b"[1]", b'{"metrics": 5}'])
    def test_what_is_no_message_is_400(self, post_json, body):
        assert post_json(body).status_code == 400

    def test_a_body_beyond_the_limit_is_413(self, post_json):
        assert post_json(b" " * (16 * 2**20 + 1)).status_code == 413

    def test_a_bomb_is_413(self, post_json):
        assert post_json(gzip.compress(b" " * (65 * 2**20))).status_code == 413

    def test_json_is_smaller_than_other_bodies_because_its_objects_are_larger(self, post_json):
        beyond = b'{"metrics": [' + b"[]," * (8 * 2**20 // 3) + b"[]]}"
        assert (post_json(beyond).status_code, post_json(gzip.compress(beyond)).status_code) == (413, 413)

    def test_broken_gzip_is_400(self, post_json):
        assert post_json(gzip.compress(b"x" * 100)[:-9], **{"Content-Encoding": "gzip"}).status_code == 400

    def test_other_methods_are_405(self, agent):
        answer = agent.put("/flux/metric_data_post")
        assert (answer.status_code, answer["Allow"]) == (405, "GET, HEAD, POST")
        assert agent.delete("/flux/metric_data").status_code == 405


class TestQuota:
    @pytest.fixture(autouse=True)
    def _limit(self, org):
        Org.objects.filter(pk=org.pk).update(metric_limit=2)

    def test_known_series_go_on_and_new_ones_are_refused_and_counted(self, post_json, key, now, org, stored):
        answer = post_json({"key": key, "metrics": [{"metric": name, "timestamp": now, "value": 1} for name in "abcd"]})
        assert [line["status"] for line in answer.json()["metrics"]] == ["stored", "stored", "refused", "refused"]
        assert (answer.status_code, answer.json()["metrics"][2]["code"]) == (207, "over_quota")
        again = post_json({"key": key, "metrics": [{"metric": name, "timestamp": now + 1, "value": 1} for name in "ac"]})
        assert (again.status_code, again.json()["stored"]) == (207, 1)
        assert stored() == {"a": [(now, 1.0), (now + 1, 1.0)], "b": [(now, 1.0)]}
        assert RefusedSeries.objects.values_list("org", "refused", "example").get() == (org.pk, 3, "c")

    def test_a_raised_limit_lets_new_series_in(self, post_json, key, now, org, stored):
        post_json({"key": key, "metrics": [{"metric": name, "timestamp": now, "value": 1} for name in "abc"]})
        Org.objects.filter(pk=org.pk).update(metric_limit=3)
        assert post_json({"key": key, "metric": "c", "timestamp": now, "value": 1}).status_code == 204

    def test_another_orgs_series_do_not_count(self, post_json, now):
        other = factories.make_org("Other")
        for datastore in (other.datastores.get(),):
            secret = factories.make_ingest_key(datastore)[1]
            assert post_json({"key": secret, "metrics": [{"metric": n, "timestamp": now, "value": 1} for n in "abc"]}).status_code == 204


class TestRules:
    @pytest.fixture
    def sum_key(self, datastore):
        return factories.make_ingest_key(datastore, rule=IngestKey.Rule.SUM)[1]

    def test_two_equal_points_of_one_second_both_count(self, post_json, sum_key, now, stored):
        minute = now - now % 60
        point = {"metric": "logins", "timestamp": minute + 7, "value": 1}
        post_json({"key": sum_key, "metrics": [point, point]})
        post_json({"key": sum_key, "metrics": [point, {**point, "timestamp": minute + 59, "value": 2}]})
        assert stored() == {"logins": [(minute, 5.0)]}

    def test_without_sum_the_last_counts(self, post_json, key, now, stored):
        point = {"key": key, "metric": "a", "timestamp": now}
        for value in (1, 2, 3, 3):
            post_json({**point, "value": value})
        assert stored() == {"a": [(now, 3.0)]}


class TestTrial:
    def test_it_says_what_would_happen_and_stores_nothing(self, post_json, key, now, org, datastore, stored):
        Org.objects.filter(pk=org.pk).update(metric_limit=1)
        rows = [{"metric": name, "timestamp": now, "value": 1} for name in "ab"] + [{"metric": "c"}]
        answer = post_json({"key": key, "test": True, "metrics": rows})
        assert (answer.status_code, answer.json()["would_store"], answer.json()["stored"]) == (200, 1, 0)
        assert answer.json()["new_series"] == ["a"]
        assert [(line["index"], line["code"]) for line in answer.json()["refused"]] == [(1, "over_quota"), (2, "timestamp_missing")]
        assert (stored(), Metric.objects.for_org(org).count(), RefusedSeries.objects.count()) == ({}, 0, 0)
        (kept,) = trials.recent(org.pk, datastore.pk)
        assert kept["would_store"] == 1

    def test_a_wrong_key_has_no_trial(self, post_json, now):
        assert post_json({"key": "x", "test": True, "metric": "a", "timestamp": now, "value": 1}).status_code == 401


@pytest.mark.django_db(transaction=True)
def test_fill_marks_history_for_detection(post_json, key, now, org):
    mark = points.read_log(0, 1, 0).mark
    post_json({"key": key, "metric": "a", "timestamp": now - 9, "value": 1, "fill": "true"})
    post_json({"key": key, "metric": "a", "timestamp": now, "value": 1})
    assert points.read_log(0, 1, mark).backfill.tolist() == [True, False]


def test_two_orgs_with_equal_names_never_see_each_other(post_json, key, now, org, stored):
    other = factories.make_org("Other")
    secret = factories.make_ingest_key(other.datastores.get())[1]
    for value, sender in ((1, key), (2, secret), (3, key)):
        assert post_json({"key": sender, "metric": "same", "timestamp": now + value, "value": value}).status_code == 204
    assert stored() == {"same": [(now + 1, 1.0), (now + 3, 3.0)]}
    assert stored(other) == {"same": [(now + 2, 2.0)]}


def test_a_deleted_series_is_made_anew(post_json, key, now, org, stored, monkeypatch):
    post_json({"key": key, "metric": "a", "timestamp": now, "value": 1})
    old = Metric.objects.get(name="a")
    old.delete()
    senders.forget()
    post_json({"key": key, "metric": "a", "timestamp": now + 1, "value": 2})
    assert Metric.objects.get(name="a").pk != old.pk
    assert stored() == {"a": [(now + 1, 2.0)]}


@pytest.mark.django_db(transaction=True)
def test_a_known_series_costs_the_log_row_alone(post_json, key, now, stored, django_assert_num_queries):
    point = {"key": key, "metric": "a", "timestamp": now, "value": 1}
    with connected_as(wall.role()):
        post_json(point)
        with django_assert_num_queries(0):  # the log's row goes past Django's cursors, the key and the name are remembered
            assert post_json(point).status_code == 204
    assert stored() == {"a": [(now, 1.0)]}
