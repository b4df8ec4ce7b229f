"""Mails with a purpose: ordered in the transaction that needs them, sent by a worker, opened once.

The secret of a letter is made when it is sent, so it is nowhere but in the mail: neither in the database nor at the broker. A request that
orders a letter to an unknown address does the same work as one to a known address.
"""

import hmac
import logging
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final
from urllib.parse import quote

from celery.exceptions import SoftTimeLimitExceeded
from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.db import transaction
from django.db.models import F
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.text import Truncator
from kombu.exceptions import OperationalError as BrokerAway

from accounts.models import Letter, User
from orgs import keys, tenancy
from orgs.errors import FieldError, Invalid
from orgs.events import record_event
from orgs.models import Event, Org
from orgs.tenancy import Reason, across, within

log = logging.getLogger(__name__)

Kind = Letter.Kind
LIFE: Final = {
    Kind.VERIFY: timedelta(days=2),
    Kind.INVITE: timedelta(days=7),
    Kind.RESET: timedelta(hours=1),
    Kind.ADDRESS: timedelta(days=1),
    Kind.CHALLENGE: timedelta(minutes=15),
}
SUBJECTS: Final = {
    Kind.VERIFY: "Finish signing up to Plumbline",
    Kind.TAKEN: "You already have an account at Plumbline",
    Kind.INVITE: "You are invited to Plumbline",
    Kind.RESET: "Set a new password for Plumbline",
    Kind.CHANGED: "Your Plumbline password was changed",
    Kind.CLOSED: "Your organisation at Plumbline was closed",
    Kind.ADDRESS: "Confirm your new address for Plumbline",
    Kind.CHALLENGE: "Your code for Plumbline",
    Kind.SECURITY: "Your Plumbline account's security changed",
    Kind.REPORT: "An issue was reported in Plumbline",
    Kind.ADMIN_ALERT: "Plumbline admin alert",
    Kind.NOTICES: "Anomalies that concern you",
}
# Where the link of a letter leads; the token follows.
LINKS: Final = {
    Kind.VERIFY: "/app/verify?email={email}&token={token}",
    Kind.INVITE: "/app/verify?email={email}&token={token}",
    Kind.RESET: "/app/reset?token={token}",
    Kind.ADDRESS: "/app/address?token={token}",
    Kind.SECURITY: "/app/profile/security",
    Kind.ADMIN_ALERT: "/app/settings/alerts",
    Kind.NOTICES: "/app/notifications",
    Kind.CHALLENGE: "/login/validateclient?code={code}&token={token}",
}
# What is said to whoever asks for a new password, whether or not the address is known.
NEUTRAL: Final = "If this address belongs to an account, a mail with a link to a new password is on its way."
MOST_TRIES: Final = 8
MOST_CODE_TRIES: Final = 5


@dataclass(frozen=True)
class Secrets:
    """What is only in the mail. Empty where a kind has none."""

    token: str = ""
    code: str = ""


def order(
    kind: Letter.Kind, email: str, *, user: User | None = None, org: Org | None = None, details: dict[str, Any] | None = None
) -> Letter:
    """A letter that a worker sends as soon as the caller's transaction is committed.

    One for a new password is the business of the org that the address belongs to, if it belongs to any.
    """
    org_id = org.pk if org else user.org_id if user else tenancy.org_of(User, email=email) if kind == Kind.RESET else None
    with _home(org_id):
        letter = Letter.objects.create(kind=kind, email=email, user=user, org_id=org_id, details=details or {})
    transaction.on_commit(partial(_wake_the_postman, letter.pk))
    return letter


@contextmanager
def _home(org_id: int | None) -> Iterator[None]:
    """Letters of an org are handled in its name, those of no org as such."""
    with across(Reason.POST) if org_id is None else within(org_id):
        yield


def _wake_the_postman(letter_id: int) -> None:
    """Without a broker the letter waits for the postman's next round."""
    from accounts.tasks import send_letter

    try:
        send_letter.apply_async(args=(letter_id,), retry=False)
    except BrokerAway:
        log.warning("letter %s waits for the postman: the broker is away", letter_id)


def send(letter_id: int) -> bool:
    """Sends a letter that was not sent yet; False when another worker has it or it is done. A failure is tried again later."""
    with _home(tenancy.org_of(Letter, id=letter_id)), transaction.atomic():
        letter = _claim(letter_id)
        if letter is None:
            return False
        letter.tries += 1
        if to := _reader_of(letter):
            _deliver(letter, to)
        letter.sent = timezone.now()
        letter.save(update_fields=["digest", "code_digest", "expires", "sent", "tries"])
        _tell(letter, "was mailed to")
        return True


def _claim(letter_id: int) -> Letter | None:
    unsent = Letter.objects.select_for_update(skip_locked=True, of=("self",)).select_related("user", "org")
    return unsent.filter(pk=letter_id, sent=None, tries__lt=MOST_TRIES).first()


def _reader_of(letter: Letter) -> str:
    """To whom it goes; a new password only to an address that belongs to somebody. Empty for nobody."""
    if letter.kind != Kind.RESET:
        return letter.email
    letter.user = User.objects.filter(email=letter.email, is_active=True).first()
    if letter.user is None:
        return ""
    Letter.objects.filter(pk=letter.pk).update(user=letter.user)
    return letter.user.email


def _deliver(letter: Letter, to: str) -> None:
    made = _new_secrets(letter)
    text, html = (render_to_string(f"accounts/mails/{letter.kind}.{form}", _words(letter, made)) for form in ("txt", "html"))
    message = EmailMultiAlternatives(_subject(letter), text, settings.DEFAULT_FROM_EMAIL, [to])
    message.attach_alternative(html, "text/html")
    message.extra_headers["Auto-Submitted"] = "auto-generated"
    if letter.kind == Kind.NOTICES:
        message.extra_headers["List-Unsubscribe"] = f"<{settings.BASE_URL}{LINKS[Kind.NOTICES]}#wishes>"  # RFC 2369
    message.send()


def _tell(letter: Letter, became: str) -> None:
    """What became of an alert's mail is told in the feed, like that of its other messages."""
    if letter.kind == Kind.ADMIN_ALERT and letter.org_id is not None:
        subject = Truncator(_subject(letter)).chars(100)
        record_event(letter.org_id, type=Event.Type.DELIVERY, name=f"“{subject}” {became} {letter.email}"[:200])


def _new_secrets(letter: Letter) -> Secrets:
    life = LIFE.get(Kind(letter.kind))
    if life is None:
        return Secrets()
    made = Secrets(secrets.token_hex(16), f"{secrets.randbelow(10**6):06d}" if letter.kind == Kind.CHALLENGE else "")
    letter.digest = keys.digest_of(made.token)
    letter.code_digest = _code_digest(letter.pk, made.code) if made.code else None
    letter.expires = timezone.now() + life
    return made


def _code_digest(letter_id: int, code: str) -> bytes:
    return keys.digest_of(f"{letter_id}:{code}")


def _subject(letter: Letter) -> str:
    return " ".join(str(letter.details.get("subject") or SUBJECTS[Kind(letter.kind)]).split())


def _words(letter: Letter, made: Secrets) -> dict[str, Any]:
    link = _place_of(letter).format(email=quote(letter.email), token=made.token, code=made.code)
    return {
        "letter": letter, "org": letter.org, "user": letter.user, "token": made.token, "code": made.code,
        "link": settings.BASE_URL + link, "life": life_in_words(Kind(letter.kind)),
        "host": settings.BASE_URL, "subject": _subject(letter), **letter.details,
    }  # fmt: skip


def _place_of(letter: Letter) -> str:
    """Where the link leads: of an alert, to its `page`. Who hears of one and is no admin is not led to settings that they may not see."""
    is_theirs = letter.kind != Kind.ADMIN_ALERT or (letter.user is not None and letter.user.is_admin)
    place = letter.details.get("page") or LINKS.get(Kind(letter.kind), "/app/")
    return str(place) if is_theirs else "/app/"


def life_in_words(kind: Letter.Kind) -> str:
    """How long what is mailed works: whole days, hours or minutes, such as `2 days`; empty where nothing in the mail ends."""
    minutes = round(LIFE.get(kind, timedelta()).total_seconds() / 60)
    if not minutes:
        return ""
    unit, size = next((unit, size) for unit, size in (("day", 1440), ("hour", 60), ("minute", 1)) if minutes % size == 0)
    count = minutes // size
    return f"{count} {unit}{'' if count == 1 else 's'}"


def send_waiting(*, now: datetime) -> int:
    """Sends what is left over: letters older than 20 s that no worker has sent; how many went out."""
    waiting = Letter.objects.filter(sent=None, tries__lt=MOST_TRIES, created__lt=now - timedelta(seconds=20))
    with across(Reason.UPKEEP):
        found = list(waiting.order_by("created").values_list("pk", flat=True)[:200])
    return sum(attempt(pk) for pk in found)


def attempt(letter_id: int) -> bool:
    """Sends a letter like `send`; a failure is noted, and does not stop who has more to send."""
    try:
        return send(letter_id)
    except SoftTimeLimitExceeded as exc:
        _note_failure(letter_id, exc)
        raise
    except Exception as exc:  # noqa: BLE001  whatever is wrong with one letter, those after it go out
        _note_failure(letter_id, exc)
        return False


def _note_failure(letter_id: int, exc: Exception) -> None:
    """Counts a try that failed; after MOST_TRIES the letter is given up."""
    with _home(tenancy.org_of(Letter, id=letter_id)), transaction.atomic():
        letter = Letter.objects.select_for_update().get(pk=letter_id)
        letter.tries += 1
        letter.save(update_fields=["tries"])
        if letter.tries == MOST_TRIES:
            _tell(letter, "could not be mailed to")
    log.warning("letter %s (%s) failed for the %sth time", letter_id, letter.kind, letter.tries, exc_info=exc)


def opened(token: str, *kinds: Letter.Kind, email: str | None = None, now: datetime) -> Letter | None:
    """The live letter with this token, marked as used; None when there is none. In the caller's transaction.

    Compare-and-set: of two requests with one token, one gets the letter.
    """
    letter = by_token(token, *kinds, now=now)
    if letter is None or (email is not None and letter.email != email):
        return None
    return letter if _use(letter, now) else None


def by_token(token: str, *kinds: Letter.Kind, now: datetime) -> Letter | None:
    """The live letter with this token, its person and org loaded with it; None when there is none."""
    with tenancy.home_of(Letter, digest=keys.digest_of(token)):
        letter = _live(token, *kinds, now=now)
    return _entered(letter)


def _live(token: str, *kinds: Letter.Kind, now: datetime) -> Letter | None:
    live = Letter.objects.select_related("user__org").filter(used=None, expires__gt=now)
    return live.filter(digest=keys.digest_of(token), kind__in=kinds).first()


def _entered(letter: Letter | None) -> Letter | None:
    """Whoever has proved the secret of a letter goes on in the name of its org."""
    if letter is not None and letter.org_id is not None:
        tenancy.enter(letter.org_id)
    return letter


def opened_by_code(letter_id: int, code: str, *, now: datetime) -> Letter | None:
    """The challenge with this code, marked as used; None when it is wrong, expired or was tried too often.

    Each try is counted before it is judged: requests in parallel get no more of them.
    """
    live = Letter.objects.filter(pk=letter_id, kind=Kind.CHALLENGE, used=None, expires__gt=now)
    with tenancy.home_of(Letter, id=letter_id):
        if not live.filter(code_tries__lt=MOST_CODE_TRIES).update(code_tries=F("code_tries") + 1):
            return None
        letter = live.select_related("user__org").first()
        if letter is None or not hmac.compare_digest(bytes(letter.code_digest or b""), _code_digest(letter.pk, code)):
            return None
        is_first = _use(letter, now)
    return _entered(letter) if is_first else None


def opened_by_link(token: str, code: str, *, now: datetime) -> Letter | None:
    """The challenge that the link of its mail belongs to, marked as used; counts as a try like `opened_by_code`."""
    found = by_token(token, Kind.CHALLENGE, now=now)
    return opened_by_code(found.pk, code, now=now) if found else None


def _use(letter: Letter, now: datetime) -> bool:
    return Letter.objects.filter(pk=letter.pk, used=None).update(used=now) == 1


def confirmed_address(person: User, token: str, *, now: datetime) -> str:
    """The address that the token was mailed to. Raises Invalid for another's token, and when somebody else has the address by now."""
    letter = _live(token, Kind.ADDRESS, now=now)
    if letter is None or letter.user_id != person.pk or _is_taken(letter.email, person) or not _use(letter, now):
        raise Invalid("The token is wrong, used or too old.", errors=[FieldError(("email_token",), "invalid", "Ask for a new mail.")])
    return letter.email


def _is_taken(email: str, person: User) -> bool:
    """Whether somebody else has this address, in whatever org."""
    org_id = tenancy.org_of(User, email=email)
    return org_id is not None and (org_id != person.org_id or User.objects.filter(email=email).exclude(pk=person.pk).exists())


def void(user: User, *kinds: Letter.Kind) -> None:
    """What was mailed to this person before does not work any more."""
    Letter.objects.filter(user=user, kind__in=kinds, used=None).update(used=timezone.now())
