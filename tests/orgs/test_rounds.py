"""What comes round again for many: one that fails does not keep the others from their turn."""

import pytest
from celery.exceptions import SoftTimeLimitExceeded

from orgs.rounds import one_by_one


def test_those_after_a_failure_have_their_turn(caplog):
    assert one_by_one([1, 0, 4], lambda number: 8 // number) == [8, 2]
    (record,) = caplog.records
    assert record.getMessage().endswith("failed for 0")
    assert record.exc_info[0] is ZeroDivisionError


def test_the_end_of_the_time_ends_the_round():
    seen = []

    def until_late(number):
        seen.append(number)
        raise SoftTimeLimitExceeded

    with pytest.raises(SoftTimeLimitExceeded):
        one_by_one([1, 2], until_late)
    assert seen == [1]
