"""Members of the org as a page: invite, invite again, withdraw, roles, closing and removing; one admin stays."""

from datetime import timedelta

import pytest
from django.core import mail
from django.test import TestCase
from django.utils import timezone

from accounts.models import Letter, User
from orgs.models import Event
from tests import factories
from tests.session_api.conftest import token_in

PAGE = "/app/settings/members"
HTMX = {"HX-Request": "true"}


def do(client, what, **said):
    with TestCase.captureOnCommitCallbacks(execute=True):
        return client.post(PAGE, {"do": what, **said}, headers=HTMX)


def test_an_admin_invites_and_the_invited_come_in(as_, admin, client):
    answer = do(as_(admin), "invite", add="Jo@Example.com", name="Jo Miller", role="manager")
    assert b"jo@example.com was invited" in answer.content
    person = User.objects.get(email="jo@example.com")
    assert (person.org_id, person.name, person.role) == (admin.org_id, "Jo Miller", "manager")
    (message,) = mail.outbox
    assert (message.to, "Ada Admin invites you" in message.body) == (["jo@example.com"], True)
    said = {"email": person.email, "token": token_in(message.body), "password_1": "plumb lines hang", "password_2": "plumb lines hang"}
    client.post("/app/verify", said)
    assert b'<span class="status ok">active</span>' in as_(admin).get(PAGE, {"search": "jo@"}).content


@pytest.mark.parametrize(
    ("said", "field"), [({"add": "nonsense"}, "add"), ({"add": ""}, "add"), ({"role": "king"}, "role"), ({"add": "taken"}, "add")]
)
def test_an_invitation_that_does_not_do_is_said_beside_its_field(as_, admin, outsider, said, field):
    told = {"add": "jo@example.com", "role": "member", **said}
    told["add"] = outsider.email if told["add"] == "taken" else told["add"]
    answer = do(as_(admin), "invite", **told)
    assert f'id="invite_{field}_error"' in answer.content.decode()
    assert (User.objects.count(), mail.outbox) == (2, [])


@pytest.fixture
def invited(as_, admin):
    do(as_(admin), "invite", add="jo@example.com", role="member")
    return User.objects.get(email="jo@example.com")


def test_an_invitation_is_sent_again_with_a_new_token_but_not_at_once(as_, admin, invited):
    assert b"Wait a minute before the next" in do(as_(admin), "invite_again", id=invited.pk).content
    Letter.objects.update(created=timezone.now() - timedelta(minutes=2))
    assert b"A new mail is on its way" in do(as_(admin), "invite_again", id=invited.pk).content
    first, second = (token_in(message.body) for message in mail.outbox)
    assert first != second
    assert [letter.used is None for letter in Letter.objects.order_by("pk")] == [False, True]


def test_an_old_invitation_is_shown_as_expired(as_, admin, invited):
    Letter.objects.update(created=timezone.now() - timedelta(days=8))
    assert b"invitation expired" in as_(admin).get(PAGE).content


def test_a_demo_user_is_active_and_was_never_invited(as_, admin):
    demo = User.objects.create_user("a1@demo.invalid", None, org=admin.org, name="Visitor", is_demo=True)
    page = as_(admin).get(PAGE, {"search": "visitor"}).content
    assert (b'<span class="status ok">active</span>' in page, b"Resend" in page) == (True, False)
    assert b"has come in already" in do(as_(admin), "invite_again", id=demo.pk).content
    assert mail.outbox == []


def test_who_has_come_in_is_not_invited_again(as_, admin, viewer):
    assert b"has come in already" in do(as_(admin), "invite_again", id=viewer.pk).content
    assert mail.outbox == []


def test_an_invitation_is_withdrawn(as_, admin, invited):
    assert b"jo was removed" in do(as_(admin), "remove", id=invited.pk).content
    assert not User.objects.filter(pk=invited.pk).exists()


def test_a_role_changes_and_the_feed_says_so(as_, admin, viewer):
    assert b"Vic Viewer is a manager now" in do(as_(admin), "set_role", id=viewer.pk, role="manager").content
    viewer.refresh_from_db()
    assert (viewer.role, Event.objects.get(type="member").user_id) == ("manager", admin.pk)


@pytest.mark.parametrize("what", ["set_role", "close", "remove"])
def test_the_last_admin_stays(as_, admin, viewer, what):
    answer = do(as_(admin), what, id=admin.pk, role="member")
    assert b"This is the last admin of the org" in answer.content
    admin.refresh_from_db()
    assert (admin.role, admin.is_active) == ("admin", True)


def test_a_closed_account_cannot_log_in_until_it_is_opened(as_, admin, viewer, client):
    do(as_(admin), "close", id=viewer.pk)
    assert not client.login(username=viewer.email, password=factories.PASSWORD)
    assert b'<span class="status">account closed</span>' in as_(admin).get(PAGE).content
    do(as_(admin), "reopen", id=viewer.pk)
    assert client.login(username=viewer.email, password=factories.PASSWORD)


def test_people_of_other_orgs_are_not_there(as_, admin, outsider):
    for what in ("set_role", "close", "remove", "invite_again"):
        assert b"This person has left meanwhile" in do(as_(admin), what, id=outsider.pk, role="member").content
    assert outsider.email.encode() not in as_(admin).get(PAGE).content
    assert User.objects.get(pk=outsider.pk).is_active


def test_a_manager_looks_and_changes_nothing(as_, manager, viewer):
    page = as_(manager).get(PAGE).content.decode()
    assert (viewer.email in page, 'value="invite"' in page) == (True, False)
    assert "Only admins of the organisation can change this." in page
    assert as_(manager).post(PAGE, {"do": "remove", "id": viewer.pk}).status_code == 403
    assert User.objects.filter(pk=viewer.pk).exists()


def test_a_member_does_not_look(as_, viewer):
    assert as_(viewer).get(PAGE).status_code == 403


def test_it_is_searched_and_goes_page_by_page(as_, admin, queries_of):
    client = as_(admin)
    few = queries_of(lambda: client.get(PAGE))
    for number in range(60):
        factories.make_user(admin.org, f"Person {number:02}")
    assert queries_of(lambda: client.get(PAGE)) == few
    first = client.get(PAGE).context["page"]
    assert (first.first, first.last, first.total, first.before, first.after) == (1, 50, 61, "", "?page=2")
    last = client.get(PAGE, {"page": "99"}).context["page"]
    assert (last.first, last.last, last.after) == (51, 61, "")
    assert client.get(PAGE, {"search": "person 07"}).context["page"].total == 1
    assert b"Nobody like that" in client.get(PAGE, {"search": "\x00nobody"}).content
