"""/billing: payment pages, the portal, coming back, invoices; who may, what is refused, what a second call does."""

from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from billing.invoices import KEPT_S
from billing.models import Account
from billing.plans import BUSINESS, TEAM
from billing.subscriptions import sync
from orgs.models import Org
from tests import factories
from tests.billing.conftest import plan_of
from tests.session_api.conftest import data, wrong

CHECKOUT, PORTAL, CALLBACK, HISTORY = (
    "/billing/getcheckoutsession",
    "/billing/getportalsession",
    "/billing/checkoutcallback",
    "/billing/history",
)


def checkout(client, **said) -> dict:
    return data(client.post(CHECKOUT, {"plan": "team", **said}))["checkout_session"]


def test_a_payment_page_is_for_the_plan_and_leads_back_here(shop, as_, buyer, settings):
    page = checkout(as_(buyer), return_url="/app/settings/billing?from=here")
    assert set(page) == {"id", "url"}
    made = shop.api("GET", f"checkout/sessions/{page['id']}")
    assert made["url"] == page["url"]
    assert made["success_url"] == f"{settings.BASE_URL}/billing/checkoutcallback?checkout_session_id={{CHECKOUT_SESSION_ID}}"
    assert made["cancel_url"] == f"{settings.BASE_URL}/app/settings/billing?from=here"
    assert made["client_reference_id"] == str(buyer.org_id)
    customer = shop.api("GET", f"customers/{made['customer']}")
    assert (customer["name"], customer["email"], customer["metadata"]) == ("Acme", buyer.email, {"org_id": str(buyer.org_id)})


@pytest.mark.parametrize("named", [{"plan": "business"}, {"plan": BUSINESS.lookup_key}, {"plan": "", "price_id": "theirs"}])
def test_a_plan_is_named_by_its_code_its_key_or_the_providers_price(shop, as_, buyer, named):
    said = dict(named)
    if "price_id" in said:
        said["price_id"] = shop.api("GET", "prices", **{"lookup_keys[0]": BUSINESS.lookup_key})["data"][-1]["id"]
    found = data(as_(buyer).post(CHECKOUT, said))
    assert found["plan"] == "business"


@pytest.mark.parametrize("said", [{"plan": "free"}, {"plan": "self-hosted"}, {"plan": "platinum"}, {"plan": ""}])
def test_only_what_is_for_sale_can_be_bought(shop, as_, buyer, said):
    assert wrong(as_(buyer).post(CHECKOUT, said)) == {"plan"}
    assert Account.objects.count() == 0


def test_a_price_of_something_else_is_refused(shop, as_, buyer):
    assert wrong(as_(buyer).post(CHECKOUT, {"price_id": "price_of_a_bicycle"})) == {"price_id"}


@pytest.mark.parametrize(
    "url",
    ["https://evil.example/", "//evil.example/x", "http://localhost:8000.evil.example/", "javascript:alert(1)", "http:evil.example",
     "\\\\evil.example",
     "https://localhost:8000@evil.example/", "/" + "x" * 400],
)  # fmt: skip
def test_people_come_back_to_this_product_only(shop, as_, buyer, url):
    for path, said in ((CHECKOUT, {"plan": "team"}), (PORTAL, {})):
        assert wrong(as_(buyer).post(path, {**said, "return_url": url})) == {"return_url"}
    assert Account.objects.exclude(checkout_id="").count() == 0


def test_the_same_page_is_given_again_while_it_is_open(shop, as_, buyer):
    first = checkout(as_(buyer))
    assert checkout(as_(buyer)) == first
    other = data(as_(buyer).post(CHECKOUT, {"plan": "business"}))["checkout_session"]
    assert other["id"] != first["id"]
    assert shop.api("GET", f"checkout/sessions/{first['id']}")["status"] == "expired"
    assert shop.pay(first["url"]).status_code == 200  # nothing can be paid there any more
    assert shop.api("GET", "subscriptions", status="all")["data"] == []
    assert len(shop.api("GET", "customers")["data"]) == 1


def test_who_has_paid_a_moment_ago_buys_nothing_twice(shop, as_, buyer, org):
    page = checkout(as_(buyer))
    shop.pay(page["url"])
    told = data(as_(buyer).post(CHECKOUT, {"plan": "team"}), 409)
    assert "has a subscription already" in told["message"]
    assert plan_of(org) == ("team", 10_000)


def test_an_org_whose_plan_is_the_operators_buys_none(shop, as_, admin):
    told = data(as_(admin).post(CHECKOUT, {"plan": "team"}), 409)
    assert "set by the operator" in told["message"]


def test_a_customer_that_was_deleted_there_is_made_anew(shop, as_, buyer):
    checkout(as_(buyer))
    known = Account.objects.get().customer_id
    shop.api("DELETE", f"customers/{known}")
    data(as_(buyer).post(CHECKOUT, {"plan": "business"}))
    made = Account.objects.get().customer_id
    assert made not in (known, None)
    assert shop.api("GET", f"customers/{made}")["email"] == buyer.email


def test_a_program_that_comes_back_is_told_the_plan_and_a_browser_goes_on(shop, as_, buyer, org, settings):
    page = checkout(as_(buyer), return_url="/app/?bought=1")
    shop.pay(page["url"])
    found = data(as_(buyer).get(CALLBACK, {"checkout_session_id": page["id"]}))
    assert found == {"enabled": True, "message": "The payment is done.", "plan": "team"}
    browser = Client()
    browser.force_login(buyer)
    answer = browser.get(CALLBACK, {"checkout_session_id": page["id"]}, headers={"Accept": "text/html"})
    assert (answer.status_code, answer["Location"]) == (302, f"{settings.BASE_URL}/app/?bought=1")


def test_what_the_callback_refuses(shop, as_, buyer, outsider, viewer, api, as_org):
    page = checkout(as_(buyer))
    shop.pay(page["url"])
    assert wrong(as_(buyer).get(CALLBACK)) == {"checkout_session_id"}
    data(as_(buyer).get(CALLBACK, {"checkout_session_id": "cs_test_nowhere"}), 404)
    data(as_(outsider).get(CALLBACK, {"checkout_session_id": page["id"]}), 404)
    data(api.get(CALLBACK, {"checkout_session_id": page["id"]}), 401)
    data(as_org.get(CALLBACK, {"checkout_session_id": page["id"]}), 401)
    data(as_(buyer).post(CALLBACK, {"checkout_session_id": page["id"]}), 405)
    assert plan_of(outsider.org)[0] == "self-hosted"
    assert data(as_(viewer).get(CALLBACK, {"checkout_session_id": page["id"]}))["plan"] == "team"


def test_the_portal_is_for_customers(shop, as_, buyer, outsider, subscribe):
    assert "no subscription yet" in data(as_(buyer).post(PORTAL), 409)["message"]
    checkout(as_(buyer))
    assert data(as_(buyer).post(PORTAL))["portal_session"]["url"].startswith(shop.url)  # invoices and cards can be looked at
    for said in ({"plan": "business"}, {"cancel": True}):
        assert "no subscription yet" in data(as_(buyer).post(PORTAL, said), 409)["message"]
    subscribe(buyer)
    for said in ({}, {"plan": "business"}, {"cancel": "true"}, {"payment_method": True, "return_url": "/app/inbox"}):
        assert data(as_(buyer).post(PORTAL, said))["portal_session"]["url"].startswith(f"{shop.url}/_config/portal/")
    assert "has the plan Team already" in data(as_(buyer).post(PORTAL, {"plan": "team"}), 409)["message"]
    assert wrong(as_(buyer).post(PORTAL, {"plan": "free"})) == {"plan"}
    assert "no subscription yet" in data(as_(outsider).post(PORTAL), 409)["message"]


def test_our_portal_is_used_where_plans_can_be_changed(shop, as_, buyer, subscribe):
    subscribe(buyer)
    url = data(as_(buyer).post(PORTAL, {"plan": "business", "return_url": "/app/"}))["portal_session"]["url"]
    assert shop.use_portal(url).endswith("/app/")
    (configuration,) = shop.api("GET", "billing_portal/configurations")["data"]
    assert configuration["features"]["subscription_update"]["proration_behavior"] == "create_prorations"
    assert configuration["features"]["subscription_cancel"]["mode"] == "at_period_end"


def test_only_an_admin_buys_and_sees_invoices(shop, as_, buyer, viewer, manager, demo, as_org, api):
    for person, code in ((viewer, 403), (manager, 403)):
        for path in (CHECKOUT, PORTAL, HISTORY):
            data(as_(person).post(path, {"plan": "team"} if path == CHECKOUT else {}), code)
    for path in (CHECKOUT, PORTAL):
        assert "Demo users" in data(as_(demo).post(path, {"plan": "team"}), 403)["message"]
        data(as_(buyer).get(path), 405)
    for caller in (as_org, api):
        data(caller.get(HISTORY), 401)
    assert Account.objects.count() == 0


def test_a_purchase_by_the_cookie_alone_needs_the_csrf_token(shop, buyer):
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(buyer)
    data(browser.post(CHECKOUT, {"plan": "team"}), 403)
    assert Account.objects.count() == 0


def test_invoices_are_told_newest_first_with_their_papers(shop, as_, buyer, outsider, subscribe):
    account = subscribe(buyer)
    shop.renew(account.subscription_id)
    found = data(as_(buyer).get(HISTORY))
    assert found["enabled"] is True
    newest, first = found["invoices"]
    assert set(first) == {"id", "number", "created_timestamp", "created_string", "amount", "currency", "status", "pdf_url"}
    assert (first["amount"], first["currency"], first["status"]) == (TEAM.amount, "eur", "paid")
    assert first["pdf_url"] == f"{shop.url}/_config/invoices/{first['id']}.pdf"
    assert newest["id"] != first["id"]
    assert [row["id"] for row in data(as_(buyer).post(HISTORY, {"limit": 1}))["invoices"]] == [newest["id"]]
    assert data(as_(outsider).get(HISTORY)) == {"enabled": True, "invoices": []}


def test_readers_of_invoices_do_not_each_ask_the_provider(shop, as_, buyer, demo, subscribe, org):
    account = subscribe(buyer)
    first = data(as_(buyer).get(HISTORY))["invoices"]
    shop.trouble(status=500)  # whoever asks there now gets a 503
    for reader in (buyer, demo):
        assert data(as_(reader).get(HISTORY))["invoices"] == first
        browser = Client()
        browser.force_login(reader)
        assert [row.invoice.id for row in browser.get("/app/settings/billing?back=1").context["invoices"]] == [first[0]["id"]]
        assert [row["id"] for row in browser.get("/api/billing/invoices").json()["invoices"]] == [first[0]["id"]]
    shop.trouble()
    shop.renew(account.subscription_id)
    sync(org.pk, now=timezone.now())  # what the provider tells of is seen at once
    assert [row["id"] for row in data(as_(demo).get(HISTORY))["invoices"]][1:] == [first[0]["id"]]


def test_invoices_are_kept_for_half_a_minute_per_org(shop, as_, buyer, other_org, subscribe, monkeypatch):
    account = subscribe(buyer)
    monkeypatch.setattr("billing.invoices.KEPT_S", 0)  # over at once
    data(as_(buyer).get(HISTORY))
    shop.trouble(status=500)
    data(as_(buyer).get(HISTORY), 503)
    other = factories.make_user(other_org, "Otto Other", role="admin")
    assert data(as_(other).get(HISTORY)) == {"enabled": True, "invoices": []}
    assert (KEPT_S, account.customer_id is not None) == (30, True)


def test_a_demo_user_who_comes_back_from_a_payment_page_makes_nobody_ask(shop, as_, buyer, demo, org):
    page = checkout(as_(buyer))
    shop.pay(page["url"])
    told = data(as_(demo).get(CALLBACK, {"checkout_session_id": page["id"]}))
    assert told == {"enabled": True, "message": "Demo users pay for nothing.", "plan": "free"}
    assert plan_of(org) == ("free", 1000)


@pytest.mark.parametrize("limit", ["0", "101", "many"])
def test_the_limit_of_invoices_is_1_to_100(shop, as_, buyer, limit):
    assert wrong(as_(buyer).get(HISTORY, {"limit": limit})) == {"limit"}


@pytest.mark.parametrize("status", [500, 503, 429, 401, 400])
def test_when_the_provider_fails_it_is_503_and_nothing_is_half_done(shop, as_, buyer, status):
    shop.trouble(status=status)
    answer = as_(buyer).post(CHECKOUT, {"plan": "team"})
    assert "payment provider" in data(answer, 503)["message"]
    assert int(answer["Retry-After"]) > 0
    shop.trouble()
    assert checkout(as_(buyer))["id"] == Account.objects.get().checkout_id


def test_a_purchase_that_was_cut_off_makes_no_second_customer(shop, as_, buyer):
    checkout(as_(buyer))
    Account.objects.update(customer_id=None, checkout_id="")  # as if it had died before it was written down
    checkout(as_(buyer))
    assert len(shop.api("GET", "customers")["data"]) == 1


def test_a_purchase_that_failed_is_tried_again_by_the_same_customer_days_later(stripe, as_, buyer):
    data(as_(buyer).post(CHECKOUT, {"plan": "team"}), 503)  # there is no price
    known = Account.objects.get().customer_id
    assert known == stripe.api("GET", "customers")["data"][0]["id"]
    # The provider forgets the keys of requests after a day: then another one makes another customer.
    Account.objects.update(created=timezone.now() - timedelta(days=2))
    call_command("stripe_setup", verbosity=0)
    assert stripe.api("GET", f"checkout/sessions/{checkout(as_(buyer))['id']}")["customer"] == known
    assert (Account.objects.get().customer_id, len(stripe.api("GET", "customers")["data"])) == (known, 1)


def test_without_prices_the_operator_is_named(stripe, as_, buyer):
    for _ in range(2):
        told = data(as_(buyer).post(CHECKOUT, {"plan": "team"}), 503)
        assert "manage.py stripe_setup" in told["message"]
    assert len(stripe.api("GET", "customers")["data"]) == 1


def test_setting_up_again_changes_nothing_and_a_new_price_leaves_the_old_ones(shop, as_, buyer, subscribe, capsys, monkeypatch, org):
    subscribe(buyer)
    before = shop.api("GET", "prices")["data"]
    capsys.readouterr()
    call_command("stripe_setup")
    assert "(new)" not in capsys.readouterr().out
    assert shop.api("GET", "prices")["data"] == before
    assert len(shop.api("GET", "billing_portal/configurations")["data"]) == 1

    dearer = TEAM.__class__(TEAM.code, TEAM.name, TEAM.metric_limit, 59_00, TEAM.summary)
    monkeypatch.setattr("billing.management.commands.stripe_setup.PAID", (dearer, BUSINESS))
    call_command("stripe_setup")
    prices = {price["unit_amount"]: price["lookup_key"] for price in shop.api("GET", "prices")["data"]}
    assert prices == {49_00: None, 59_00: TEAM.lookup_key, 299_00: BUSINESS.lookup_key}
    account = Account.objects.get()
    Account.objects.update(plan="", synced=None)
    assert sync(org.pk, now=account.created).plan == "team"  # who subscribed at the old price keeps plan and price


def test_setting_up_says_what_is_wrong(stripe):
    stripe.trouble(status=401)
    with pytest.raises(CommandError, match="refused what we asked"):
        call_command("stripe_setup")


def test_the_queries_of_invoices_and_portal_are_few(shop, as_, buyer, subscribe, django_assert_max_num_queries):
    subscribe(buyer)
    client = as_(buyer)
    with django_assert_max_num_queries(4):
        data(client.get(HISTORY))
    with django_assert_max_num_queries(4):
        data(client.post(PORTAL))


def test_two_orgs_pay_for_themselves(shop, subscribe, buyer, other_org, org):
    Org.objects.filter(pk=other_org.pk).update(plan="free")
    other_org.refresh_from_db()
    other = factories.make_user(other_org, "Otto Other", role="admin")
    mine, theirs = subscribe(buyer), subscribe(other, "business")
    assert mine.customer_id != theirs.customer_id
    assert (plan_of(org)[0], plan_of(other_org)[0]) == ("team", "business")
