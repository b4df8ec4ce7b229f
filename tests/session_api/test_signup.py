"""/signup: a new org from the first mail to the first log-in, and visits to the demo."""

from datetime import timedelta

import pytest
from django.core import mail
from django.utils import timezone

from accounts.models import KnownClient, Letter, Team, User
from accounts.tasks import drop_visitors
from datastores.models import Datastore
from orgs.models import Org
from tests import factories
from tests.session_api.conftest import Api, data, last_mail, session_of, token_in, wrong

NEW = "plumb lines hang straight"
SIGN_UP = {"email": "jo@example.com", "user_name": "Jo Miller", "org_name": "Example Ltd", "timezone": "Asia/Kathmandu"}


def verify(api, token, email="jo@example.com", first=NEW, second=NEW):
    return api.post("/signup/verify", {"email": email, "verification_token": token, "password_1": first, "password_2": second})


def test_from_sign_up_to_the_first_session(api, db):
    told = data(api.post("/signup/selfserve", SIGN_UP))["user"]
    assert (told["name"], told["email"], told["admin"], told["demo"]) == ("Jo Miller", "jo@example.com", True, False)
    assert (told["org"]["name"], told["org"]["timezone"]) == ("Example Ltd", "Asia/Kathmandu")
    token = token_in(last_mail("jo@example.com"))
    session = data(verify(api, token))["session"]
    assert (session["user"]["id"], session["user"]["org_id"]) == (told["id"], told["org_id"])
    assert data(Api(x_session_id=session["id"]).get("/user/info"))["user"]["email"] == "jo@example.com"
    org = Org.objects.get()
    assert (org.plan, org.metric_limit, org.is_test, org.validates_clients) == ("free", 1000, False, True)
    assert (Team.objects.get().is_public, Datastore.objects.get().name) == (True, "Metrics")
    assert wrong(verify(api, token)) == {"verification_token"}


def test_whoever_verified_here_is_no_new_client_here(api, db):
    api.post("/signup/selfserve", SIGN_UP)
    known = data(verify(api, token_in(last_mail("jo@example.com"))))["client_id"]
    assert KnownClient.objects.count() == 1
    told = data(api.post("/login", {"email": "jo@example.com", "password": NEW, "client_id": known}))
    assert told["two_factor_required"] is False


def test_nobody_comes_in_before_the_mail(api, db):
    api.post("/signup/selfserve", SIGN_UP)
    for password in ("", "!", NEW):
        assert api.post("/login", {"email": "jo@example.com", "password": password}).status_code in {400, 401}


def test_test_data_is_marked(api, db):
    api.post("/signup/selfserve", SIGN_UP | {"test_data": "true"})
    assert Org.objects.get().is_test is True


@pytest.mark.parametrize(
    ("said", "named"),
    [
        ({"email": "x"}, {"email"}),
        ({"timezone": "Mars/Olympus"}, {"timezone"}),
        ({"user_name": " "}, {"user_name"}),
        ({"org_name": None}, {"org_name"}),
        ({"test_data": "maybe"}, {"test_data"}),
        ({"org_name": "x" * 201, "timezone": ""}, {"org_name", "timezone"}),
    ],
)
def test_a_sign_up_that_does_not_do_is_named_and_makes_nothing(api, db, said, named):
    assert wrong(api.post("/signup/selfserve", SIGN_UP | said)) == named
    assert (Org.objects.count(), User.objects.count(), len(mail.outbox)) == (0, 0, 0)


def test_a_taken_address_is_answered_alike_and_its_owner_is_told(api, viewer):
    fresh = data(api.post("/signup/selfserve", SIGN_UP))
    taken = data(api.post("/signup/selfserve", SIGN_UP | {"email": viewer.email}))
    assert fresh["message"] == taken["message"]
    assert taken["user"].keys() == fresh["user"].keys()
    assert (taken["user"]["email"], taken["user"]["admin"]) == (viewer.email, True)
    assert taken["user"]["id"] == fresh["user"]["id"] + 1
    assert not User.objects.filter(pk=taken["user"]["id"]).exists()
    assert Org.objects.filter(name="Example Ltd").count() == 1
    assert mail.outbox[-1].subject == "You already have an account at Plumbline"
    assert mail.outbox[-1].to == [viewer.email]


def test_a_token_is_for_its_address_only(api, db):
    api.post("/signup/selfserve", SIGN_UP)
    token = token_in(last_mail("jo@example.com"))
    assert wrong(verify(api, token, email="else@example.com")) == {"verification_token"}
    data(verify(api, token))


@pytest.mark.parametrize(
    ("first", "second", "named"),
    [(NEW, "other", "password_2"), ("short", "short", "password_1"), ("jo@example.com", "jo@example.com", "password_1")],
)
def test_a_password_that_does_not_do_leaves_the_token_alive(api, db, first, second, named):
    api.post("/signup/selfserve", SIGN_UP)
    token = token_in(last_mail("jo@example.com"))
    assert wrong(verify(api, token, first=first, second=second)) == {named}
    data(verify(api, token))


def test_a_token_dies_of_age(api, db):
    api.post("/signup/selfserve", SIGN_UP)
    assert abs(Letter.objects.get().expires - timezone.now() - timedelta(days=2)) < timedelta(hours=1)
    Letter.objects.update(expires=timezone.now())
    assert wrong(verify(api, token_in(last_mail("jo@example.com")))) == {"verification_token"}


@pytest.fixture
def shop_window(db) -> Org:
    """An org that anybody may visit."""
    org = factories.make_org("Northwind", slug="shop-window")
    Org.objects.filter(pk=org.pk).update(is_demo=True, description="Real series")
    org.refresh_from_db()
    return org


def test_demo_orgs_are_those_that_are_shown(api, shop_window, org):
    expected = {"orgs": [{"id": shop_window.pk, "name": "Northwind", "description": "Real series"}]}
    assert data(api.get("/signup/demo-orgs")) == data(api.post("/signup/demo-orgs")) == expected


def test_a_visitor_sees_the_demo_and_changes_nothing(api, shop_window):
    answer = api.post("/signup/demo", {"email": "jo@example.com", "user_name": "Jo", "demo_org_id": shop_window.pk})
    session = data(answer)["session"]
    assert (session["user"]["demo"], session["user"]["admin"], session["user"]["org_id"]) == (True, False, shop_window.pk)
    visitor = Api(x_session_id=session_of(answer))
    assert data(visitor.get("/org/info"))["org"]["tokens"] is None
    data(visitor.post("/user/update", {"name": "x"}), 403)
    assert User.objects.get().contact_email == "jo@example.com"
    data(api.post("/signup/selfserve", SIGN_UP))
    assert User.objects.filter(email="jo@example.com").count() == 1


def test_an_org_that_is_no_demo_lets_nobody_in(api, org):
    data(api.post("/signup/demo", {"email": "jo@example.com", "user_name": "Jo", "demo_org_id": org.pk}), 404)
    data(api.post("/signup/demo", {"email": "jo@example.com", "user_name": "Jo", "demo_org_id": 999_999}), 404)
    assert User.objects.count() == 0


def test_visitors_go_after_a_week_and_demo_users_of_an_org_stay(shop_window, demo):
    old, new = (factories.make_user(shop_window, is_demo=True, contact_email="a@b.example") for _ in range(2))
    User.objects.filter(pk__in=[old.pk, demo.pk]).update(created=timezone.now() - timedelta(days=8))
    assert drop_visitors() == 1
    assert set(User.objects.values_list("pk", flat=True)) == {new.pk, demo.pk}


def test_an_address_may_sign_up_twenty_times_an_hour(api, shop_window):
    codes = [
        api.post("/signup/demo", {"email": "jo@example.com", "user_name": "Jo", "demo_org_id": shop_window.pk}).status_code
        for _ in range(21)
    ]
    assert codes == [200] * 20 + [429]
