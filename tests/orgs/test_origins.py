"""Origins of web pages: how they are read, and which fit a pattern."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from orgs import origins
from orgs.errors import Invalid
from orgs.models import Org
from orgs.origins import MOST, checked_origins, fits
from orgs.tenancy import Reason, across
from tests.acting import as_application


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("https://App.Example.com", "https://app.example.com"),
        (" https://app.example.com/ ", "https://app.example.com"),
        ("https://app.example.com:443", "https://app.example.com"),
        ("http://localhost:80", "http://localhost"),
        ("http://localhost:8080", "http://localhost:8080"),
        ("http://[::1]:8080", "http://[::1]:8080"),
    ],
)
def test_an_origin_is_kept_as_browsers_send_it(text, kept):
    assert checked_origins([text, text]) == [kept]


def test_patterns_are_for_those_who_may_have_them():
    patterns = ["*", "https://*.example.com", "http://localhost:*"]
    assert checked_origins(patterns, patterns=True) == patterns
    with pytest.raises(Invalid) as refused:
        checked_origins(["https://fine.example", *patterns])
    assert [error.loc for error in refused.value.errors] == [("body", "origins", at) for at in (1, 2, 3)]


def test_there_are_not_too_many():
    with pytest.raises(Invalid):
        checked_origins([f"https://host{number}.example" for number in range(MOST + 1)])


@pytest.mark.parametrize(
    ("origin", "pattern", "fit"),
    [
        ("https://shop.example", "https://shop.example", True),
        ("http://shop.example", "https://shop.example", False),
        ("https://shop.example:8443", "https://shop.example", False),
        ("https://a.shop.example", "https://*.shop.example", True),
        ("https://a.b.shop.example", "https://*.shop.example", True),
        ("https://shop.example", "https://*.shop.example", False),
        ("https://evilshop.example", "https://*.shop.example", False),
        ("https://a.shop.example.evil.example", "https://*.shop.example", False),
        ("http://localhost", "http://localhost:*", True),
        ("http://localhost:3000", "http://localhost:*", True),
        ("http://localhost.evil.example:3000", "http://localhost:*", False),
        ("http://localhost:x", "http://localhost:*", False),
        ("https://shopxexample", "https://shop.example", False),
        ("https://anything.example", "*", True),
        ("null", "*", False),
        ("", "*", False),
    ],
)
def test_what_fits(origin, pattern, fit):
    assert fits(origin, [pattern]) is fit


def test_among_many_orgs_only_those_that_name_origins_are_looked_at(db):
    Org.objects.bulk_create(Org(name=f"Org {number}", slug=f"org-{number}") for number in range(3000))
    Org.objects.filter(slug="org-7").update(origins=["https://app.example.com"])
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE orgs_org")
    with as_application(), CaptureQueriesContext(connection) as asked:
        assert [origins.is_known(f"https://{name}.example.com") for name in ("app", "other")] == [True, False]
    question = next(query["sql"] for query in asked if "orgs_org" in query["sql"]).partition("SELECT")[2]
    with as_application(), across(Reason.BROWSERS), connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN SELECT {question}")
        plan = "\n".join(line for (line,) in cursor.fetchall())
    assert "Index Scan using org_with_origins" in plan
