"""The compiled walk over remote-write bytes: equal to the plain decoder, and unmoved by garbage."""

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics.ingest import remote_write
from metrics.ingest.batch import BadRequest
from metrics.ingest.labels import Drop
from metrics.ingest.remote_write import Version, walk_body
from metrics.ingest.table import DROPPED, SeriesTable
from tests.metrics.ingest import protobuf as pb

TABLE = SeriesTable(places=1024)
SEEDS = TABLE.seeds("test")

text = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=20)
times = st.integers(-(2**63), 2**63 - 1)
samples = st.lists(st.tuples(times, st.floats(width=64)), max_size=5)
requests = st.lists(st.tuples(st.lists(st.tuples(text, text), max_size=4), samples), max_size=6)


def walked(message, version=Version.V1, *, table=TABLE, seeds=SEEDS):
    return walk_body(message, version, table=table, seeds=seeds)


def bits(values):
    return [struct.pack("<d", value) for value in values]


@given(requests, st.sampled_from(Version))
def test_samples_come_out_as_they_went_in(series, version):
    got = walked({Version.V1: pb.v1, Version.V2: pb.v2}[version](series), version)
    assert got.counts.tolist() == [len(found) for _, found in series]
    assert got.times.tolist() == [time for _, found in series for time, _ in found]
    assert bits(got.values) == bits(value for _, found in series for _, value in found)


@given(requests)
def test_equal_labels_have_equal_hashes_in_both_formats_and_others_have_not(series):
    for encode, version in ((pb.v1, Version.V1), (pb.v2, Version.V2)):
        got = walked(encode(series), version)
        hashes = list(zip(got.h1s.tolist(), got.h2s.tolist(), strict=True))
        for one, (labels, _) in enumerate(series):
            for two, (others, _) in enumerate(series):
                assert (hashes[one] == hashes[two]) is (labels == others)


def broken(message, cuts):
    """The message with bytes changed, removed or repeated."""
    out = bytearray(message)
    for place, byte, kind in cuts:
        if out:
            at = place % len(out)
            if kind == 0:
                out[at] = byte
            elif kind == 1:
                del out[at : at + byte % 9]
            else:
                out[at:at] = bytes([byte]) * (byte % 5)
    return bytes(out)


mutations = st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255), st.integers(0, 2)), max_size=6)


@given(requests, mutations)
def test_broken_messages_are_judged_as_the_plain_decoder_judges_them(series, cuts):
    message = broken(pb.v1(series), cuts)
    try:
        expected = pb.decode_v1(message)
    except pb.Malformed:
        with pytest.raises(BadRequest):
            walked(message)
        return
    got = walked(message)
    assert got.times.tolist() == [time for _, found in expected for time, _ in found]
    assert bits(got.values) == bits(value for _, found in expected for _, value in found)


@given(st.binary(max_size=400), st.sampled_from(Version))
def test_garbage_is_refused_or_empty_and_never_a_crash(message, version):
    try:
        got = walked(message, version)
    except BadRequest:
        return
    remote_write.decode_unknown(got, got.counts, Drop())
    assert got.times.size == got.values.size == int(got.counts.sum())


@given(requests, mutations)
def test_broken_messages_of_2_0_never_crash(series, cuts):
    try:
        got = walked(broken(pb.v2(series), cuts), Version.V2)
    except BadRequest:
        return
    decoded, refused = remote_write.decode_unknown(got, got.counts, Drop())
    assert len(decoded) + len(refused) == int(((got.ids == 0) & (got.counts > 0)).sum())


@pytest.mark.parametrize(
    "message",
    [
        b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",  # a length of 2^64 - 1
        b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\x7f",  # 2^63 - 1
        b"\x0a" + b"\xff" * 11,  # a number of eleven bytes
        b"\x0a\x05abc",  # longer than the message
        b"\x0b",  # a group
        b"\x0a\x02\x12\x7f",  # a sample longer than its series
        b"\x0a\x03\x12\x01\x09",  # a sample cut within its value
    ],
)
def test_lying_lengths_are_malformed(message):
    with pytest.raises(BadRequest) as caught:
        walked(message)
    assert caught.value.status == 400


def test_a_dense_message_is_walked_again_with_more_room():
    message = pb.delimited(1, pb.delimited(2, b"") * 1000)
    got = walked(message)
    assert (got.times.tolist(), got.values.tolist()) == ([0] * 1000, [0.0] * 1000)


def test_too_many_samples_are_413(monkeypatch):
    monkeypatch.setattr(remote_write, "SAMPLE_LIMIT", 100)
    with pytest.raises(BadRequest) as caught:
        walked(pb.delimited(1, pb.delimited(2, b"") * 1000))
    assert caught.value.status == 413


@pytest.mark.parametrize(("samples", "fits"), [(100, True), (101, False)])
def test_samples_of_ordinary_density_are_counted_too(monkeypatch, samples, fits):
    monkeypatch.setattr(remote_write, "SAMPLE_LIMIT", 100)
    message = pb.v1([([("__name__", "a")], [(1_000_000 + k, float(k)) for k in range(samples)])])
    if fits:
        assert walked(message).times.size == samples
    else:
        with pytest.raises(BadRequest, match="At most 100"):
            walked(message)


def series_named(*names):
    return [([("__name__", name)], [(1, 1.0)]) for name in names]


def test_a_known_series_is_found_by_its_labels_alone():
    table = SeriesTable(places=1024)
    seeds = table.seeds(1)
    first = walked(pb.v1(series_named("a", "b")), table=table, seeds=seeds)
    assert first.ids.tolist() == [0, 0]
    table.put(first.h1s, first.h2s, np.array([7, DROPPED]))
    assert walked(pb.v1(series_named("b", "c", "a")), table=table, seeds=seeds).ids.tolist() == [DROPPED, 0, 7]


def test_another_datastore_or_epoch_knows_nothing_of_it():
    table = SeriesTable(places=1024)
    first = walked(pb.v1(series_named("a")), table=table, seeds=table.seeds(1, 0))
    table.put(first.h1s, first.h2s, np.array([7]))
    assert walked(pb.v1(series_named("a")), table=table, seeds=table.seeds(2, 0)).ids.tolist() == [0]
    assert walked(pb.v1(series_named("a")), table=table, seeds=table.seeds(1, 1)).ids.tolist() == [0]


def test_the_table_stays_within_its_size_and_goes_on_working():
    table = SeriesTable(places=64)
    seeds = table.seeds(1)
    for start in range(0, 1000, 10):
        names = [f"m{number}" for number in range(start, start + 10)]
        first = walked(pb.v1(series_named(*names)), table=table, seeds=seeds)
        table.put(first.h1s, first.h2s, np.arange(start, start + 10) + 1)
        again = walked(pb.v1(series_named(*names)), table=table, seeds=seeds).ids.tolist()
        assert set(again) <= {0, *range(start + 1, start + 11)}
        assert again[-1] == start + 10
    assert table.arrays()[2].size == 64
