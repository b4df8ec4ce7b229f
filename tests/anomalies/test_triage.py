"""What people may do with an anomaly, in which state, and what stays of it."""

import threading
from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import DatabaseError, connection, transaction

from anomalies.models import Anomaly, Change, FailedCheck
from anomalies.services import Edit, archive_anomaly, change_anomaly, close_anomaly, comment_on, edit_anomaly, mark_seen
from orgs.errors import Archived, Invalid, StaleState, StaleVersion
from tests import factories


@pytest.fixture
def anomaly(datastore) -> Anomaly:
    return factories.make_anomaly(factories.make_metric(datastore))


def row(anomaly: Anomaly) -> dict[str, object]:
    return Anomaly.objects.values().get(pk=anomaly.pk)


def test_acknowledging_changes_status_and_version_and_tells_who(anomaly, author, org):
    version = anomaly.updated
    changed = change_anomaly(anomaly, user=author, status="Acknowledged")
    stored = Anomaly.objects.get()
    assert (stored.status, stored.is_new, changed.status) == ("Acknowledged", False, "Acknowledged")
    assert stored.updated == changed.updated > version
    line = Change.objects.get()
    assert (line.user, line.actor, line.org, line.timestamp) == (author, "user", org, stored.updated)
    assert line.changeset == {"status": ["Active", "Acknowledged"]}


def test_status_and_description_in_one_call_are_one_line(anomaly, author):
    change_anomaly(anomaly, user=author, status="Acknowledged", description="The nightly backup.")
    assert Change.objects.get().changeset == {"status": ["Active", "Acknowledged"], "description": ["", "The nightly backup."]}


def test_what_does_not_change_anything_writes_nothing(anomaly, author):
    before = row(anomaly)
    change_anomaly(anomaly, user=author, status="Active", description="")
    change_anomaly(anomaly, user=author)
    assert row(anomaly) == before
    assert Change.objects.count() == 0


@pytest.mark.parametrize("status", ["Resolved", "Duplicate", "active", "", "Gone"])
def test_only_the_open_statuses_can_be_set(anomaly, author, status):
    before = row(anomaly)
    with pytest.raises(Invalid) as refused:
        change_anomaly(anomaly, user=author, status=status)
    assert [error.loc for error in refused.value.errors] == [("body", "status")]
    assert row(anomaly) == before


@pytest.mark.parametrize("description", ["x" * 10_001, "nul\0"])
def test_descriptions_have_their_limits(anomaly, author, description):
    with pytest.raises(Invalid) as refused:
        change_anomaly(anomaly, user=author, description=description)
    assert [error.loc for error in refused.value.errors] == [("body", "description")]


@pytest.mark.parametrize("reason", ["Resolved", "Duplicate", "Invalid", "Discarded"])
@pytest.mark.parametrize("sent", ["Acknowledged", "Active"])
def test_an_archived_anomaly_is_restored_to_acknowledged(anomaly, author, reason, sent):
    archive_anomaly(anomaly, user=author, status=reason)
    assert Anomaly.objects.get().is_archived
    change_anomaly(anomaly, user=author, status=sent)
    assert Anomaly.objects.get().status == "Acknowledged"
    assert Change.objects.order_by("-pk").first().changeset == {"status": [reason, "Acknowledged"]}


def test_an_archived_anomaly_refuses_other_changes(anomaly, author):
    archive_anomaly(anomaly, user=author, status="Invalid")
    before = row(anomaly)
    with pytest.raises(Archived):
        change_anomaly(anomaly, user=author, description="late")
    assert row(anomaly) == before
    change_anomaly(anomaly, user=author, status="Active", description="back")
    assert (row(anomaly)["status"], row(anomaly)["description"]) == ("Acknowledged", "back")


def test_archiving_needs_a_reason_and_can_be_classified_anew(anomaly, author):
    with pytest.raises(Invalid):
        archive_anomaly(anomaly, user=author, status="Acknowledged")
    close_anomaly(anomaly, user=author)
    archive_anomaly(anomaly, user=author, status="Duplicate")
    assert [line.changeset["status"] for line in Change.objects.order_by("pk")] == [["Active", "Resolved"], ["Resolved", "Duplicate"]]


def test_the_second_of_two_who_change_the_same_thing_is_told(anomaly, author, editor):
    mine, theirs = Anomaly.objects.get(), Anomaly.objects.get()
    archive_anomaly(mine, user=author, status="Invalid")
    with pytest.raises(StaleState):
        change_anomaly(theirs, user=editor, status="Acknowledged")
    assert row(anomaly)["status"] == "Invalid"
    assert Change.objects.count() == 1


def test_what_was_archived_in_the_meantime_is_not_described(anomaly, author, editor):
    mine, theirs = Anomaly.objects.get(), Anomaly.objects.get()
    archive_anomaly(mine, user=author, status="Invalid")
    with pytest.raises(StaleState):
        change_anomaly(theirs, user=editor, description="late")
    assert (row(anomaly)["status"], row(anomaly)["description"], Change.objects.count()) == ("Invalid", "", 1)


def test_a_version_that_is_not_the_newest_changes_nothing(anomaly, author):
    old = Anomaly.objects.get().updated
    change = Edit(anomaly_id=anomaly.pk, status="Acknowledged", seen={"updated": old})
    edit_anomaly(anomaly, Edit(anomaly_id=anomaly.pk, description="first", seen={"updated": old}), user=author)
    with pytest.raises(StaleVersion):
        edit_anomaly(anomaly, change, user=author)
    assert (row(anomaly)["status"], row(anomaly)["description"]) == ("Active", "first")
    edit_anomaly(anomaly, replace(change, seen={"updated": Anomaly.objects.get().updated}), user=author)
    assert row(anomaly)["status"] == "Acknowledged"


def test_mentions_without_a_comment_are_refused_and_nothing_changes(anomaly, author, viewer):
    with pytest.raises(Invalid) as refused:
        edit_anomaly(anomaly, Edit(anomaly_id=anomaly.pk, status="Resolved", mentioned=(viewer.pk,)), user=author)
    assert [(error.loc, error.msg) for error in refused.value.errors] == [(("body", "mentioned_user_ids"), "Mentions go with a comment.")]
    assert (row(anomaly)["status"], Change.objects.count()) == ("Active", 0)


def test_a_deleted_anomaly_cannot_be_changed(anomaly, author):
    Anomaly.objects.update(deleted=anomaly.created + timedelta(days=1))
    with pytest.raises(StaleState):
        change_anomaly(anomaly, user=author, status="Acknowledged")


def test_looking_at_it_changes_neither_version_nor_history(anomaly):
    before = row(anomaly)
    mark_seen(anomaly)
    assert row(anomaly) == before | {"is_new": False}
    assert Change.objects.count() == 0


@pytest.mark.django_db(transaction=True)
def test_of_many_at_once_exactly_one_wins(anomaly, author):
    loaded = [Anomaly.objects.get() for _ in range(8)]
    outcomes: list[str] = []

    def acknowledge(mine: Anomaly) -> None:
        try:
            change_anomaly(mine, user=author, status="Acknowledged")
            outcomes.append("won")
        except StaleState:
            outcomes.append("lost")
        finally:
            connection.close()

    threads = [threading.Thread(target=acknowledge, args=(mine,)) for mine in loaded]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["lost"] * 7 + ["won"]
    assert Change.objects.count() == 1


@pytest.fixture
def line(anomaly, author) -> Change:
    change_anomaly(anomaly, user=author, status="Acknowledged")
    return Change.objects.get()


@pytest.mark.parametrize("fields", [{"changeset": {}}, {"actor": "nobody"}, {"user": None, "actor": "nobody"}])
def test_history_cannot_be_altered(line, fields):
    with pytest.raises(DatabaseError, match="never altered or deleted"), transaction.atomic():
        Change.objects.update(**fields)
    assert Change.objects.get().changeset == {"status": ["Active", "Acknowledged"]}


def test_history_cannot_be_deleted(line):
    with pytest.raises(DatabaseError, match="never altered or deleted"), transaction.atomic():
        Change.objects.all().delete()
    with pytest.raises(DatabaseError, match="never altered or deleted"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("DELETE FROM anomalies_change")
    assert Change.objects.count() == 1


def test_history_is_not_emptied_but_with_all_anomalies(line):
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        with pytest.raises(DatabaseError, match="never altered or deleted"), transaction.atomic():
            cursor.execute("TRUNCATE anomalies_change")
        assert Change.objects.count() == 1
        cursor.execute("TRUNCATE anomalies_anomaly CASCADE")
    assert Change.objects.count() == 0


def test_a_person_who_is_erased_leaves_what_they_did_without_their_name(line, author):
    author.delete()
    assert Change.objects.values_list("user", "actor").get() == (None, "user")


def test_history_goes_with_its_org(line, org, anomaly):
    org.delete()
    assert Change.objects.count() == 0


def test_history_goes_with_its_series(line, anomaly):
    anomaly.metric.delete()
    assert (Anomaly.objects.count(), Change.objects.count()) == (0, 0)


def test_nothing_but_its_history_hangs_on_a_tombstone(anomaly, author):
    """Every table with a column that holds the anomaly, as the database knows them."""
    factories.put_tag(anomaly)
    factories.assign(anomaly, author)
    factories.make_notice(anomaly, author)
    comment_on(anomaly, user=author, message="Look.")
    FailedCheck.objects.create(org_id=anomaly.org_id, anomaly=anomaly, rule_type="notNull", message="x")
    archive_anomaly(anomaly, user=author, status="Resolved")
    assert {"anomalies_anomaly_global_tags", "anomalies_anomaly_assignees", "anomalies_notice", "anomalies_comment"} < holders(anomaly)
    edit_anomaly(anomaly, Edit(anomaly_id=anomaly.pk, remove=True), user=author)
    assert holders(anomaly) == {"anomalies_change"}


def holders(anomaly) -> set[str]:
    """The tables with a foreign key that holds this anomaly."""
    named = """SELECT conrelid::regclass::text, attname FROM pg_constraint JOIN pg_attribute ON attrelid = conrelid AND attnum = conkey[1]
                WHERE contype = 'f' AND confrelid = 'anomalies_anomaly'::regclass AND cardinality(conkey) = 1"""
    with connection.cursor() as cursor:
        cursor.execute(named)
        columns = [*cursor.fetchall(), ("anomalies_change", "anomaly_id")]
        found = set()
        for table, column in columns:
            cursor.execute(f"SELECT 1 FROM {table} WHERE {column} = %s LIMIT 1", [anomaly.pk])  # noqa: S608 - names of our tables
            if cursor.fetchone():
                found.add(table)
    return found
