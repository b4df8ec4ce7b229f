"""What lines of history say in words, after the name of whoever did it."""

import pytest

from anomalies.models import Notice
from anomalies.services.changesets import told
from anomalies.services.notice_words import headline

PEOPLE = [{"id": 1, "name": "Alice Lee"}]


@pytest.mark.parametrize(
    ("changeset", "words"),
    [
        ({"weight": [3, 11]}, ["changed the weight from 3 to 11"]),
        ({"ended_at": [None, "2026-05-15T17:22:08.000Z"]}, ["found it over"]),
        ({"ended_at": ["2026-05-15T17:22:08.000Z", None]}, ["found it going on again"]),
        ({"peak_value": [1.0, 2000.0]}, ["saw the peak go from 1 to 2,000"]),
        ({"assignees": [PEOPLE, PEOPLE], "status": ["Active", "Acknowledged"]}, ["acknowledged it"]),
        ({"ticket_links": [[], []]}, []),
    ],
)
def test_each_line_is_a_sentence_with_its_subject(changeset, words):
    assert [text for text, _ in told(changeset)] == words


def test_changes_that_were_taken_back_are_only_counted():
    notice = Notice(kind=Notice.Kind.WATCHED, actor="user", changes=2, changeset={"ticket_links": [[], []]})
    assert headline(notice) == "2 changes, the last by Somebody"
    notice.changeset = {"weight": [3, 11]}
    assert headline(notice) == "2 changes, the last by Somebody: changed the weight from 3 to 11"
