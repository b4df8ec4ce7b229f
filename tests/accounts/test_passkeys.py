"""Passkeys: what a device signs is verified, and what no device signs is refused in the same words."""

import tracemalloc
from datetime import timedelta

import pytest
from django.contrib.sessions.backends.base import SessionBase
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts import passkeys
from accounts.models import Passkey
from orgs.errors import Conflict, Invalid
from tests.device import ORIGIN, PRESENT, VERIFIED, Device, text

NOW = timezone.now()
# Nothing of a fixture changes from example to example, and no machine must be quick.
UNHURRIED = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


@pytest.fixture
def session() -> SessionBase:
    return SessionBase()


def make(session, person, device, *, name="laptop", now=NOW) -> Passkey:
    options = passkeys.begin_registration(session, person, now=now)
    return passkeys.register(session, person, name=name, sent=device.make(options), now=now)


def log_in(session, device, *, person=None, now=NOW):
    return passkeys.owner_of(session, device.sign(passkeys.begin_login(session, person, now=now)), now=now)


@pytest.fixture
def device(session, viewer) -> Device:
    """Vic's, with a passkey in it."""
    device = Device()
    make(session, viewer, device)
    return device


def test_a_passkey_is_made_and_logs_in(session, viewer, device):
    passkey = Passkey.objects.get()
    assert (passkey.user, passkey.org, passkey.name, bytes(passkey.credential_id)) == (viewer, viewer.org, "laptop", device.id)
    assert log_in(session, device) == viewer
    passkey.refresh_from_db()
    assert (passkey.sign_count, passkey.last_used) == (1, NOW)


def test_the_options_name_the_host_and_ask_the_device_to_know_its_owner(session, viewer, device):
    made = passkeys.begin_registration(session, viewer, now=NOW)
    assert (made["rp"], made["user"]["name"]) == ({"id": "localhost", "name": "Plumbline"}, viewer.email)
    wanted = {"residentKey": "required", "requireResidentKey": True, "userVerification": "required"}
    assert made["authenticatorSelection"] == wanted
    assert [known["id"] for known in made["excludeCredentials"]] == [text(device.id)]
    asked = passkeys.begin_login(session, None, now=NOW)
    assert (asked["rpId"], asked["userVerification"], asked.get("allowCredentials")) == ("localhost", "required", None)
    assert [known["id"] for known in passkeys.begin_login(session, viewer, now=NOW)["allowCredentials"]] == [text(device.id)]


def test_what_a_device_knows_a_person_by_tells_nothing_and_stays(session, viewer, editor):
    handles = [passkeys.begin_registration(session, person, now=NOW)["user"]["id"] for person in (viewer, viewer, editor)]
    assert handles[0] == handles[1] != handles[2]
    assert len(handles[0]) == 43


@pytest.mark.parametrize(
    "wrong",
    [
        {"origin": "https://evil.example"},
        {"origin": "http://localhost.evil.example:8000"},
        {"flags": PRESENT},  # it does not know its owner
        {"flags": VERIFIED},  # nobody touched it
    ],
)
def test_a_device_that_claims_too_little_or_is_elsewhere_is_refused(session, viewer, wrong):
    options = passkeys.begin_registration(session, viewer, now=NOW)
    with pytest.raises(Invalid):
        passkeys.register(session, viewer, name="x", sent=Device(**wrong).make(options), now=NOW)
    device = Device()
    make(session, viewer, device)
    for field, value in wrong.items():
        setattr(device, field, value)
    with pytest.raises(Invalid):
        log_in(session, device)


def test_another_host_is_refused(session, viewer, device):
    options = passkeys.begin_login(session, None, now=NOW)
    with pytest.raises(Invalid):
        passkeys.owner_of(session, device.sign(options, host="evil.example"), now=NOW)


def test_an_answer_counts_once_and_for_the_session_that_asked(session, viewer, device):
    answer = device.sign(passkeys.begin_login(session, None, now=NOW))
    with pytest.raises(Invalid):
        passkeys.owner_of(SessionBase(), answer, now=NOW)
    assert passkeys.owner_of(session, answer, now=NOW) == viewer
    with pytest.raises(Invalid):
        passkeys.owner_of(session, answer, now=NOW)


def test_an_answer_to_another_question_is_refused_and_ends_the_question(session, device):
    answer = device.sign(passkeys.begin_login(SessionBase(), None, now=NOW))
    asked = passkeys.begin_login(session, None, now=NOW)
    with pytest.raises(Invalid):
        passkeys.owner_of(session, answer, now=NOW)
    with pytest.raises(Invalid):
        passkeys.owner_of(session, device.sign(asked), now=NOW)


def test_an_answer_may_take_five_minutes(session, device, viewer):
    asked = passkeys.begin_login(session, None, now=NOW)
    with pytest.raises(Invalid):
        passkeys.owner_of(session, device.sign(asked), now=NOW + timedelta(minutes=6))


def test_a_signature_of_another_key_is_refused(session, device):
    thief = Device(id=device.id, handle=device.handle, count=device.count)
    with pytest.raises(Invalid):
        log_in(session, thief)


def test_a_passkey_of_another_persons_handle_is_refused(session, device, editor):
    device.handle = passkeys._handle_of(editor)
    with pytest.raises(Invalid):
        log_in(session, device)


def test_a_copy_is_known_by_its_count(session, device, viewer):
    log_in(session, device)
    log_in(session, device)
    device.count = 0
    with pytest.raises(Invalid):
        log_in(session, device)
    assert Passkey.objects.get().sign_count == 2


def test_a_device_that_does_not_count_works_on(session, viewer):
    device = Device(count=-1)
    options = passkeys.begin_registration(session, viewer, now=NOW)
    device.count = 0
    passkeys.register(session, viewer, name="phone", sent=device.make(options), now=NOW)
    for _ in range(2):
        device.count = -1
        assert log_in(session, device) == viewer


def test_a_closed_account_and_a_removed_passkey_log_nobody_in(session, device, viewer):
    viewer.is_active = False
    viewer.save()
    with pytest.raises(Invalid):
        log_in(session, device)
    viewer.is_active = True
    viewer.save()
    passkeys.remove(Passkey.objects.get())
    with pytest.raises(Invalid):
        log_in(session, device)


def test_a_passkey_is_one_persons(session, device, editor):
    options = passkeys.begin_registration(session, editor, now=NOW)
    with pytest.raises(Conflict):
        passkeys.register(session, editor, name="x", sent=device.make(options), now=NOW)


def test_one_may_have_twenty(session, viewer, monkeypatch):
    monkeypatch.setattr(passkeys, "MOST", 1)
    make(session, viewer, Device())
    with pytest.raises(Conflict):
        passkeys.begin_registration(session, viewer, now=NOW)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=50),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["id", "rawId", "type", "response", "clientDataJSON"]), inner)
    ),
    max_leaves=8,
)


@settings(suppress_health_check=UNHURRIED, max_examples=150)
@given(sent=st.dictionaries(st.sampled_from(["id", "rawId", "type", "response", "clientExtensionResults"]), JSON))
def test_nonsense_is_refused(session, viewer, sent):
    for call in (passkeys.begin_registration(session, viewer, now=NOW), passkeys.begin_login(session, None, now=NOW)):
        assert call["challenge"]
        with pytest.raises(Invalid):
            passkeys.register(session, viewer, name="x", sent=sent, now=NOW)
        with pytest.raises(Invalid):
            passkeys.owner_of(session, sent, now=NOW)


def test_a_number_is_never_taken_for_a_size(session, viewer, device):
    made = Device().make(passkeys.begin_registration(session, viewer, now=NOW))
    signed = device.sign(passkeys.begin_login(session, None, now=NOW))
    tracemalloc.start()
    for sent in (made, signed):
        for holder, name in [(sent, "rawId"), *((sent["response"], name) for name in sent["response"])]:
            kept, holder[name] = holder[name], 200_000_000
            with pytest.raises(Invalid):
                passkeys.register(session, viewer, name="x", sent=sent, now=NOW)
            with pytest.raises(Invalid):
                passkeys.owner_of(session, sent, now=NOW)
            holder[name] = kept
    assert tracemalloc.get_traced_memory()[1] < 20_000_000
    tracemalloc.stop()


@settings(suppress_health_check=UNHURRIED, max_examples=100)
@given(field=st.sampled_from(["clientDataJSON", "attestationObject"]), value=st.binary(max_size=200).map(text) | st.none())
def test_bytes_from_which_no_passkey_is_made(session, viewer, field, value):
    sent = Device().make(passkeys.begin_registration(session, viewer, now=NOW))
    sent["response"][field] = value
    with pytest.raises(Invalid):
        passkeys.register(session, viewer, name="x", sent=sent, now=NOW)


@settings(suppress_health_check=UNHURRIED, max_examples=100)
@given(
    field=st.sampled_from(["clientDataJSON", "authenticatorData", "signature"]),
    value=st.binary(max_size=200).map(text) | st.none(),
)
def test_bytes_that_sign_nothing(session, device, field, value):
    sent = device.sign(passkeys.begin_login(session, None, now=NOW))
    sent["response"][field] = value
    with pytest.raises(Invalid):
        passkeys.owner_of(session, sent, now=NOW)


@pytest.mark.parametrize(
    ("address", "possible"),
    [
        ("https://plumbline.example.com", True), ("http://localhost:8000", True), ("http://plumbline.example.com", False),
        ("https://192.0.2.1", False), ("http://127.0.0.1:8000", False), ("https://[2001:db8::1]", False),
    ],
)  # fmt: skip
def test_passkeys_need_a_name_and_https(settings, address, possible):
    settings.BASE_URL = address
    assert passkeys.are_possible() is possible


@pytest.mark.parametrize(
    ("origin", "is_ours"),
    [
        ("https://plumbline.example.com", True), ("https://other.plumbline.example.com", False), ("http://plumbline.example.com", False),
        ("https://plumbline.example.com:8443", False), ("https://front.example.com", True), (ORIGIN, False),
    ],
)  # fmt: skip
def test_the_origin_is_exactly_ours(settings, origin, is_ours):
    settings.BASE_URL, settings.CSRF_TRUSTED_ORIGINS = "https://plumbline.example.com", ["https://front.example.com"]
    assert passkeys._is_ours(origin) is is_ours
