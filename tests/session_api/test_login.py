"""/login: who may come in, the second factor, forgotten passwords, and what a guesser learns: nothing."""

import re
import statistics
import time
from datetime import timedelta

import pytest
from django.contrib.auth.hashers import identify_hasher
from django.core import mail
from django.test import Client
from django.utils import timezone

from accounts import letters, second_factors, totp
from accounts.models import Authenticator, KnownClient, Letter, Session
from accounts.sessions import is_anonymous
from tests.factories import PASSWORD
from tests.session_api.conftest import Api, code_in, data, last_mail, session_of, token_in, wrong

NEW = "plumb lines hang straight"


@pytest.fixture
def trusting(org):
    """An org that has turned the second factor off."""
    org.validates_clients = False
    org.save()
    return org


@pytest.fixture
def many_tries(settings):
    settings.LOGIN_PER_ACCOUNT = settings.LOGIN_PER_ADDRESS = 1000


def log_in(api, person, **more):
    return api.post("/login", {"email": person.email, "password": PASSWORD, **more})


def test_the_right_password_gives_a_session_under_a_new_id(api, trusting, viewer):
    before = session_of(api.get("/ping"))
    answer = api.post("/login", {"email": viewer.email.upper(), "password": PASSWORD}, x_session_id=before)
    told = data(answer)
    assert told["two_factor_required"] is False
    assert told["session"]["id"] == session_of(answer) != before
    assert (told["session"]["user"]["id"], told["session"]["user"]["email"]) == (viewer.pk, viewer.email)
    assert data(Api(x_session_id=told["session"]["id"]).get("/user/info"))["user"] == told["session"]["user"]
    data(api.get("/user/info", x_session_id=before), 401)


def test_the_id_from_before_is_worth_nothing_after(api, trusting, viewer):
    fixed = session_of(api.get("/ping"))
    log_in(Api(x_session_id=fixed), viewer)
    assert is_anonymous(fixed)
    data(api.get("/user/info", x_session_id=fixed), 401)
    assert Session.objects.get().user == viewer


def test_logging_in_again_rotates_too(api, trusting, viewer):
    first = data(log_in(api, viewer))["session"]["id"]
    second = data(log_in(Api(x_session_id=first), viewer))["session"]["id"]
    data(api.get("/user/info", x_session_id=first), 401)
    data(api.get("/user/info", x_session_id=second))
    assert Session.objects.count() == 1


@pytest.mark.parametrize("remember", [True, False])
def test_a_remembered_session_lasts_longer(api, trusting, viewer, remember):
    log_in(api, viewer, remember=remember)
    left = Session.objects.get().expire_date - timezone.now()
    assert abs(left - timedelta(days=14 if remember else 1)) < timedelta(hours=1)


def test_passwords_are_kept_as_argon2id(viewer):
    assert identify_hasher(viewer.password).algorithm == "argon2"
    assert viewer.password.startswith("argon2$argon2id$")


def test_unknown_wrong_and_closed_are_answered_in_the_same_words(api, trusting, viewer, reporter):
    reporter.is_active = False
    reporter.save()
    answers = [
        api.post("/login", {"email": "nobody@example.com", "password": PASSWORD}),
        api.post("/login", {"email": viewer.email, "password": "wrong"}),
        api.post("/login", {"email": reporter.email, "password": PASSWORD}),
    ]
    assert [data(answer, 401) for answer in answers] == [{"message": "This e-mail and password do not fit together.", "errors": {}}] * 3
    assert Session.objects.count() == 0


def took_ms(call):
    """Of the processors, all threads taken together: whatever else the machine does is not counted."""
    started = time.process_time()
    call()
    return 1000 * (time.process_time() - started)


def test_unknown_and_wrong_take_the_same_time(api, trusting, viewer, many_tries):
    """Measured in turns, so that both see the same machine."""
    pairs = [
        (
            took_ms(lambda at=at: api.post("/login", {"email": f"nobody{at}@example.com", "password": "wrong"})),
            took_ms(lambda: api.post("/login", {"email": viewer.email, "password": "wrong"})),
        )
        for at in range(9)
    ]
    unknown, known = (statistics.median(times) for times in zip(*pairs, strict=True))
    assert 0.6 < unknown / known < 1.67, (unknown, known)


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({}, {"email", "password"}),
        ({"email": "no address", "password": "x"}, {"email"}),
        ({"email": "a@b.example"}, {"password"}),
        ({"email": "a@b.example", "password": "x" * 1001}, {"password"}),
        ({"email": ["a@b.example"], "password": {"x": 1}}, {"email", "password"}),
    ],
)
def test_what_does_not_do_is_named(api, body, named):
    assert wrong(api.post("/login", body)) == named


def test_an_account_may_be_guessed_so_many_times_a_minute(api, trusting, viewer, settings):
    assert settings.LOGIN_PER_ACCOUNT == 5
    settings.LOGIN_PER_ACCOUNT = 2
    for _ in range(2):
        data(api.post("/login", {"email": viewer.email, "password": "wrong"}), 401)
    refused = log_in(api, viewer)
    data(refused, 429)
    assert refused["Retry-After"] == "30"


def test_an_account_that_does_not_exist_is_throttled_alike(api, db, settings):
    settings.LOGIN_PER_ACCOUNT = 2
    codes = [api.post("/login", {"email": "nobody@example.com", "password": "wrong"}).status_code for _ in range(3)]
    assert codes == [401, 401, 429]


def test_an_address_may_guess_so_many_times_a_minute(api, settings):
    assert settings.LOGIN_PER_ADDRESS == 20
    settings.LOGIN_PER_ADDRESS = 3
    codes = [api.post("/login", {"email": f"nobody{at}@example.com", "password": "wrong"}).status_code for at in range(4)]
    assert codes == [401] * 3 + [429]


def test_a_new_client_needs_the_code_of_the_mail(api, viewer):
    answer = log_in(api, viewer, client_name="Vic's laptop")
    assert data(answer)["two_factor_required"] is True
    assert "session" not in data(answer)
    pending = Api(x_session_id=session_of(answer))
    data(pending.get("/user/info"), 401)
    text = last_mail(viewer.email)
    assert "Vic's laptop" in text
    told = data(pending.get("/login/validateclient", {"code": code_in(text)}))
    assert told["session"]["user"]["id"] == viewer.pk
    assert told["session"]["id"] != pending.headers["x_session_id"]
    assert data(api.get("/user/info", x_session_id=told["session"]["id"]))["user"]["id"] == viewer.pk
    data(pending.get("/login/validateclient", {"code": code_in(text)}), 400)


def validated(api, person):
    pending = Api(x_session_id=session_of(log_in(api, person)))
    return pending.post("/login/validateclient", {"code": code_in(last_mail(person.email))})


def test_a_validated_client_is_known_by_its_id_or_its_cookie(api, viewer):
    answer = validated(api, viewer)
    known = data(answer)["client_id"]
    assert answer.cookies["client_id"].value == known
    assert answer.cookies["client_id"]["httponly"]
    assert data(log_in(api, viewer, client_id=known))["two_factor_required"] is False
    browser = Client()
    browser.cookies["client_id"] = known
    assert data(browser.post("/login", {"email": viewer.email, "password": PASSWORD}))["two_factor_required"] is False


def test_a_client_is_known_only_to_whom_it_proved_it(api, viewer, reporter):
    known = data(validated(api, viewer))["client_id"]
    assert data(log_in(api, reporter, client_id=known))["two_factor_required"] is True


def test_a_client_id_that_was_altered_forgotten_or_is_old_is_new(api, viewer, many_tries):
    known = data(validated(api, viewer))["client_id"]
    assert data(log_in(api, viewer, client_id=known[:-1] + ("A" if known[-1] != "A" else "B")))["two_factor_required"] is True
    KnownClient.objects.update(created=timezone.now() - timedelta(days=181))
    assert data(log_in(api, viewer, client_id=known))["two_factor_required"] is True
    KnownClient.objects.all().delete()
    assert data(log_in(api, viewer, client_id=known))["two_factor_required"] is True


def test_the_code_works_only_in_the_client_that_logged_in(api, viewer):
    log_in(api, viewer)
    code = code_in(last_mail(viewer.email))
    assert wrong(Api().get("/login/validateclient", {"code": code})) == {"code"}
    assert wrong(Api(x_session_id=session_of(api.get("/ping"))).get("/login/validateclient", {"code": code})) == {"code"}


def test_the_link_of_the_mail_works_in_any_client_once(api, viewer):
    log_in(api, viewer)
    path = re.search(r"/login/validateclient\S+", last_mail(viewer.email)).group()
    assert data(Api().get(path))["session"]["user"]["id"] == viewer.pk
    data(Api().get(path), 400)


def test_the_link_opens_a_page_that_asks_in_a_browser_and_uses_nothing_up(api, viewer):
    """Programs that look through mail open links as browsers do."""
    log_in(api, viewer)
    link, browser = re.search(r"/login/validateclient\S+", last_mail(viewer.email)).group(), Client()
    for _ in range(2):
        page = Client().get(link, headers={"Accept": "text/html"})
        assert (page.status_code, page["Location"].partition("?")[0]) == (302, "/app/login/link")
    form = browser.get(page["Location"]).context["form"]
    answer = browser.post("/app/login/link", {name: form[name].value() for name in ("code", "token")})
    assert (answer.status_code, answer["Location"]) == (302, "/app/")
    assert data(browser.get("/user/info"))["user"]["id"] == viewer.pk
    again = Client().post("/app/login/link", {name: form[name].value() for name in ("code", "token")})
    assert b"The link was used, or is too old" in again.content


def test_five_wrong_codes_end_the_challenge(api, viewer, many_tries):
    pending = Api(x_session_id=session_of(log_in(api, viewer)))
    code = code_in(last_mail(viewer.email))
    guess = f"{(int(code) + 1) % 10**6:06d}"
    for _ in range(letters.MOST_CODE_TRIES):
        data(pending.get("/login/validateclient", {"code": guess}), 400)
    data(pending.get("/login/validateclient", {"code": code}), 400)


def test_a_code_is_too_old_after_a_quarter_of_an_hour(api, viewer):
    pending = Api(x_session_id=session_of(log_in(api, viewer)))
    assert abs(Letter.objects.get().expires - timezone.now() - timedelta(minutes=15)) < timedelta(minutes=5)
    Letter.objects.update(expires=timezone.now())
    data(pending.get("/login/validateclient", {"code": code_in(last_mail(viewer.email))}), 400)


def test_no_secret_of_a_mail_is_in_the_database(api, viewer):
    log_in(api, viewer)
    text = last_mail(viewer.email)
    letter = Letter.objects.get()
    everything = repr({field.name: getattr(letter, field.name) for field in Letter._meta.fields})
    assert token_in(text) not in everything
    assert code_in(text) not in everything
    assert token_in(text).encode() not in bytes(letter.digest)


def test_every_mail_has_the_same_words_as_text_and_html(api, viewer):
    log_in(api, viewer)
    message = mail.outbox[-1]
    html, kind = message.alternatives[0]
    assert (kind, message.subject) == ("text/html", "Your code for Plumbline")
    assert code_in(message.body) in html
    assert token_in(message.body) in html


def test_forgot_password_says_the_same_and_mails_only_whom_there_is(api, viewer, reporter):
    reporter.is_active = False
    reporter.save()
    answers = [api.post("/login/forgotpassword", {"email": email}) for email in (viewer.email, "nobody@example.com", reporter.email)]
    assert len({str(data(answer)) for answer in answers}) == 1
    assert [message.to for message in mail.outbox] == [[viewer.email]]


def test_forgot_password_makes_the_same_queries_for_all(api, viewer, django_assert_num_queries):
    client = Client()
    for email in (viewer.email, "nobody@example.com"):
        with django_assert_num_queries(2):
            client.post("/login/forgotpassword", {"email": email})


def reset(api, token, first=NEW, second=NEW):
    return api.post("/login/resetpassword", {"token": token, "new_password_1": first, "new_password_2": second})


def test_the_token_of_the_mail_sets_a_new_password_once(api, trusting, viewer, as_, many_tries):
    logged_in = as_(viewer)
    KnownClient.objects.create(org=viewer.org, user=viewer, digest=b"x", last_used=timezone.now())
    api.post("/login/forgotpassword", {"email": viewer.email})
    token = token_in(last_mail(viewer.email))
    data(reset(api, token))
    assert mail.outbox[-1].subject == "Your Plumbline password was changed"
    data(logged_in.get("/user/info"), 401)
    assert not KnownClient.objects.exists()
    data(log_in(api, viewer), 401)
    assert data(api.post("/login", {"email": viewer.email, "password": NEW}))["session"]["user"]["id"] == viewer.pk
    assert wrong(reset(api, token)) == {"token"}


@pytest.mark.parametrize(("first", "second", "named"), [
    (NEW, NEW + "!", "new_password_2"), ("short", "short", "new_password_1"), ("password1234", "password1234", "new_password_1"),
])  # fmt: skip
def test_a_new_password_that_does_not_do_leaves_the_token_alive(api, viewer, first, second, named):
    api.post("/login/forgotpassword", {"email": viewer.email})
    token = token_in(last_mail(viewer.email))
    assert wrong(reset(api, token, first, second)) == {named}
    data(reset(api, token))


def test_a_reset_token_dies_of_age_and_of_a_newer_password(api, viewer, many_tries):
    for _ in range(2):
        api.post("/login/forgotpassword", {"email": viewer.email})
    first, second = (token_in(message.body) for message in mail.outbox)
    data(reset(api, first))
    assert wrong(reset(api, second)) == {"token"}
    api.post("/login/forgotpassword", {"email": viewer.email})
    Letter.objects.update(expires=timezone.now())
    assert wrong(reset(api, token_in(last_mail(viewer.email)))) == {"token"}


def test_a_token_of_another_purpose_resets_nothing(api, viewer):
    log_in(api, viewer)
    assert wrong(reset(api, token_in(last_mail(viewer.email)))) == {"token"}


def with_app(person) -> tuple[str, ...]:
    """The recovery codes of a person whose authenticator app is on."""
    second_factors.begin(person)
    codes = second_factors.confirm(person, code_of_app(person), now=timezone.now())
    Authenticator.objects.update(last_step=0)
    return codes


def code_of_app(person) -> str:
    secret = second_factors._secret_of(Authenticator.objects.get(user=person))
    return totp.code_at(secret, totp.step_at(timezone.now().timestamp()))


def test_a_person_with_an_app_sends_its_code_for_a_new_client(api, viewer, many_tries):
    with_app(viewer)
    asked = data(log_in(api, viewer))
    assert (asked["two_factor_required"], asked["second_factor"]) == (True, "app")
    assert not Letter.objects.filter(kind=Letter.Kind.CHALLENGE).exists()
    pending = Api(x_session_id=session_of(log_in(api, viewer)))
    assert wrong(pending.get("/login/validateclient", {"code": "000000"})) == {"code"}
    code = code_of_app(viewer)
    told = data(pending.get("/login/validateclient", {"code": code}))
    assert told["session"]["user"]["id"] == viewer.pk
    assert data(log_in(api, viewer, client_id=told["client_id"]))["two_factor_required"] is False
    replay = Api(x_session_id=session_of(log_in(api, viewer)))
    assert wrong(replay.get("/login/validateclient", {"code": code})) == {"code"}


def test_a_mailed_code_says_so(api, viewer):
    assert data(log_in(api, viewer))["second_factor"] == "mail"


def test_a_recovery_code_does_where_the_app_is_lost(api, viewer, many_tries):
    codes = with_app(viewer)
    for expected in (200, 400):
        pending = Api(x_session_id=session_of(log_in(api, viewer)))
        data(pending.post("/login/validateclient", {"code": codes[0].upper()}), expected)


def test_a_recovery_code_is_no_mailed_code(api, viewer):
    pending = Api(x_session_id=session_of(log_in(api, viewer)))
    assert wrong(pending.post("/login/validateclient", {"code": "abcde-fghjk"})) == {"code"}
