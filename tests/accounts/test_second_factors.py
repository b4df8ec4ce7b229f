"""An authenticator app and its recovery codes: turned on by a first code, each code for one log-in, sealed at rest."""

from datetime import UTC, datetime, timedelta

import pytest
from django.core import mail
from django.db import connection, transaction
from django.test import TestCase
from django.utils import timezone

from accounts import second_factors, totp
from accounts.models import Authenticator, KnownClient, RecoveryCode
from orgs.errors import Conflict, Invalid
from tests.metrics.threads import in_thread  # noqa: F401 - a fixture
from tests.waiting import until_somebody_waits

NOW = datetime(2026, 11, 22, 12, 0, 5, tzinfo=UTC)


def code_of(person, *, at=NOW, off=0) -> str:
    secret = second_factors._secret_of(Authenticator.objects.get(user=person))
    return totp.code_at(secret, totp.step_at(at.timestamp()) + off)


@pytest.fixture
def person(viewer):
    second_factors.begin(viewer)
    Authenticator.objects.update(created=NOW)
    return viewer


@pytest.fixture
def codes(person):
    """The recovery codes of a person whose app is on, since half a minute before NOW."""
    before = NOW - timedelta(seconds=30)
    return second_factors.confirm(person, code_of(person, at=before), now=before)


def test_an_app_counts_only_when_a_first_code_was_right(person):
    assert not second_factors.uses_authenticator(person)
    with pytest.raises(Invalid) as refused:
        second_factors.confirm(person, f"{(int(code_of(person)) + 1) % 10**6:06d}", now=NOW)
    assert refused.value.errors[0].loc == ("code",)
    assert not second_factors.proves(person, code_of(person), now=NOW)
    second_factors.confirm(person, code_of(person), now=NOW)
    assert second_factors.uses_authenticator(person)


def test_turning_it_on_makes_every_client_new_and_is_told(person):
    KnownClient.objects.create(org=person.org, user=person, digest=b"x", last_used=NOW)
    with TestCase.captureOnCommitCallbacks(execute=True):
        second_factors.confirm(person, code_of(person), now=NOW)
    assert KnownClient.objects.count() == 0
    assert (mail.outbox[-1].to, "authenticator app was turned on" in mail.outbox[-1].body) == ([person.email], True)


def test_a_secret_waits_for_half_an_hour(person):
    late = NOW + timedelta(minutes=31)
    assert second_factors.unconfirmed_secret(person, now=NOW) is not None
    assert second_factors.unconfirmed_secret(person, now=late) is None
    with pytest.raises(Conflict):
        second_factors.confirm(person, code_of(person, at=late), now=late)


def test_beginning_again_makes_another_secret_until_one_counts(person):
    first = second_factors._secret_of(Authenticator.objects.get())
    second_factors.begin(person)
    assert second_factors._secret_of(Authenticator.objects.get()) != first
    now = timezone.now()
    second_factors.confirm(person, code_of(person, at=now), now=now)
    with pytest.raises(Conflict):
        second_factors.begin(person)


def test_a_code_works_once_and_none_from_before_it(person, codes):
    assert second_factors.proves(person, code_of(person), now=NOW)
    assert not second_factors.proves(person, code_of(person), now=NOW)
    assert not second_factors.proves(person, code_of(person, off=-1), now=NOW)
    assert second_factors.proves(person, code_of(person, off=1), now=NOW)
    assert Authenticator.objects.get().last_used == NOW


def test_the_code_that_turned_it_on_logs_nobody_in(person):
    code = code_of(person)
    second_factors.confirm(person, code, now=NOW)
    assert not second_factors.proves(person, code, now=NOW)


@pytest.mark.django_db(transaction=True)
def test_of_ten_requests_with_one_code_one_is_let_in(person, codes, in_thread):  # noqa: F811 - the fixture
    code, let_in = code_of(person), []
    threads = [in_thread(lambda: let_in.append(second_factors.proves(person, code, now=NOW))) for _ in range(10)]
    for thread in threads:
        thread.join(240)
    assert sorted(let_in) == [False] * 9 + [True]


@pytest.mark.django_db(transaction=True)
def test_begun_anew_while_a_code_is_confirmed_the_confirmed_app_stays(person, in_thread):  # noqa: F811 - the fixture
    refused = []

    def begin() -> None:
        with pytest.raises(Conflict):
            second_factors.begin(person)
        refused.append(True)

    with transaction.atomic():
        second_factors.confirm(person, code_of(person), now=NOW)
        thread = in_thread(begin)
        until_somebody_waits()
    thread.join(240)
    assert refused == [True]
    later = NOW + timedelta(minutes=1)
    assert second_factors.proves(person, code_of(person, at=later), now=later)


def test_each_of_ten_recovery_codes_works_once_however_it_is_written(person, codes):
    assert (len(codes), len(set(codes))) == (10, 10)
    assert second_factors.proves(person, codes[0].upper().replace("-", " "), now=NOW)
    assert not second_factors.proves(person, codes[0], now=NOW)
    assert second_factors.proves(person, codes[1], now=NOW)
    assert second_factors.recovery_codes_left(person) == 8


def test_the_use_of_a_recovery_code_is_told(person, codes):
    with TestCase.captureOnCommitCallbacks(execute=True):
        second_factors.proves(person, codes[0], now=NOW)
    assert "A recovery code was used" in mail.outbox[-1].body
    assert "9 are left" in mail.outbox[-1].body


def test_new_recovery_codes_void_the_old_ones(person, codes):
    new = second_factors.renew_recovery_codes(person)
    assert not set(new) & set(codes)
    assert not second_factors.proves(person, codes[0], now=NOW)
    assert second_factors.proves(person, new[0], now=NOW)


def test_a_recovery_code_is_for_its_person(person, codes, editor):
    second_factors.begin(editor)
    now = timezone.now()
    second_factors.confirm(editor, code_of(editor, at=now), now=now)
    assert not second_factors.proves(editor, codes[0], now=NOW)


def test_turned_off_nothing_of_it_works(person, codes):
    code = code_of(person)
    second_factors.turn_off(person)
    assert not second_factors.proves(person, code, now=NOW)
    assert not second_factors.proves(person, codes[0], now=NOW)
    assert (Authenticator.objects.count(), RecoveryCode.objects.count()) == (0, 0)
    with pytest.raises(Conflict):
        second_factors.renew_recovery_codes(person)


def test_the_tables_hold_neither_the_secret_nor_a_code(person, codes):
    secret = second_factors._secret_of(Authenticator.objects.get())
    with connection.cursor() as cursor:
        cursor.execute("SELECT string_agg(t::text, ' ') FROM accounts_authenticator t")
        held = cursor.fetchone()[0]
        cursor.execute("SELECT string_agg(t::text, ' ') FROM accounts_recoverycode t")
        held += cursor.fetchone()[0]
    for canary in (secret.hex(), totp.as_text(secret), *codes, *(code.replace("-", "") for code in codes)):
        assert canary not in held
    assert secret.hex() != bytes(Authenticator.objects.get().sealed_secret).hex()
