"""The Flux parser: what it reads, what it refuses, and that nothing makes it crash."""

import math

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics.ingest.batch import BadRequest
from metrics.ingest.flux import Message, parse_body, parse_fields, parse_points

NOW_MS = 1_790_000_000_000
NOW = NOW_MS // 1000


def points_of(*points):
    return parse_points(Message("k", validate_key=False, is_test=False, is_fill=False, points=list(points)), now_ms=NOW_MS)


def refusal_of(**point):
    (refusal,) = points_of(point).refused
    return refusal.code


def test_one_point_and_many_are_read():
    one = parse_body(orjson.dumps({"key": "k", "metric": "a", "timestamp": NOW, "value": 1}))
    assert (one.key, one.validate_key, one.is_test, one.is_fill) == ("k", False, False, False)
    many = parse_body(orjson.dumps({"key": "k", "metrics": [{"metric": "a", "timestamp": NOW, "value": 1}] * 3, "fill": "true"}))
    assert (len(many.points), many.is_fill) == (3, True)


def test_points_keep_their_order_and_share_their_series():
    batch = points_of(*({"metric": name, "timestamp": NOW, "value": k} for k, name in enumerate("abca")))
    assert [one.name for one in batch.series] == ["a", "b", "c"]
    assert batch.index.tolist() == [0, 1, 2, 0]
    assert batch.values.tolist() == [0, 1, 2, 3]
    assert batch.places.tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(
    "timestamp", [NOW, str(NOW), float(NOW), f"{NOW}.0", NOW_MS, str(NOW_MS), "2026-09-21T14:13:20Z", "2026-09-21T16:13:20+02:00"]
)
def test_times_are_read_in_every_usual_form(timestamp):
    assert points_of({"metric": "a", "timestamp": timestamp, "value": 1}).timestamps_ms.tolist() == [NOW_MS]


def test_fractions_of_seconds_are_milliseconds():
    assert points_of({"metric": "a", "timestamp": NOW + 0.25, "value": 1}).timestamps_ms.tolist() == [NOW_MS + 250]


@pytest.mark.parametrize("value", [1.5, "1.5", " 1.5 ", "15e-1"])
def test_values_are_read_as_numbers_or_text(value):
    assert points_of({"metric": "a", "timestamp": NOW, "value": value}).values.tolist() == [1.5]


@pytest.mark.parametrize("value", [None, "", " ", True, [], {}])
def test_a_value_that_is_no_number_is_missing(value):
    assert refusal_of(metric="a", timestamp=NOW, value=value) == "value_missing"


@pytest.mark.parametrize("value", ["x", "nan", "inf", "1e999", 10**400, "1_000", "\u0661\u0662"])
def test_a_value_that_is_not_finite_is_invalid(value):
    assert refusal_of(metric="a", timestamp=NOW, value=value) == "value_invalid"


@pytest.mark.parametrize("timestamp", [0, 946_684_799, NOW + 86_401, -1, 10**18])
def test_times_that_cannot_be_are_refused(timestamp):
    assert refusal_of(metric="a", timestamp=timestamp, value=1) == "timestamp_out_of_range"


@pytest.mark.parametrize("timestamp", [946_684_800, NOW + 86_400])
def test_the_first_and_the_last_possible_time_are_taken(timestamp):
    assert points_of({"metric": "a", "timestamp": timestamp, "value": 1}).refused == []


@pytest.mark.parametrize(
    ("timestamp", "code"),
    [
        (None, "timestamp_missing"),
        ("x", "timestamp_invalid"),
        ("1_790_000_000", "timestamp_invalid"),
        ("2026-09-21 14:13", "timestamp_invalid"),
    ],
)
def test_times_that_are_none_are_refused(timestamp, code):
    assert refusal_of(metric="a", timestamp=timestamp, value=1) == code


@pytest.mark.parametrize("name", [None, "", "  ", 7])
def test_a_point_without_a_name_is_refused(name):
    assert refusal_of(metric=name, timestamp=NOW, value=1) == "name_missing"


def test_names_that_cannot_be_kept_are_refused():
    assert refusal_of(metric="x" * 4097, timestamp=NOW, value=1) == "name_too_long"
    assert refusal_of(metric="a\x00b", timestamp=NOW, value=1) == "name_invalid"
    assert points_of({"metric": "x" * 4096, "timestamp": NOW, "value": 1}).refused == []


def test_a_bad_point_costs_no_good_one():
    batch = points_of({"metric": "a", "timestamp": NOW, "value": 1}, "x", {"metric": "b"}, {"metric": "c", "timestamp": NOW, "value": 2})
    assert batch.values.tolist() == [1, 2]
    assert [(refusal.index, refusal.metric, refusal.code) for refusal in batch.refused] == [
        (1, "", "point_invalid"),
        (2, "b", "timestamp_missing"),
    ]


@pytest.mark.parametrize(
    "body",
    [
        b"key=k&metric=a&timestamp=1&value=2",
        b'{"key": "k", "metric": "a", "timestamp": 1, "value": 2}',
        b"payload=%7B%22key%22%3A%22k%22%2C%22metric%22%3A%22a%22%7D",
        b"%7B%22key%22%3A%22k%22%2C%22metric%22%3A%22a%22%7D",
    ],
)
def test_forms_are_read_too(body):
    assert (parse_body(body).key, parse_body(body).points[0]["metric"]) == ("k", "a")


def test_a_form_may_carry_a_list():
    assert len(parse_body(b"key=k&metrics=%5B%7B%22metric%22%3A%22a%22%7D%5D").points) == 1


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"1", b"nothing", b"\xff\xfe", b'{"metrics": 1}', b"a" * 1000, b"[" * 100_000, b"key=k&metrics=x"]
)
def test_what_is_no_message_is_400(body):
    with pytest.raises(BadRequest) as caught:
        parse_body(body)
    assert caught.value.status == 400


def test_flags_are_read_in_every_usual_form():
    assert all(parse_fields({"validate_key": flag}).validate_key for flag in (True, "true", "True", 1, "1", "yes", "on"))
    assert not any(parse_fields({"validate_key": flag}).validate_key for flag in (False, "no", "", None, 0, 2, []))


NAMES = st.sampled_from(["metric", "timestamp", "value", "key", "metrics", "test", "x"])
json_like = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@given(st.dictionaries(NAMES, json_like))
def test_any_object_is_read_or_refused_point_by_point(document):
    try:
        message = parse_fields(document)
    except BadRequest:
        return
    batch = parse_points(message, now_ms=NOW_MS)
    assert batch.values.size + len(batch.refused) == len(message.points)
    assert all(math.isfinite(value) for value in batch.values)


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(body):
    try:
        message = parse_body(body)
    except BadRequest:
        return
    parse_points(message, now_ms=NOW_MS)
