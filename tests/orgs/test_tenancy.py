"""The second wall: with every filter of the product away, an org sees, changes and makes its own rows and no other's."""

import pytest
from django.db import ProgrammingError, connection, transaction

from orgs import tenancy, wall
from orgs.models import Org
from orgs.tenancy import Reason, across, within
from orgs.wall.building import build, policies_of, rules_of, tables_of
from tests.acting import as_application
from tests.orgs.rows import fill


@pytest.fixture
def pairs(org, other_org):
    return fill((org.pk, other_org.pk))


@pytest.fixture
def application(db):
    """What follows in the test is done by the product's role; rows are made before."""
    with as_application():
        yield


def places(table: str) -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT tableoid::text || ctid::text FROM {table}")
        return {place for (place,) in cursor.fetchall()}


def refused(statement: str) -> bool:
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement)
    except ProgrammingError as error:
        return "row-level security" in str(error) or "permission denied" in str(error)
    return False


def test_every_table_is_behind_the_wall_or_says_why_not(db):
    """A table with `org_id`, or with a foreign key to such a table, is behind it by itself. Another is listed in orgs/wall/__init__.py."""
    with connection.cursor() as cursor:
        tables = tables_of(cursor)
    rules = rules_of(tables)
    listed = {*wall.EXEMPT, *wall.SHARED}
    unlisted = [table.name for table in tables if rules.get(table.name) is None and table.name not in listed]
    assert unlisted == []
    assert [table.name for table in tables if table.name in wall.EXEMPT and "org_id" in table.columns] == []
    assert [table.name for table in tables if table.is_walled == (table.name in wall.EXEMPT)] == []
    assert [table.name for table in tables if set(table.policies) != set(policies_of(table.name, rules.get(table.name)))] == []


def test_what_is_listed_exists(db):
    with connection.cursor() as cursor:
        columns = {table.name: table.columns for table in tables_of(cursor)}
    listed = {*wall.EXEMPT, *wall.SHARED, *wall.APPEND_ONLY, *wall.READ_ONLY, *(opening.table for opening in wall.OPENINGS)}
    assert listed - set(columns) == set()
    assert [table for table, found_by in wall.FOUND_BY.items() if not set(found_by) <= columns[table]] == []
    assert [(table, name) for table, found_by in wall.FOUND_BY.items() for name in found_by if not is_unique(table, name)] == []


def test_an_org_sees_its_own_rows_without_any_filter(pairs, org, other_org, application):
    for pair in pairs:
        with within(org.pk):
            mine = places(pair.table)
        with within(other_org.pk):
            theirs = places(pair.table)
        assert (pair.mine in mine, pair.theirs in mine) == (True, False), pair.table
        assert (pair.mine in theirs, pair.theirs in theirs) == (False, True), pair.table


def test_nobody_sees_nothing(pairs, application):
    assert {pair.table: len(places(pair.table)) for pair in pairs} == dict.fromkeys((pair.table for pair in pairs), 0)


def test_a_row_cannot_be_given_to_another_org(pairs, org, other_org, application):
    with within(org.pk):
        for pair in pairs:
            column = "id" if pair.table == "orgs_org" else "org_id"
            if "org_id" in columns_of(pair.table) or pair.table == "orgs_org":
                assert refused(f"UPDATE {pair.table} SET {column} = {other_org.pk}"), pair.table


def test_a_row_of_another_org_cannot_be_made(pairs, org, other_org, application):
    for pair in pairs:
        names = [name for name in columns_of(pair.table) if name != "id"]
        if "org_id" not in names:
            continue
        values = ", ".join(str(other_org.pk) if name == "org_id" else f'"{name}"' for name in names)
        listed = ", ".join(f'"{name}"' for name in names)
        with within(org.pk):
            assert refused(f"INSERT INTO {pair.table} ({listed}) SELECT {values} FROM {pair.table}"), pair.table


def test_the_rows_of_another_org_are_neither_changed_nor_deleted(pairs, org, other_org, application):
    for pair in pairs:
        if pair.table in {*wall.APPEND_ONLY, *wall.READ_ONLY}:
            continue
        column = sorted(columns_of(pair.table))[0]
        with within(org.pk), connection.cursor() as cursor, undone():
            cursor.execute(f'UPDATE {pair.table} SET "{column}" = "{column}" WHERE tableoid::text || ctid::text = %s', [pair.theirs])
            changed = cursor.rowcount
            cursor.execute(f"DELETE FROM {pair.table} WHERE tableoid::text || ctid::text = %s", [pair.theirs])
            assert (changed, cursor.rowcount) == (0, 0), pair.table


def test_what_is_only_written_once_is_neither_altered_nor_deleted(pairs, org, application):
    for table, emptied in wall.APPEND_ONLY.items():
        with within(org.pk):
            assert all(refused(f'UPDATE {table} SET "{name}" = "{name}"') for name in columns_of(table) if name not in emptied), table
            assert refused(f"DELETE FROM {table}")


def test_no_partition_is_read_past_its_parent(pairs, org, application):
    with connection.cursor() as cursor:
        cursor.execute("SELECT relname FROM pg_class WHERE relispartition AND relkind IN ('r', 'p')")
        partitions = [name for (name,) in cursor.fetchall()]
    assert len(partitions) > 20
    with within(org.pk):
        assert [name for name in partitions if not refused(f"SELECT FROM {name}")] == []


@pytest.mark.parametrize("reason", list(Reason))
def test_a_reason_opens_what_is_listed_and_nothing_else(pairs, application, reason):
    listed = {opening.table: opening for opening in wall.OPENINGS if opening.reason == reason}
    for pair in pairs:
        with across(reason):
            seen = places(pair.table)
        # What is opened for its age is seen whole, too: the rows are of the year 2000.
        opened = pair.table in listed and (reason == Reason.AGE or listed[pair.table].where == "true")
        whole = reason == Reason.OPERATORS or opened
        assert ({pair.mine, pair.theirs} <= seen) == whole, pair.table
        assert bool(seen) == whole, pair.table


@pytest.mark.parametrize("reason", [reason for reason in Reason if reason != Reason.OPERATORS])
def test_a_reason_writes_only_where_it_may(pairs, application, reason):
    writing = {opening.table for opening in wall.OPENINGS if opening.reason == reason and "UPDATE" in opening.commands}
    for pair in pairs:
        column = sorted(columns_of(pair.table))[0]
        if pair.table in {*wall.APPEND_ONLY, *wall.READ_ONLY, *writing}:
            continue
        with across(reason), connection.cursor() as cursor:
            cursor.execute(f'UPDATE {pair.table} SET "{column}" = "{column}"')
            assert cursor.rowcount == 0, pair.table


def test_demo_orgs_are_shown_to_visitors_alone(org, other_org, application):
    with within(other_org.pk):
        Org.objects.update(is_demo=True)
    with across(Reason.VISITORS):
        assert list(Org.objects.values_list("pk", flat=True)) == [other_org.pk]


def test_whose_a_secret_is_can_be_asked_by_anybody_and_nothing_else(org, viewer, other_org, outsider, application):
    from accounts.models import User

    assert tenancy.org_of(User, email=viewer.email) == org.pk
    assert tenancy.org_of(User, id=outsider.pk) == other_org.pk
    assert tenancy.org_of(User, email="nobody@example.com") is None
    assert User.objects.count() == 0


def test_only_the_product_may_ask_whose_a_secret_is(db):
    with connection.cursor() as cursor:
        cursor.execute("CREATE ROLE passer_by; SET LOCAL ROLE passer_by")
        assert refused("SELECT org_of_accounts_user_by_email('a@b.example')")


def test_the_wall_is_built_once(db, django_assert_num_queries):
    """What stands is compared and left alone: a migration of one table locks no other."""
    from django.test.utils import CaptureQueriesContext

    with CaptureQueriesContext(connection) as captured:
        build(connection)
    done = " ".join(query["sql"] for query in captured.captured_queries)
    assert [word for word in ("CREATE", "ALTER", "DROP", "REVOKE") if word in done] == []


def test_a_new_table_gets_its_wall_by_itself(org, other_org):
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE orgs_later (id bigint PRIMARY KEY, org_id bigint)")
        cursor.execute("CREATE TABLE orgs_later_parts (id bigint PRIMARY KEY, later_id bigint REFERENCES orgs_later)")
        cursor.execute("INSERT INTO orgs_later VALUES (1, %s), (2, %s)", [org.pk, other_org.pk])
        cursor.execute("INSERT INTO orgs_later_parts VALUES (1, 1), (2, 2)")
        build(connection)
        with as_application(), within(org.pk):
            cursor.execute("SELECT (SELECT array_agg(id) FROM orgs_later), (SELECT array_agg(id) FROM orgs_later_parts)")
            assert cursor.fetchone() == ([1], [1])


def is_unique(table: str, column: str) -> bool:
    with connection.cursor() as cursor:
        statement = "SELECT bool_or(indisunique) FROM pg_index WHERE indrelid = %s::regclass AND pg_get_indexdef(indexrelid, 1, true) = %s"
        cursor.execute(statement + " AND indnkeyatts = 1 AND indpred IS NULL", [table, column])
        return bool(cursor.fetchone()[0])


def columns_of(table: str) -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped", [table])
        return {name for (name,) in cursor.fetchall()}


class undone(transaction.Atomic):
    def __init__(self):
        super().__init__(using=None, savepoint=True, durable=False)

    def __exit__(self, *raised):
        transaction.set_rollback(True)
        super().__exit__(*raised)
