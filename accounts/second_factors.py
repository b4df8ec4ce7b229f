"""What a person may turn on to be asked for beside the password: an authenticator app, with codes that stand in for it when it is lost."""

import secrets
from datetime import datetime, timedelta
from typing import Final

from django.db import transaction
from django.utils import timezone

from accounts import clients, letters, totp
from accounts.models import Authenticator, Letter, RecoveryCode, User
from orgs import keys
from orgs.errors import Conflict, FieldError, Invalid
from orgs.sealing import seal, unseal

PURPOSE: Final = "authenticator"
# How long a secret that was shown waits for its first code.
WAITS: Final = timedelta(minutes=30)
RECOVERY_CODES: Final = 10
_HALF: Final = 5  # letters of each half of a recovery code: 49 bits in all, far more than may be guessed
_LETTERS: Final = "abcdefghjkmnpqrstuvwxyz23456789"  # without those that look alike
RECOVERY_SHAPE: Final = r"[a-zA-Z2-9]{5}-?[a-zA-Z2-9]{5}"


def uses_authenticator(person: User) -> bool:
    return Authenticator.objects.filter(user=person, confirmed__isnull=False).exists()


def asks_always(person: User) -> bool:
    """Whether the person turned on something of their own, which a new client has to show whatever the org asks for."""
    return uses_authenticator(person) or person.passkeys.exists()


@transaction.atomic
def begin(person: User) -> None:
    """Makes a secret for an app, which counts when a first code of it is confirmed. Raises Conflict when an app is in use."""
    sealed = seal(totp.new_secret(), purpose=PURPOSE)
    fresh = {"org_id": person.org_id, "sealed_secret": sealed, "created": timezone.now(), "last_step": 0}
    # Held, so that a code that is confirmed in another tab at the same moment comes before or after.
    held, is_new = Authenticator.objects.select_for_update().get_or_create(user=person, defaults=fresh)
    if held.confirmed is not None:
        raise Conflict("An authenticator app is in use already. Turn it off first.")
    if not is_new:
        Authenticator.objects.filter(pk=held.pk).update(**fresh)


def unconfirmed_secret(person: User, *, now: datetime) -> bytes | None:
    """The secret that waits for its first code; None when there is none, or when it has waited too long."""
    found = Authenticator.objects.filter(user=person, confirmed=None, created__gt=now - WAITS).first()
    return _secret_of(found) if found else None


@transaction.atomic
def confirm(person: User, code: str, *, now: datetime) -> tuple[str, ...]:
    """Turns the app on, and returns new recovery codes. Every client has to show a code of it from then on.

    Raises Invalid for a wrong code, and Conflict when nothing waits for one.
    """
    waiting = Authenticator.objects.filter(user=person, confirmed=None, created__gt=now - WAITS).select_for_update().first()
    if waiting is None:
        raise Conflict("Nothing waits for a code. Start again.")
    step = totp.matching_step(_secret_of(waiting), code, unix_s=now.timestamp())
    if step is None:
        wrong = "This is not the code that the app shows now. Is the clock of the device right?"
        raise Invalid("The code is wrong.", errors=[FieldError(("code",), "wrong", wrong)])
    Authenticator.objects.filter(pk=waiting.pk).update(confirmed=now, last_step=step, last_used=now)
    clients.forget_all(person)
    tell(person, "An authenticator app was turned on for your account. From now on, a new client needs its code.")
    return _new_recovery_codes(person)


@transaction.atomic
def turn_off(person: User) -> None:
    """Without the app, and without its recovery codes. Harmless when there is none."""
    gone, _ = Authenticator.objects.filter(user=person).delete()
    RecoveryCode.objects.filter(user=person).delete()
    if gone:
        tell(person, "The authenticator app of your account was turned off. A new client gets its code by mail.")


@transaction.atomic
def turn_off_all(person: User) -> None:
    """For who has lost what they turned on, by somebody who knows them: a new client gets its code by mail again."""
    turn_off(person)
    if person.passkeys.all().delete()[0]:
        tell(person, "The passkeys of your account were removed.")


@transaction.atomic
def renew_recovery_codes(person: User) -> tuple[str, ...]:
    """Ten new codes; those from before are void. Raises Conflict without an app, for which they would stand in."""
    if not uses_authenticator(person):
        raise Conflict("Recovery codes stand in for an authenticator app. Turn one on first.")
    tell(person, "New recovery codes were made for your account. The old ones are void.")
    return _new_recovery_codes(person)


def _new_recovery_codes(person: User) -> tuple[str, ...]:
    RecoveryCode.objects.filter(user=person).delete()
    made = tuple(_new_recovery_code() for _ in range(RECOVERY_CODES))
    RecoveryCode.objects.bulk_create(RecoveryCode(org_id=person.org_id, user=person, digest=_digest_of(code)) for code in made)
    return made


def _new_recovery_code() -> str:
    letters_ = "".join(secrets.choice(_LETTERS) for _ in range(2 * _HALF))
    return f"{letters_[:_HALF]}-{letters_[_HALF:]}"


def _digest_of(code: str) -> bytes:
    """Of the code as it was made, however it is written: capitals, blanks and dashes do not matter."""
    return keys.digest_of("recovery " + "".join(letter for letter in code.lower() if letter.isalnum()))


def proves(person: User, code: str, *, now: datetime) -> bool:
    """Whether this is a code that the app shows now, or a recovery code, for the first time. It is used up then."""
    is_of_app = len(code) == totp.DIGITS and code.isdecimal()
    return _is_of_app(person, code, now=now) if is_of_app else _is_recovery_code(person, code, now=now)


def _is_of_app(person: User, code: str, *, now: datetime) -> bool:
    app = Authenticator.objects.filter(user=person, confirmed__isnull=False).first()
    step = totp.matching_step(_secret_of(app), code, unix_s=now.timestamp()) if app else None
    if app is None or step is None:
        return False
    # Compare-and-set: of two requests with one code, one is let in.
    return Authenticator.objects.filter(pk=app.pk, last_step__lt=step).update(last_step=step, last_used=now) == 1


@transaction.atomic
def _is_recovery_code(person: User, code: str, *, now: datetime) -> bool:
    if not uses_authenticator(person):
        return False
    used = RecoveryCode.objects.filter(user=person, digest=_digest_of(code), used=None).update(used=now)
    if used:
        tell(person, f"A recovery code was used to log in to your account. {recovery_codes_left(person)} are left.")
    return used == 1


def recovery_codes_left(person: User) -> int:
    return RecoveryCode.objects.filter(user=person, used=None).count()


def tell(person: User, sentence: str) -> None:
    """Mails the person what became of their account's security, so that they hear of it if it was somebody else."""
    letters.order(Letter.Kind.SECURITY, person.email, user=person, details={"sentence": sentence})


def _secret_of(app: Authenticator) -> bytes:
    return unseal(bytes(app.sealed_secret), purpose=PURPOSE)
