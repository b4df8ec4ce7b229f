"""/api/billing: the same as the session API's, for programs that speak REST."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

from billing.models import Account, UsageDay
from orgs.models import Org
from tests import factories
from tests.api.conftest import client_with, same_queries  # noqa: F401

PLAN, USAGE, INVOICES, CHECKOUT, PORTAL = (f"/api/billing/{name}" for name in ("plan", "usage", "invoices", "checkout", "portal"))
DOCUMENT = yaml.safe_load((Path(__file__).parents[2] / "docs" / "openapi.yaml").read_text())


@pytest.fixture
def calling(db):
    """A program with a token of this person."""
    return lambda person, *scopes: client_with(factories.make_personal_token(person, *scopes))


def described(answer, path: str, method: str = "get"):
    """The JSON of the answer, which is as the OpenAPI document says."""
    media = DOCUMENT["paths"][path][method]["responses"][str(answer.status_code)]["content"]
    schema = media[answer["Content-Type"].partition(";")[0]]["schema"]
    Draft202012Validator({**schema, "components": DOCUMENT["components"]}).validate(answer.json())
    return answer.json()


def wrong(answer, status: int = 422) -> list[list[str]]:
    assert (answer.status_code, answer["Content-Type"]) == (status, "application/problem+json"), answer.content
    return [error["loc"] for error in answer.json()["errors"]]


def test_without_billing_the_plan_and_the_usage_are_shown_all_the_same(calling, viewer, datastore):
    factories.make_metric(datastore, "cpu")
    plan = described(calling(viewer).get(PLAN), PLAN)
    assert (plan["enabled"], plan["plan"], plan["name"], plan["metric_limit"], plan["status"]) == (
        False,
        "self-hosted",
        "Self-hosted",
        1000,
        "",
    )
    assert [(one["code"], one["metric_limit"], one["amount"], one["currency"], one["current"]) for one in plan["plans"]] == [
        ("free", 1000, 0, "eur", False), ("team", 10_000, 4900, "eur", False), ("business", 100_000, 29900, "eur", False),
    ]  # fmt: skip
    usage = described(calling(viewer).get(USAGE), USAGE)
    assert (usage["used"], usage["limit"], usage["remaining"]) == (1, 1000, 999)
    assert usage["days"] == [{"day": f"{datetime.now(UTC):%Y-%m-%d}", "used": 1, "limit": 1000}]


def test_without_billing_there_are_no_invoices_and_nothing_can_be_bought(calling, admin):
    assert described(calling(admin).get(INVOICES), INVOICES) == {"enabled": False, "invoices": []}
    for path, body in ((CHECKOUT, {"plan": "team"}), (CHECKOUT, {}), (PORTAL, {})):
        problem = described(calling(admin).post(path, body), path, "post")
        assert (problem["type"], problem["status"]) == ("/problems/not-enabled", 501)
        assert problem["detail"] == "Billing is not enabled on this installation: its operator sets plans and limits."
    assert Account.objects.count() == 0


def test_a_subscription_is_shown_while_it_lives(shop, calling, buyer, subscribe):
    account = subscribe(buyer)
    plan = described(calling(buyer).get(PLAN), PLAN)
    assert (plan["enabled"], plan["plan"], plan["status"], plan["ends"], plan["grace_until"]) == (True, "team", "active", None, None)
    assert plan["renews"] == f"{account.period_end:%Y-%m-%dT%H:%M:%S}.000Z"
    assert [one["code"] for one in plan["plans"] if one["current"]] == ["team"]


def test_buying_and_managing_works_like_the_session_api(shop, calling, buyer, subscribe):
    page = described(calling(buyer).post(CHECKOUT, {"plan": "team", "return_url": "/app/"}), CHECKOUT, "post")
    assert page["url"].startswith(f"{shop.url}/_config/pay/")
    assert described(calling(buyer).post(CHECKOUT, {"plan": "team", "return_url": "/app/"}), CHECKOUT, "post") == page
    subscribe(buyer)
    answer = calling(buyer).post(CHECKOUT, {"plan": "business"})
    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/conflict")
    portal = described(calling(buyer).post(PORTAL, {"plan": "business"}), PORTAL, "post")
    assert portal["url"].startswith(f"{shop.url}/_config/portal/")
    (invoice,) = described(calling(buyer).get(INVOICES), INVOICES)["invoices"]
    assert (invoice["amount"], invoice["currency"], invoice["status"]) == (4900, "eur", "paid")


@pytest.mark.parametrize(
    ("path", "body", "loc"),
    [
        (CHECKOUT, {}, ["body", "plan"]),
        (CHECKOUT, {"plan": "free"}, ["body", "plan"]),
        (CHECKOUT, {"plan": "team", "return_url": "https://evil.example/"}, ["body", "return_url"]),
        (CHECKOUT, {"plan": "team", "coupon": "x"}, ["body", "coupon"]),
        (PORTAL, {"plan": "free"}, ["body", "plan"]),
        (PORTAL, {"return_url": "//evil.example"}, ["body", "return_url"]),
    ],
)
def test_what_does_not_do_is_named_and_nothing_is_made(shop, calling, buyer, path, body, loc):
    assert wrong(calling(buyer).post(path, body)) == [loc]
    assert Account.objects.exclude(checkout_id="").count() == 0


@pytest.mark.parametrize(
    ("query", "name"),
    [("since=yesterday", "since"), ("until=2026-02-30", "until"), ("since=2026-02-02&until=2026-02-01", "since"),
     ("since=2020-01-01&until=2026-01-01", "since"), ("limit=3", "limit")],
)  # fmt: skip
def test_a_stretch_of_days_that_does_not_do_is_named(calling, viewer, query, name):
    assert wrong(calling(viewer).get(f"{USAGE}?{query}")) == [["query", name]]


def test_the_days_asked_for_are_told(calling, viewer, org):
    for day, used in ((1, 5), (2, 7), (3, 9)):
        UsageDay.objects.create(org=org, day=f"2026-01-0{day}", metrics=used, metric_limit=10)
    found = calling(viewer).get(f"{USAGE}?since=2026-01-02&until=2026-01-31").json()
    assert [(one["day"], one["used"]) for one in found["days"]] == [("2026-01-02", 7), ("2026-01-03", 9)]
    assert (found["since"], found["until"]) == ("2026-01-02", "2026-01-31")


@pytest.mark.parametrize("limit", ["0", "101", "x"])
def test_how_many_invoices_is_1_to_100(calling, admin, limit):
    assert wrong(calling(admin).get(f"{INVOICES}?limit={limit}")) == [["query", "limit"]]


def test_another_org_sees_its_own(calling, org, datastore, outsider):
    factories.make_metric(datastore, "cpu")
    UsageDay.objects.create(org=org, day=datetime.now(UTC).date() - timedelta(days=1), metrics=5, metric_limit=10)
    Org.objects.filter(pk=org.pk).update(plan="business")
    assert calling(outsider).get(PLAN).json()["plan"] == "self-hosted"
    found = calling(outsider).get(USAGE).json()
    assert (found["used"], len(found["days"])) == (0, 1)


def test_a_token_that_only_reads_buys_nothing(shop, calling, buyer):
    assert calling(buyer, "read", "write").post(CHECKOUT, {"plan": "team"}).status_code == 403
    assert calling(buyer, "read").get(INVOICES).status_code == 200


def test_queries_are_few_and_the_same_for_many_days(calling, viewer, org, same_queries):  # noqa: F811
    client = calling(viewer)
    client.get(PLAN)
    same_queries("GET /api/billing/plan", lambda: client.get(PLAN))
    for number in range(80):
        UsageDay.objects.create(org=org, day=datetime.now(UTC).date() - timedelta(days=number), metrics=5, metric_limit=10)
    same_queries("GET /api/billing/usage, 80 days", lambda: client.get(USAGE))
