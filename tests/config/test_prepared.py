"""Statements that are written and planned once: they say the same as before, in every scope, and outlive what a transaction takes back."""

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from accounts.models import PersonalToken
from accounts.tokens import personal_token_of
from anomalies.conditions import among
from config.database.prepared import Query, Statement
from orgs import wall
from orgs.models import Org
from orgs.tenancy import NOWHERE, scope, within
from tests import factories
from tests.acting import connected_as

NAMES = Query(lambda slug: Org.objects.filter(slug__gt=slug).order_by("name").values_list("name", "pk"), slug="~example")
ROWS = Query(lambda pk: Org.objects.filter(pk=pk).order_by(), pk=30_011)
THESE = Query(lambda ids: Org.objects.filter(among(ids)).order_by("pk").values_list("name")[:2], ids=[30_011, 30_013])
COUNT = Statement("SELECT count(*), %(word)s::text || %(word)s FROM orgs_org WHERE id >= %(least)s")
KNOWN = "SELECT count(*) FROM pg_prepared_statements WHERE name = %s"


@pytest.fixture
def orgs(transactional_db):
    return factories.make_org("One", slug="one"), factories.make_org("Two", slug="two")


@pytest.fixture
def product(orgs):
    with connected_as(wall.role(), min_size=1, max_size=1, timeout=60):
        yield


def known(statement: Statement) -> int:
    with connection.cursor() as cursor:
        cursor.execute(KNOWN, [statement.name])
        return cursor.fetchone()[0]


def test_a_query_is_planned_once_and_shows_each_org_its_own(orgs, product):
    for org in (*orgs, *orgs):
        with within(org.pk):
            assert NAMES.all(slug="") == [(org.name, org.pk)]
            assert [NAMES.all(slug="one"), ROWS.first(pk=orgs[0].pk)] == [
                [("Two", org.pk)] if org == orgs[1] else [],
                orgs[0] if org == orgs[0] else None,
            ]
    assert NAMES.all(slug="") == []
    assert known(NAMES._write().statement) == 1


def test_instances_are_those_of_the_queryset(orgs, product):
    with within(orgs[0].pk):
        found, usual = ROWS.first(pk=orgs[0].pk), Org.objects.get()
    assert {name: value for name, value in vars(found).items() if name != "_state"} == {
        name: value for name, value in vars(usual).items() if name != "_state"
    }
    assert (found._state.adding, found._state.db) == (False, "default")


def test_an_array_is_one_value_and_rows_are_counted_up_to_the_limit(orgs):
    one, two = (org.pk for org in orgs)
    three = factories.make_org("Three", slug="three").pk
    assert [THESE.all(ids=[]), THESE.all(ids=[two]), THESE.all(ids=[one, two, three])] == [[], [("Two",)], [("One",), ("Two",)]]
    assert [THESE.count(ids=ids) for ids in ([], [two], [one, two, three])] == [0, 1, 2]


def test_named_values_may_be_used_twice(orgs, product, settings):
    with within(orgs[0].pk):
        assert COUNT.rows(word="50% ", least=0) == [(1, "50% 50% ")]
        settings.DATABASE_PREPARE = False
        assert COUNT.rows(word="50% ", least=0) == [(1, "50% 50% ")]
        assert NAMES.all(slug="") == [("One", orgs[0].pk)]


def test_no_rollback_takes_a_plan_back(orgs, product):
    fresh = Statement("SELECT 'of a transaction that is rolled back', %s::integer")
    with transaction.atomic():
        assert fresh.rows(1) == [("of a transaction that is rolled back", 1)]
        transaction.set_rollback(True)
    assert fresh.rows(2) == [("of a transaction that is rolled back", 2)]
    connection.close()
    assert (known(fresh), fresh.rows(3)) == (1, [("of a transaction that is rolled back", 3)])


def test_a_new_connection_learns_it_anew(orgs, product):
    assert NAMES.all(slug="") == []
    with connection.cursor() as cursor, pytest.raises(Exception, match="terminat"):
        cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")
    connection.close()
    with within(orgs[0].pk):
        assert NAMES.all(slug="") == [("One", orgs[0].pk)]


def test_a_token_is_found_at_home_in_one_question_and_nothing_stays_told(orgs, product):
    with within(orgs[1].pk):
        user = factories.make_user(orgs[1])
        secret = factories.make_personal_token(user)
        token = PersonalToken.objects.get()
    with CaptureQueriesContext(connection) as captured:
        found = personal_token_of(secret, now=token.created)
    assert (len(captured), found, found.user, scope()) == (1, token, user, NOWHERE)
    with transaction.atomic():
        assert personal_token_of(secret, now=token.created) == token
        assert NAMES.all(slug="") == []
        with within(orgs[0].pk):
            assert personal_token_of(secret, now=token.created) == token
            assert NAMES.all(slug="") == [("One", orgs[0].pk)]
    assert personal_token_of("plb_00000000_nobody", now=token.created) is None


def test_an_example_that_is_nowhere_in_its_query_is_a_mistake(db):
    with pytest.raises(AssertionError):
        Query(lambda pk, lost: Org.objects.filter(pk=pk), pk=30_011, lost=30_013).first(pk=1, lost=2)
