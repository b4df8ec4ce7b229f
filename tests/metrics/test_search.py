"""Finding series by a part of their names, in one's own org alone."""

import pytest
from django.db import connection

from metrics import search
from metrics.models import Metric
from orgs.tenancy import within
from tests import factories

pytestmark = pytest.mark.django_db


def found(text: str, org) -> list[str]:
    return sorted(Metric.objects.for_org(org.pk).filter(search.named(text, org_id=org.pk)).values_list("name", flat=True))


@pytest.fixture
def names(datastore):
    for name in ("Checkout.Latency", "checkout_errors", "disk 50% full", r"c:\temp", "naïve.Ärger"):
        factories.make_metric(datastore, name)


@pytest.mark.parametrize("rare", [0, 5000])
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("CHECKOUT", ["Checkout.Latency", "checkout_errors"]),
        ("t_e", ["checkout_errors"]),
        ("50%", ["disk 50% full"]),
        (r":\t", [r"c:\temp"]),
        ("ärg", ["naïve.Ärger"]),
        ("ch", ["Checkout.Latency", "checkout_errors"]),
        ("nowhere", []),
    ],
)
def test_a_part_of_a_name_is_found_as_it_is_typed(names, org, monkeypatch, rare, text, expected):
    monkeypatch.setattr(search, "RARE", rare)
    assert found(text, org) == expected


def test_nobody_searches_in_another_org(names, org, other_org):
    with connection.cursor() as cursor, within(other_org.pk):
        cursor.execute("SELECT * FROM metrics_named(%s, '%%checkout%%', 10)", [org.pk])
        assert cursor.fetchall() == []
    with connection.cursor() as cursor, within(org.pk):
        cursor.execute("SELECT * FROM metrics_named(%s, '%%checkout%%', 10)", [org.pk])
        assert len(cursor.fetchall()) == 2
