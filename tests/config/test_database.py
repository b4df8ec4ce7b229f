"""How a transaction learns in whose name it is, on a connection of the product's own role and from its pool."""

import psycopg
import pytest
from django.db import IntegrityError, connection, transaction

from config.database import base
from metrics.points.sql import binary_cursor
from orgs import wall
from orgs.models import Channel, Org
from orgs.tenancy import NOWHERE, Reason, Scope, across, apart, enter, first_row, resumed, scope, within
from orgs.wall import WallError
from orgs.wall.checking import breaches, check
from tests import factories
from tests.acting import connected_as

COUNT = "SELECT count(*), current_setting('plumbline.org', true), current_user FROM orgs_org"


@pytest.fixture
def orgs(transactional_db) -> tuple[Org, Org]:
    return factories.make_org("One"), factories.make_org("Two")


@pytest.fixture
def product(orgs):
    """The product's own connection: a pool of one, so that everything meets whatever was left on it."""
    with connected_as(wall.role(), min_size=1, max_size=1, timeout=60):
        yield


def one(statement: str, *values: object) -> tuple:
    with connection.cursor() as cursor:
        cursor.execute(statement, values or None)
        return cursor.fetchone()


def test_a_statement_of_its_own_is_told_and_leaves_nothing(orgs, product):
    with within(orgs[0].pk):
        assert one(COUNT) == (1, str(orgs[0].pk), "plumbline_app")
    assert one(COUNT) == (0, "", "plumbline_app")


def test_the_next_user_of_a_pooled_connection_inherits_nothing(orgs, product):
    with within(orgs[0].pk), transaction.atomic():
        pid, (seen, _, _) = one("SELECT pg_backend_pid()"), one(COUNT)
    connection.close()
    assert (one("SELECT pg_backend_pid()") == pid, seen, one(COUNT)[0]) == (True, 1, 0)
    with across(Reason.UPKEEP):
        assert one(COUNT) == (2, "", "plumbline_app_across")
    connection.close()
    assert one(COUNT) == (0, "", "plumbline_app")


def test_a_connection_that_was_let_go_inside_of_a_transaction_works_for_the_next_user(orgs, product, monkeypatch):
    monkeypatch.setattr(base, "ASKED_AGAIN_S", 0.0)
    pid = one("SELECT pg_backend_pid()")
    connection.set_autocommit(False)
    connection.close()
    with within(orgs[0].pk), transaction.atomic():
        assert (one("SELECT pg_backend_pid()"), one(COUNT)[0]) == (pid, 1)


def test_a_transaction_is_told_once_and_whenever_the_scope_changes(orgs, product):
    with transaction.atomic():
        with within(orgs[0].pk):
            assert [one(COUNT)[:2] for _ in range(2)] == [(1, str(orgs[0].pk))] * 2
            with across(Reason.UPKEEP):
                assert one(COUNT) == (2, "", "plumbline_app_across")
                with within(orgs[1].pk):
                    assert one("SELECT name, current_user FROM orgs_org") == ("Two", "plumbline_app")
            assert one("SELECT name FROM orgs_org") == ("One",)
        assert one(COUNT)[0] == 0


def test_what_a_savepoint_takes_back_is_told_again(orgs, product):
    with within(orgs[0].pk), transaction.atomic():
        same = [Channel(org=orgs[0], service="slack", name="a", sealed_url=b"") for _ in range(2)]
        with pytest.raises(IntegrityError), transaction.atomic():
            Channel.objects.bulk_create(same, batch_size=1)
        assert one(COUNT)[0] == 1
        assert Channel.objects.count() == 0


def test_after_a_rollback_the_next_transaction_is_told_anew(orgs, product):
    with within(orgs[0].pk):
        with transaction.atomic():
            assert one(COUNT)[0] == 1
            transaction.set_rollback(True)
        with transaction.atomic():
            assert one(COUNT)[0] == 1


def test_rows_that_are_fetched_bit_by_bit_are_those_of_the_org(orgs, product):
    with within(orgs[1].pk):
        assert [org.name for org in Org.objects.iterator(chunk_size=1)] == ["Two"]
        with transaction.atomic():
            assert [org.name for org in Org.objects.iterator(chunk_size=1)] == ["Two"]


def test_many_statements_at_once_are_told(orgs, product):
    with within(orgs[0].pk), connection.cursor() as cursor:
        cursor.executemany("UPDATE orgs_org SET description = %s WHERE name = %s", [("first", "One"), ("second", "Two")])
    with across(Reason.UPKEEP):
        assert list(Org.objects.order_by("name").values_list("description", flat=True)) == ["first", ""]


@pytest.mark.parametrize("in_block", [False, True])
def test_a_cursor_past_django_is_told(orgs, product, in_block):
    with within(orgs[0].pk), transaction.atomic() if in_block else resumed(scope()):
        with binary_cursor() as cursor:
            assert cursor.execute("SELECT name FROM orgs_org").fetchall() == [("One",)]
        with binary_cursor() as cursor:
            assert cursor.execute("SELECT name FROM orgs_org").fetchall() == [("One",)]
    with binary_cursor() as cursor:
        assert cursor.execute("SELECT name FROM orgs_org").fetchall() == []


def test_a_failed_statement_leaves_nothing(orgs, product):
    with pytest.raises(IntegrityError), within(orgs[0].pk):
        Org.objects.filter(pk=orgs[0].pk).update(slug=orgs[1].slug)
    assert one(COUNT) == (0, "", "plumbline_app")


@pytest.mark.parametrize("in_block", [False, True])
def test_the_first_row_is_asked_for_at_its_home_whatever_the_scope(orgs, product, in_block):
    statement = "SELECT name, current_setting('plumbline.org'), (SELECT count(*) FROM orgs_org) FROM orgs_org WHERE slug = %s"
    with within(orgs[0].pk), transaction.atomic() if in_block else resumed(scope()):
        assert first_row(statement, [orgs[1].slug], Org, slug=orgs[1].slug) == ("Two", str(orgs[1].pk), 1)
        assert first_row(statement, [orgs[1].slug], Org, slug=orgs[0].slug) is None
        assert first_row(statement, ["nobody"], Org, slug="nobody") is None
        assert one(COUNT)[:2] == (1, str(orgs[0].pk))
    assert one(COUNT) == (0, "", "plumbline_app")


def test_a_connection_that_the_server_has_ended_is_replaced(orgs, product):
    pid = one("SELECT pg_backend_pid()")[0]
    connection.close()
    with connected_as("app"):
        assert one("SELECT pg_terminate_backend(%s, 2000)", pid) == (True,)
    assert one("SELECT pg_backend_pid()")[0] != pid


def test_a_connection_that_answered_lately_is_not_asked_again(orgs, product, monkeypatch):
    pid = one("SELECT pg_backend_pid(), 'the last statement'")[0]
    connection.close()
    connection.ensure_connection()
    assert last_statement(pid) == "SELECT pg_backend_pid(), 'the last statement'"
    connection.close()
    monkeypatch.setattr("config.database.base.ASKED_AGAIN_S", 0.0)
    connection.ensure_connection()
    assert (last_statement(pid), one("SELECT pg_backend_pid()")[0]) == ("", pid)


def last_statement(pid: int) -> str:
    """What a connection asked last, as a superuser sees it."""
    entry = connection.settings_dict
    with psycopg.connect(host=entry["HOST"], port=entry["PORT"], dbname=entry["NAME"], user="app") as watcher:
        return watcher.execute("SELECT query FROM pg_stat_activity WHERE pid = %s", [pid]).fetchone()[0]


def test_scopes_nest_and_end():
    assert scope() == NOWHERE
    with within(7):
        with across(Reason.UPKEEP):
            with apart():
                enter(8)
                assert scope() == Scope(org_id=8)
            assert scope() == Scope(reason=Reason.UPKEEP)
        assert scope() == Scope(org_id=7)
    assert scope() == NOWHERE


def test_the_product_is_not_let_in_past_the_wall(orgs):
    """A superuser, a role that bypasses policies, the owner of a table, one that always looks across orgs: each is told why."""
    make = (
        "DROP ROLE IF EXISTS bypassing, owning, inheriting, unknown;"
        "CREATE ROLE unknown LOGIN; CREATE ROLE bypassing LOGIN BYPASSRLS; CREATE ROLE owning LOGIN;"
        "CREATE ROLE inheriting LOGIN; GRANT plumbline_app_across TO inheriting WITH INHERIT TRUE"
    )
    with connection.cursor() as cursor:
        cursor.execute(make)
    assert "superuser" in refusal("app")
    assert "BYPASSRLS" in refusal("bypassing")
    assert 'inherits the rights of "plumbline_app_across"' in refusal("inheriting")
    assert 'No policy is made for "unknown"' in refusal("unknown")
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE orgs_channel OWNER TO owning")
    assert "owns orgs_channel" in refusal("owning")
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE orgs_channel OWNER TO app")
        cursor.execute("ALTER TABLE orgs_event DISABLE ROW LEVEL SECURITY")
    assert "Without row-level security: orgs_event" in refusal(wall.role())
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE orgs_event ENABLE ROW LEVEL SECURITY")
    with connected_as(wall.role()), connection.cursor() as cursor:
        assert breaches(cursor) == []
    with connection.cursor() as cursor:
        cursor.execute("DROP ROLE bypassing, owning, inheriting, unknown")


def refusal(role: str) -> str:
    # Whatever the first statement of the process is for.
    with across(Reason.UPKEEP), connected_as(role), pytest.raises(WallError) as refused:
        check(connection)
    assert "DATABASE_OWNER_URL" in str(refused.value)
    return str(refused.value)
