"""Without a key everything answers cleanly: reads and the callback say so with 200, nothing can be bought."""

import json

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from billing.models import Account, StripeEvent
from billing.tasks import act_on_events, end_graces, sync_accounts
from orgs.models import Org
from tests.session_api.conftest import data

NOT_ENABLED = "Billing is not enabled on this installation: its operator sets plans and limits."


def test_reads_answer_200_and_say_that_billing_is_off(as_, admin):
    assert data(as_(admin).get("/billing/history")) == {"enabled": False, "invoices": []}
    assert data(as_(admin).post("/billing/history", {"limit": 5})) == {"enabled": False, "invoices": []}
    for query in ({}, {"checkout_session_id": "cs_test_1"}):
        found = data(as_(admin).get("/billing/checkoutcallback", query))
        assert found == {"enabled": False, "message": NOT_ENABLED, "plan": "self-hosted"}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/billing/getcheckoutsession", {"plan": "team"}),
        ("/billing/getcheckoutsession", {"plan": "nonsense"}),
        ("/billing/getcheckoutsession", {"price_id": "price_1"}),
        ("/billing/getcheckoutsession", {}),
        ("/billing/getportalsession", {}),
        ("/billing/getportalsession", {"return_url": "https://evil.example/", "plan": "team"}),
    ],
)
def test_writes_answer_501_with_a_sentence_and_change_nothing(as_, admin, path, body):
    assert data(as_(admin).post(path, body), 501) == {"message": NOT_ENABLED, "errors": {}}
    assert (Account.objects.count(), Org.objects.get(pk=admin.org_id).plan) == (0, "self-hosted")


@pytest.mark.parametrize("body", [b"", b"{}", json.dumps({"id": "evt_1"}).encode()])
def test_the_callback_says_so_and_keeps_nothing(db, body):
    answer = Client().post("/org/stripecallback", body, content_type="application/json", headers={"Stripe-Signature": "t=1,v1=0"})
    assert data(answer) == {"enabled": False, "message": NOT_ENABLED}
    assert StripeEvent.objects.count() == 0


def test_rights_come_before(as_, viewer, api, as_org, demo):
    for path in ("/billing/getcheckoutsession", "/billing/getportalsession"):
        data(as_(viewer).post(path), 403)
        data(as_(demo).post(path), 403)
        data(as_org.post(path), 401)
        data(api.post(path), 401)


def test_the_rounds_have_nothing_to_do(org):
    Account.objects.create(org=org, customer_id="cus_of_old_times")
    assert (act_on_events(), sync_accounts(), end_graces()) == (0, 0, 0)


def test_there_is_nothing_to_set_up(db):
    with pytest.raises(CommandError, match="STRIPE_SECRET_KEY is not set"):
        call_command("stripe_setup")
