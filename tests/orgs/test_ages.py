"""What is forgotten for its age: in every org, and nothing that is younger."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import Letter
from accounts.tasks import drop_letters
from orgs import ages
from orgs.models import Delivery, IdempotentAnswer
from orgs.tasks import drop_answers, drop_deliveries
from orgs.tenancy import Reason, across
from tests.acting import as_application

pytestmark = pytest.mark.django_db


@pytest.fixture
def aged(org, other_org):
    """Makes rows of both orgs, older and younger than they are kept; how many there are left of each age."""

    def make(model, kept: timedelta, **fields):
        def of(age: timedelta, **more):
            rows = [model.objects.create(org=one, **fields | more) for one in (org, other_org)]
            model.objects.filter(pk__in=[row.pk for row in rows]).update(created=timezone.now() - age)
            return {row.pk for row in rows}

        return of(kept + timedelta(hours=1)), of(kept - timedelta(hours=1))

    return make


def test_mails_go_after_a_month_and_reports_stay(aged):
    _, young = aged(Letter, ages.KEPT, kind="changed", email="jo@example.com")
    old_reports, reports = aged(Letter, ages.KEPT, kind="report", email="jo@example.com")
    Letter.objects.create(kind="reset", email="nobody@example.com")
    Letter.objects.filter(org=None).update(created=timezone.now() - timedelta(days=40))
    assert drop_letters() == 3
    assert set(Letter.objects.values_list("pk", flat=True)) == young | old_reports | reports


def test_messages_go_after_a_month(aged, monkeypatch):
    monkeypatch.setattr(ages, "PIECE", 1)
    _, young = aged(Delivery, ages.KEPT, method="sms", to="+4930123456", title="x")
    assert drop_deliveries() == 2
    assert set(Delivery.objects.values_list("pk", flat=True)) == young


def test_answers_go_after_a_day(org, other_org):
    now = timezone.now()
    for number, one in enumerate((org, other_org)):
        for age in (23, 25):
            made = now - timedelta(hours=age)
            IdempotentAnswer.objects.create(org=one, caller="User:1", key=f"{number}-{age}", digest=b"x", status=201, created=made)
    assert drop_answers() == 2
    assert set(IdempotentAnswer.objects.values_list("key", flat=True)) == {"0-23", "1-23"}


def test_the_wall_lets_nothing_young_go(aged):
    aged(Letter, ages.KEPT, kind="changed", email="jo@example.com")
    aged(Letter, ages.KEPT, kind="report", email="jo@example.com")
    with as_application(), across(Reason.AGE):
        assert Letter.objects.count() == 2
        assert Letter.objects.all()._raw_delete(using="default") == 2
