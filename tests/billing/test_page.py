"""/app/settings/billing: what it shows to whom, where its buttons lead, and the picture of usage."""

import re
from datetime import date, timedelta

import pytest
from django.test import Client
from django.utils import timezone

from billing.models import Account, UsageDay
from billing.money import money
from billing.usage import Day
from billing.usage_chart import ceiling, usage_chart
from metrics.models import Metric
from orgs.models import Org
from tests import factories
from tests.billing.conftest import FAILING_CARD, plan_of
from tests.pages.conftest import queries_of  # noqa: F401

PAGE = "/app/settings/billing"


@pytest.fixture
def browser(db):
    """A browser in which this person is logged in."""

    def make(person) -> Client:
        client = Client(raise_request_exception=False)
        client.force_login(person)
        return client

    return make


def text_of(answer) -> str:
    """What the page says, without its tags."""
    assert answer.status_code == 200, answer.content
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.content.decode()))


def buttons(answer) -> list[str]:
    """What its forms do."""
    return re.findall(r'name="do" value="(\w+)"', answer.content.decode())


def onward(answer) -> str:
    """Where a page leads by itself, which is also where its button leads."""
    assert answer.status_code == 200, answer.content
    page = answer.content.decode()
    (address,) = re.findall(r'http-equiv="refresh" content="0;url=([^"]+)"', page)
    assert f'<a class="btn primary" href="{address}">' in page
    return address


def test_a_visitor_goes_to_the_log_in(db):
    assert Client().get(PAGE)["Location"] == f"/app/login?next={PAGE}"


def test_where_billing_is_off_it_says_so_and_shows_plan_and_usage(browser, admin, datastore):
    factories.make_metric(datastore, "cpu")
    answer = browser(admin).get(PAGE)
    said = text_of(answer)
    assert "Billing is not enabled on this installation." in said
    assert "1 of 1,000 metrics" in said
    assert "Self-hosted" in said
    assert "There are none: nothing is charged on this installation." in said
    assert buttons(answer) == []


def test_where_billing_is_off_nothing_can_be_bought_by_hand_either(browser, admin):
    for do in ("buy", "change", "cancel", "pay", "manage"):
        answer = browser(admin).post(PAGE, {"do": do, "plan": "team"})
        assert "Billing is not enabled on this installation" in text_of(answer)
    assert Account.objects.count() == 0


def test_on_free_the_paid_plans_are_for_sale_and_lead_to_a_payment_page(shop, browser, buyer, org, settings):
    answer = browser(buyer).get(PAGE)
    assert buttons(answer) == ["buy", "buy"]
    said = text_of(answer)
    assert "Free of charge, for as long as you like." in said
    assert "49.00 EUR a month" in said
    assert "None yet. The first one comes with the first payment." in said

    address = onward(browser(buyer).post(PAGE, {"do": "buy", "plan": "business"}))
    back = shop.pay(address).headers["Location"].removeprefix(settings.BASE_URL)
    arrived = browser(buyer).get(back, headers={"Accept": "text/html"})
    assert arrived["Location"] == f"{settings.BASE_URL}{PAGE}?back=checkout"
    assert "The payment is done: you are on the plan Business." in text_of(browser(buyer).get(f"{PAGE}?back=checkout"))
    assert plan_of(org) == ("business", 100_000)


def test_who_comes_back_without_paying_is_told(shop, browser, buyer):
    assert "Nothing was paid." in text_of(browser(buyer).get(f"{PAGE}?back=checkout"))


def test_a_live_plan_can_be_changed_cancelled_and_kept(shop, browser, buyer, subscribe, org):
    subscribe(buyer)
    answer = browser(buyer).get(PAGE)
    assert buttons(answer) == ["manage", "cancel", "change"]
    assert "49.00 EUR a month. It renews" in text_of(answer)
    assert re.search(r"PL-\w{6} 49\.00 EUR paid PDF", text_of(answer))

    shop.use_portal(onward(browser(buyer).post(PAGE, {"do": "change", "plan": "business"})))
    Account.objects.update(synced=None)  # more than a moment ago
    assert "100,000" in text_of(browser(buyer).get(f"{PAGE}?back=portal"))
    assert plan_of(org) == ("business", 100_000)

    shop.use_portal(onward(browser(buyer).post(PAGE, {"do": "cancel"})))
    Account.objects.update(synced=None)
    answer = browser(buyer).get(f"{PAGE}?back=portal")
    assert "Cancelled. It stays until" in text_of(answer)
    assert "Keep the plan" in text_of(answer)
    assert buttons(answer) == ["manage", "change"]


def test_an_overdue_payment_is_said_on_every_page_to_admins(shop, browser, buyer, viewer, subscribe, org):
    account = subscribe(buyer)
    shop.use_portal(onward(browser(buyer).post(PAGE, {"do": "pay"})), card=FAILING_CARD)
    shop.renew(account.subscription_id)
    Account.objects.update(synced=None)
    answer = browser(buyer).get(f"{PAGE}?back=portal")
    assert "The last payment failed. The plan stays until" in text_of(answer)
    assert buttons(answer) == ["pay", "manage"]
    assert re.search(r'href="[^"]+/_config/invoices/in_\w+" rel="noopener noreferrer">Pay<', answer.content.decode())
    assert "Your plan stays until" not in text_of(answer)
    assert "The last payment failed. Your plan stays until" in text_of(browser(buyer).get("/app/inbox"))
    assert "The last payment failed" not in text_of(browser(viewer).get("/app/inbox"))

    Account.objects.update(overdue_since=timezone.now() - timedelta(days=15), synced=None)
    answer = browser(buyer).get(f"{PAGE}?back=portal")
    assert "so the plan is Free. Paying what is open brings Team back." in text_of(answer)
    assert plan_of(org) == ("free", 1_000)
    assert "Your plan stays until" not in text_of(browser(buyer).get("/app/inbox"))


def test_an_operators_own_plan_is_not_for_sale(shop, browser, admin):
    answer = browser(admin).get(PAGE)
    assert "has given your organisation a plan of its own" in text_of(answer)
    assert buttons(answer) == []
    assert "set by the operator" in text_of(browser(admin).post(PAGE, {"do": "buy", "plan": "team"}))


@pytest.mark.parametrize("who", ["viewer", "manager", "demo"])
def test_others_see_plan_and_usage_and_can_do_nothing(shop, browser, who, request, org):
    Org.objects.filter(pk=org.pk).update(plan="free")
    person = factories.make_user(org, "Dan Demo", is_demo=True) if who == "demo" else request.getfixturevalue(who)
    answer = browser(person).get(PAGE)
    said = text_of(answer)
    assert buttons(answer) == []
    assert "of 1,000 metrics" in said
    assert ("Only admins of the organisation see its invoices." in said) is (who != "demo")
    assert browser(person).post(PAGE, {"do": "buy", "plan": "team"}).status_code == 403
    assert Account.objects.count() == 0


@pytest.mark.parametrize("said", [{"do": "buy"}, {"do": "buy", "plan": "free"}, {"do": "change", "plan": "nonsense"}])
def test_what_is_not_for_sale_is_refused_on_the_page(shop, browser, buyer, said):
    assert "Nothing was changed" in text_of(browser(buyer).post(PAGE, said))
    assert Account.objects.count() == 0


def test_a_button_that_there_is_not_is_400(browser, admin):
    assert browser(admin).post(PAGE, {"do": "steal"}).status_code == 400


def test_while_stripe_is_away_everything_else_is_shown(shop, browser, buyer, subscribe):
    subscribe(buyer)
    shop.trouble(status=500)
    answer = browser(buyer).get(f"{PAGE}?back=portal")
    said = text_of(answer)
    assert "The invoices cannot be read now." in said
    assert "of 10,000 metrics" in said
    assert "does not answer at the moment" in text_of(browser(buyer).post(PAGE, {"do": "manage"}))


def test_another_org_sees_its_own(shop, browser, buyer, outsider, subscribe, org):
    subscribe(buyer)
    UsageDay.objects.create(org=org, day=timezone.now().date() - timedelta(days=1), metrics=777, metric_limit=10_000)
    said = text_of(browser(outsider).get(PAGE))
    assert ("777" in said, "PL-" in said, "Self-hosted" in said) == (False, False, True)


def test_a_plan_below_what_is_used_says_what_happens(shop, browser, buyer, subscribe, org, datastore):
    subscribe(buyer)
    Metric.objects.bulk_create(
        Metric(org=org, datastore=datastore, name=f"cpu.{number}", digest=number.to_bytes(16, "big")) for number in range(1_001)
    )
    assert text_of(browser(buyer).get(PAGE)).count("You use 1,001: those go on, new ones are refused.") == 1


def test_queries_do_not_grow_with_the_days(browser, admin, org, queries_of):  # noqa: F811
    client = browser(admin)
    client.get(PAGE)
    few = queries_of(lambda: client.get(PAGE))
    for number in range(1, 360):
        UsageDay.objects.create(org=org, day=timezone.now().date() - timedelta(days=number), metrics=5, metric_limit=10)
    assert queries_of(lambda: client.get(f"{PAGE}?days=365")) == few


def test_the_range_is_chosen_in_the_address(browser, admin, org):
    for number in (1, 40, 300):
        UsageDay.objects.create(org=org, day=timezone.now().date() - timedelta(days=number), metrics=number, metric_limit=1000)
    for days, bars in (("30", 2), ("90", 3), ("365", 4), ("nonsense", 2)):
        page = browser(admin).get(f"{PAGE}?days={days}").content.decode()
        assert page.count("<rect") - page.count('class="track"') - page.count('class="fill"') == bars, days


def test_the_picture_shows_each_day_at_its_place():
    days = (Day(date(2026, 3, 1), 50, 100), Day(date(2026, 3, 4), 120, 100))
    chart = usage_chart(days, since=date(2026, 3, 1), until=date(2026, 3, 10))
    assert (chart.width, chart.top, chart.middle) == (100.0, 200, 100)
    assert [(bar.x, bar.y, bar.height, bar.is_over) for bar in chart.bars] == [(1.0, 75.0, 25.0, False), (31.0, 40.0, 60.0, True)]
    assert chart.quota == "M0 50.00h10M30 50.00h10"
    assert [bar.used for bar in chart.days] == [120, 50]


def test_a_quota_far_above_is_told_instead_of_drawn():
    chart = usage_chart((Day(date(2026, 3, 1), 12, 10_000),), since=date(2026, 3, 1), until=date(2026, 3, 1))
    assert (chart.top, chart.quota, chart.bars[0].height) == (20, "", 60.0)


def test_nothing_used_is_a_flat_line():
    chart = usage_chart((Day(date(2026, 3, 1), 0, 1000),), since=date(2026, 3, 1), until=date(2026, 3, 1))
    assert (chart.top, chart.bars[0].height) == (4, 0.0)


@pytest.mark.parametrize(
    ("value", "top"),
    [(4, 4), (5, 8), (9, 10), (10, 10), (11, 20), (41, 50), (51, 80), (81, 100), (100, 100), (101, 200), (1000, 1000), (4001, 5000)],
)
def test_the_upper_edge_is_a_round_number(value, top):
    assert ceiling(value) == top


@pytest.mark.parametrize(
    ("amount", "currency", "words"),
    [
        (4900, "eur", "49.00 EUR"),
        (123456, "usd", "1,234.56 USD"),
        (500, "jpy", "500 JPY"),
        (1234, "kwd", "1.234 KWD"),
        (-4900, "eur", "-49.00 EUR"),
    ],
)
def test_money_is_written_in_its_unit(amount, currency, words):
    assert money(amount, currency) == words
