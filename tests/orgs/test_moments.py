"""Moments as unix milliseconds and as ISO 8601."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from orgs.moments import from_unix_ms, iso_exact, iso_millis, unix_ms

AT = datetime(2026, 5, 15, 17, 22, 8, 123000, UTC)
AT_MS = 1_778_865_728_123


@pytest.mark.parametrize(("at", "at_ms"), [(AT, AT_MS), (AT + timedelta(microseconds=600), AT_MS + 1), (None, None)])
def test_a_moment_in_milliseconds_is_rounded(at, at_ms):
    assert unix_ms(at) == at_ms


@pytest.mark.parametrize(("at_ms", "at"), [(AT_MS, AT), (0, datetime(1970, 1, 1, tzinfo=UTC)), (None, None)])
def test_milliseconds_are_a_moment_in_utc(at_ms, at):
    assert from_unix_ms(at_ms) == at


def test_text_is_in_utc_wherever_the_moment_was_told():
    there = (AT + timedelta(microseconds=999)).astimezone(timezone(timedelta(hours=5, minutes=30)))
    assert (iso_millis(there), iso_exact(there)) == ("2026-05-15T17:22:08.123Z", "2026-05-15T17:22:08.123999Z")
    assert iso_exact(AT.replace(microsecond=0)) == "2026-05-15T17:22:08Z"


@pytest.mark.parametrize("write", [iso_millis, iso_exact])
def test_a_naive_time_has_no_utc(write):
    with pytest.raises(ValueError, match="without a zone"):
        write(AT.replace(tzinfo=None))
