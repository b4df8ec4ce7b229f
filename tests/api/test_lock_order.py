"""All hold anomalies in order of id, and an anomaly before what hangs on it: whoever waits for one has nothing that others wait for."""

import pytest
from django.db import transaction

from anomalies.models import Anomaly, Comment, TicketLink
from anomalies.services import comment_on
from anomalies.services.tickets import Ticket, create_integration, link_ticket
from orgs.tenancy import within
from tests import factories
from tests.anomalies.test_tag_locks import beside, until_somebody_waits

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def pair(datastore) -> list[Anomaly]:
    metric = factories.make_metric(datastore)
    return [factories.make_anomaly(metric, kind=kind) for kind in "ab"]


def waits_empty_handed(org, work, *, held, wanted) -> int:
    """Lets `work` wait for what is `held`, takes what is `wanted` beside it, which is free, and lets it go on; its status code."""
    answers = []
    with within(org.pk):
        with transaction.atomic():
            list(held.select_for_update(no_key=True))
            thread, ended = beside(org, lambda: answers.append(work()))
            until_somebody_waits()
            assert len(wanted.select_for_update(no_key=True, nowait=True)) == 1
        thread.join(240)
    assert ended == []
    return answers[0].status_code


@pytest.mark.parametrize("version", [{}, {"If-Match": "*"}])
def test_of_two_anomalies_the_one_of_the_lower_id_is_first(as_, author, org, pair, version):
    low, high = pair
    held, wanted = (Anomaly.objects.filter(pk=one.pk) for one in pair)
    client = as_(author)

    def archived():
        return client.delete(f"/api/anomalies/{high.pk}?status=Duplicate&duplicate_of={low.pk}", headers=version)

    def marked():
        return client.post(f"/api/anomalies/{high.pk}/duplicate-of", {"anomaly": low.pk}, headers=version)

    assert waits_empty_handed(org, archived, held=held, wanted=wanted) == 204
    Anomaly.objects.filter(pk=high.pk).update(status="Active", duplicate_of=None)
    assert waits_empty_handed(org, marked, held=held, wanted=wanted) == 200


def test_a_comment_is_held_after_its_anomaly(as_, author, org, pair):
    comment = comment_on(pair[0], user=author, message="Look.")
    client, path = as_(author), f"/api/comments/{comment.pk}"
    held, wanted = Anomaly.objects.filter(pk=pair[0].pk), Comment.objects.filter(pk=comment.pk)
    assert waits_empty_handed(org, lambda: client.put(path, {"message": "Look again."}), held=held, wanted=wanted) == 200
    assert waits_empty_handed(org, lambda: client.delete(path), held=held, wanted=wanted) == 204


def test_a_ticket_is_held_after_its_anomaly(as_, manager, org, datastore, pair):
    jira = create_integration(org.pk, name="Jira", type="jira", url="https://jira.example.com")
    first, second = (link_ticket(one, Ticket("7", "OPS-7", "New"), integration_id=jira.pk, user=manager) for one in pair)
    client = as_(manager)
    for anomaly, link, path in (
        (pair[0], first, f"/api/anomalies/{pair[0].pk}/ticket-links/{first.pk}"),
        (pair[1], second, f"/api/integrations/{jira.pk}"),
    ):
        held, wanted = Anomaly.objects.filter(pk=anomaly.pk), TicketLink.objects.filter(pk=link.pk)
        assert waits_empty_handed(org, lambda path=path: client.delete(path), held=held, wanted=wanted) == 204


@pytest.mark.parametrize("version", [{}, {"If-Match": "*"}])
def test_the_duplicates_of_what_is_deleted_are_held_in_order_of_id_with_it(as_, author, org, pair, version):
    low, high = pair
    client = as_(author)
    assert client.delete(f"/api/anomalies/{low.pk}?status=Duplicate&duplicate_of={high.pk}").status_code == 204
    assert client.delete(f"/api/anomalies/{high.pk}?status=Resolved").status_code == 204
    held, wanted = (Anomaly.objects.filter(pk=one.pk) for one in pair)

    def deleted():
        return client.delete(f"/api/anomalies/{high.pk}?archive=false", headers=version)

    assert waits_empty_handed(org, deleted, held=held, wanted=wanted) == 204
    with within(org.pk):
        assert Anomaly.objects.get(pk=low.pk).duplicate_of_id is None
