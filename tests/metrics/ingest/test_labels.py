"""Labels and the one name that a set of labels has."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics.ingest.labels import Drop, canonical_name, labels_v1, labels_v2, series_of
from metrics.ingest.scalars import Unusable
from tests.metrics.ingest import protobuf as pb


@pytest.mark.parametrize(
    ("metric", "labels", "name"),
    [
        ("up", {}, "up"),
        ("up", {"a": "b"}, 'up{a="b"}'),
        ("up", {"a": "b", "c": 'say "hi"\\\n'}, 'up{a="b",c="say \\"hi\\"\\\\\\n"}'),
        ("http.requests", {"le": "+Inf"}, 'http.requests{le="+Inf"}'),
        ("two words", {"a": "b"}, '{"two words",a="b"}'),
        ('up{a="b"}', {}, '{"up{a=\\"b\\"}"}'),
        ("up", {"a.b": "c"}, 'up{"a.b"="c"}'),
    ],
)
def test_names_are_written_as_prometheus_writes_them(metric, labels, name):
    assert canonical_name(metric, labels) == name


pairs = st.lists(st.tuples(st.text(min_size=1, max_size=6), st.text(min_size=1, max_size=6)), max_size=4, unique_by=lambda pair: pair[0])


@given(st.tuples(st.text(min_size=1, max_size=8), pairs), st.tuples(st.text(min_size=1, max_size=8), pairs))
def test_two_sets_of_labels_never_share_a_name(one, two):
    names = [canonical_name(metric, dict(sorted(labels))) for metric, labels in (one, two)]
    assert (names[0] == names[1]) is ((one[0], sorted(one[1])) == (two[0], sorted(two[1])))


def test_order_and_empty_values_make_no_difference():
    one = series_of([("__name__", "up"), ("b", "2"), ("a", "1")], Drop())
    two = series_of([("a", "1"), ("b", "2"), ("c", ""), ("__name__", "up")], Drop())
    assert one == two
    assert (one.name, one.labels) == ('up{a="1",b="2"}', {"__name__": "up", "a": "1", "b": "2"})


def test_dropped_labels_and_metrics_are_left_out():
    assert series_of([("__name__", "up"), ("pod", "x")], Drop(labels=frozenset({"pod"}))).name == "up"
    assert series_of([("__name__", "up")], Drop(metrics=frozenset({"up"}))) is None


@pytest.mark.parametrize(
    ("labels", "code"),
    [
        ([("a", "1")], "name_missing"),
        ([("__name__", ""), ("a", "1")], "name_missing"),
        ([("__name__", "up"), ("a", "1"), ("a", "2")], "labels_invalid"),
        ([("__name__", "up"), ("", "1")], "labels_invalid"),
        ([("__name__", "x" * 4097)], "name_too_long"),
        ([("__name__", "up"), ("a", "\x00")], "name_invalid"),
    ],
)
def test_unusable_labels_say_why(labels, code):
    with pytest.raises(Unusable) as caught:
        series_of(labels, Drop())
    assert caught.value.code == code


def test_labels_of_both_formats_are_read_alike():
    labels = [("__name__", "up"), ("job", "näme")]
    message = b"".join(pb.delimited(1, pb.label(*pair)) for pair in labels)
    assert labels_v1(message) == labels
    symbols = [b"", b"__name__", b"up", b"job", "näme".encode()]
    assert labels_v2(pb.delimited(1, b"\x01\x02\x03\x04"), symbols) == labels
    assert labels_v2(b"\x08\x01\x08\x02\x0a\x02\x03\x04", symbols) == labels


@pytest.mark.parametrize("message", [pb.delimited(1, b"\x01"), pb.delimited(1, b"\x01\x05"), pb.delimited(1, b"\x80")])
def test_bad_references_are_refused(message):
    with pytest.raises(Unusable):
        labels_v2(message, [b"", b"a"])


@given(st.binary(max_size=80))
def test_garbage_is_refused_and_never_a_crash(message):
    for read in (labels_v1, lambda data: labels_v2(data, [b"", b"\xff"])):
        try:
            found = read(message)
        except Unusable:
            continue
        assert all(isinstance(text, str) for pair in found for text in pair)
