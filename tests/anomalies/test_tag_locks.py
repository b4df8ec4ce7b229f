"""A tag that counts anew while it is being put on anomalies: nobody waits for a lock that is never given, and every weight is right."""

import pytest
from django.db import transaction

from accounts.models import Level
from anomalies.models import Anomaly, AnomalyTag, Tag
from anomalies.services import Edit, edit_anomalies
from anomalies.services.tags import change_tag, delete_tag
from orgs.tenancy import within
from tests import factories
from tests.waiting import beside, until_somebody_waits

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def world():
    org = factories.make_org("Acme", slug="acme")
    metric = factories.make_metric(org.datastores.get(), "checkout")
    carrier, bare = (factories.make_anomaly(metric, kind=kind, weight=1, weight_breakdown={"score": 1}) for kind in ("a", "b"))
    editor = factories.make_user(org, "Eve Editor", level=Level.EDITOR, datastore=metric.datastore)
    tag = Tag.objects.create(org=org, name="High", weight_modifier=0)
    AnomalyTag.objects.create(org=org, anomaly=carrier, tag=tag)
    return org, carrier, bare, editor, tag


def weights(*anomalies) -> list[int]:
    return [Anomaly.objects.get(pk=one.pk).weight for one in anomalies]


def test_whoever_has_an_anomaly_may_tag_it_while_the_tag_changes(world):
    org, carrier, bare, editor, tag = world
    with within(org.pk):
        with transaction.atomic():
            list(Anomaly.objects.filter(pk__in=[carrier.pk, bare.pk]).order_by("pk").select_for_update(no_key=True))
            thread, ended = beside(org, lambda: change_tag(Tag.objects.get(pk=tag.pk), user=editor, weight_modifier=5))
            until_somebody_waits()
            edits = [Edit(anomaly_id=carrier.pk, tags=["High"]), Edit(anomaly_id=bare.pk, tags=["High"])]
            assert edit_anomalies(org.pk, edits, user=editor).changed == (bare.pk,)
        thread.join(240)
        assert ended == []
        assert weights(carrier, bare) == [6, 6]


def test_a_tag_that_was_put_on_while_the_tag_waited_counts_too(world):
    org, carrier, bare, editor, tag = world
    with within(org.pk):
        with transaction.atomic():
            edit_anomalies(org.pk, [Edit(anomaly_id=bare.pk, tags_add=["High"])], user=editor)
            thread, ended = beside(org, lambda: change_tag(Tag.objects.get(pk=tag.pk), user=editor, weight_modifier=5))
            until_somebody_waits()
        thread.join(240)
        assert ended == []
        assert weights(carrier, bare) == [6, 6]


def test_a_tag_that_goes_waits_for_those_who_put_it_on(world):
    org, carrier, bare, editor, tag = world
    with within(org.pk):
        with transaction.atomic():
            edit_anomalies(org.pk, [Edit(anomaly_id=bare.pk, tags_add=["High"])], user=editor)
            thread, ended = beside(org, lambda: delete_tag(Tag.objects.get(pk=tag.pk), user=editor))
            until_somebody_waits()
        thread.join(240)
        assert ended == []
        assert not AnomalyTag.objects.exists()
        assert weights(carrier, bare) == [1, 1]
