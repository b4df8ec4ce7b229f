"""Fingerprints: one number per problem, the same in every process, on every machine, from every engine."""

import os
import subprocess
import sys
import uuid
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anomalies.services.fingerprints import canonical, metric_fingerprint, record_fingerprint, shape_fingerprint

NAIVE = datetime.fromisoformat("2026-03-01T00:00:00")
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.decimals() | st.text() | st.binary() | st.dates() | st.times()
    | st.datetimes() | st.datetimes(timezones=st.just(UTC)) | st.uuids(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)  # fmt: skip


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (5, 5.0), (5, Decimal("5.00")), (0.1, Decimal("0.1")), (0, -0.0), (0, Decimal("0E+3")), (100, Decimal("1E+2")), (1e300, 10**300),
        (-2.50, Decimal("-2.5")), (Decimal("NaN"), float("nan")), (float("inf"), Decimal("Infinity")),
        (datetime(2026, 3, 1, 12, tzinfo=UTC), datetime(2026, 3, 1, 14, tzinfo=timezone(timedelta(hours=2)))),
        (b"ab", bytearray(b"ab")), (b"ab", memoryview(b"ab")), ([1, "a"], (1.0, "a")), ({"a": 1, "b": 2}, {"b": 2.0, "a": 1}),
    ],
)  # fmt: skip
def test_what_is_equal_is_written_alike(one, other):
    assert canonical(one) == canonical(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (None, ""), (None, 0), (0, False), (1, True), ("5", 5), ("", b""), ("a", b"a"), (date(2026, 3, 1), NAIVE),
        (time(12), "12:00:00"), (NAIVE, NAIVE.replace(tzinfo=UTC)), ([], None), ([1, 2], [12]), (["a", "b"], ["ab"]),
        ([["a"], "b"], ["a", ["b"]]), (10, 100), (0.1, 0.1000000001), (Decimal("1.0000000000000000000000000000001"), 1),
        (uuid.UUID(int=1), uuid.UUID(int=2)), ("\ud800", "?"),
    ],
)  # fmt: skip
def test_what_differs_is_written_differently(one, other):
    assert canonical(one) != canonical(other)


@given(st.lists(VALUES, max_size=4), st.lists(VALUES, max_size=4))
def test_two_rows_are_written_alike_only_if_their_values_are(one, other):
    alike = len(one) == len(other) and all(canonical(left) == canonical(right) for left, right in zip(one, other, strict=True))
    assert (b"".join(map(canonical, one)) == b"".join(map(canonical, other))) is alike


@given(VALUES, st.integers(1, 10**9), st.frozensets(st.integers(1, 10**9), min_size=1))
def test_a_fingerprint_is_exact_in_every_reader_of_json(value, container, checks):
    found = record_fingerprint(container, key=canonical(value), check_ids=checks)
    assert 0 <= found < 2**53
    assert int(float(found)) == found
    assert 0 <= shape_fingerprint(container, check_ids=checks, high_water=value) < 2**53


def test_a_problem_is_its_row_and_the_set_of_its_checks():
    key = canonical("order 7")
    same = record_fingerprint(3, key=key, check_ids=[1, 12])
    assert record_fingerprint(3, key=key, check_ids=(12, 1)) == same
    others = {
        record_fingerprint(4, key=key, check_ids=[1, 12]), record_fingerprint(3, key=key, check_ids=[11, 2]),
        record_fingerprint(3, key=key, check_ids=[1]), record_fingerprint(3, key=canonical("order 8"), check_ids=[1, 12]),
        shape_fingerprint(3, check_ids=[1, 12]), metric_fingerprint(3, direction="up"),
    }  # fmt: skip
    assert len(others - {same}) == 6


def test_a_shape_is_known_by_its_checks_and_the_mark():
    plain = shape_fingerprint(3, check_ids=[1])
    march = shape_fingerprint(3, check_ids=[1], high_water=datetime(2026, 3, 1, tzinfo=UTC))
    assert len({plain, march, shape_fingerprint(3, check_ids=[1], high_water=datetime(2026, 4, 1, tzinfo=UTC))}) == 3
    assert shape_fingerprint(3, check_ids=[1]) == plain


# Stored beside anomalies for as long as they live: another number would part them from their problem.
KNOWN = {
    "record_fingerprint(7, key=canonical('a') + canonical(5), check_ids=[2, 1])": 5598994234672457,
    "shape_fingerprint(7, check_ids=[1])": 8138643149846737,
}


@pytest.mark.parametrize("call", KNOWN)
def test_it_is_the_same_in_another_process(call):
    code = f"from anomalies.services.fingerprints import *; from anomalies.services.fingerprints import canonical; print({call})"
    setup = "import os, django; os.environ['DJANGO_SETTINGS_MODULE'] = 'config.settings'; django.setup(); "
    said = subprocess.run(
        [sys.executable, "-c", setup + code], env=os.environ | {"PYTHONHASHSEED": "7"}, capture_output=True, text=True, check=True
    )
    assert int(said.stdout) == KNOWN[call] == eval(call)
