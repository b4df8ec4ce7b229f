"""Passkeys (WebAuthn level 3): a key pair on a person's device, which logs them in without a password or stands beside it.

Each needs a gesture by which the device knows its owner (user verification), so that a passkey alone is two factors.
"""

import hmac
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from ipaddress import ip_address
from typing import Any, Final, NoReturn
from urllib.parse import urlsplit

from cryptography.exceptions import UnsupportedAlgorithm
from django.conf import settings
from django.contrib.sessions.backends.base import SessionBase
from django.db import transaction
from fido2.server import Fido2Server
from fido2.webauthn import (
    AttestedCredentialData,
    AuthenticationResponse,
    PublicKeyCredentialRpEntity,
    PublicKeyCredentialUserEntity,
    RegistrationResponse,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from accounts.models import Passkey, User
from accounts.second_factors import tell
from orgs.errors import Conflict, FieldError, Invalid
from orgs.keys import digest_of
from orgs.tenancy import org_of, within
from orgs.uniqueness import conflict_if_taken

MOST: Final = 20
CEREMONY_S: Final = 5 * 60
_STATE: Final = "passkey"
_VERIFIED: Final = UserVerificationRequirement.REQUIRED
_READ: Final = frozenset({"id", "rawId", "type"})
_READ_INSIDE: Final = frozenset({"clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"})
# What the library raises for what no device makes: it reads CBOR and keys of whatever kind, and does not wrap what these raise.
_NONSENSE: Final = (ValueError, TypeError, KeyError, IndexError, AttributeError, struct.error, NotImplementedError, UnsupportedAlgorithm)


def are_possible() -> bool:
    """Browsers make passkeys for a host name behind TLS, or for localhost; never for a bare address."""
    address = urlsplit(settings.BASE_URL)
    try:
        ip_address(_host())
    except ValueError:
        return address.scheme == "https" or _host() == "localhost"
    return False


def _host() -> str:
    return urlsplit(settings.BASE_URL).hostname or "localhost"


def _server() -> Fido2Server:
    return Fido2Server(PublicKeyCredentialRpEntity(name="Plumbline", id=_host()), verify_origin=_is_ours)


def _is_ours(origin: str) -> bool:
    """The origin of this installation, or another that the settings trust; a sub-domain of it is somebody else."""
    ours, asked = urlsplit(settings.BASE_URL), urlsplit(origin)
    is_local = asked.hostname == "localhost" == ours.hostname
    return is_local or origin in (f"{ours.scheme}://{ours.netloc}", *settings.CSRF_TRUSTED_ORIGINS)


def begin_registration(session: SessionBase, person: User, *, now: datetime) -> dict[str, Any]:
    """The options for the browser's `navigator.credentials.create`. Raises Conflict for one key too many."""
    known = [_credential_of(passkey) for passkey in person.passkeys.all()]
    if len(known) >= MOST:
        raise Conflict(f"{MOST} passkeys are enough. Remove one that you do not use.")
    options, state = _server().register_begin(
        PublicKeyCredentialUserEntity(id=_handle_of(person), name=person.email, display_name=person.name),
        credentials=known,
        resident_key_requirement=ResidentKeyRequirement.REQUIRED,
        user_verification=_VERIFIED,
    )
    _hold(session, state, now=now)
    return dict(options.public_key)


def register(session: SessionBase, person: User, *, name: str, sent: Mapping[str, Any], now: datetime) -> Passkey:
    """The passkey that the browser made. Raises Invalid when it does not answer what this session asked for."""
    texts = _as_texts(sent)
    with _nonsense_refused():
        response = RegistrationResponse.from_dict(texts)
    asked = _release(session, now=now)
    with _nonsense_refused():
        data = _server().register_complete(asked, response).credential_data
    if data is None:
        _refuse()
    return _store(person, name=name, data=data)


def _store(person: User, *, name: str, data: AttestedCredentialData) -> Passkey:
    fields = {"name": name, "credential_id": data.credential_id, "credential": bytes(data)}
    with conflict_if_taken("This passkey is known already."):
        made = Passkey.objects.create(org_id=person.org_id, user=person, **fields)
        tell(person, f"The passkey “{name}” was added to your account. It logs in without the password.")
    return made


def begin_login(session: SessionBase, person: User | None, *, now: datetime) -> dict[str, Any]:
    """The options for `navigator.credentials.get`: any passkey of this host, or only those of `person`."""
    known = [_credential_of(passkey) for passkey in person.passkeys.all()] if person else None
    options, state = _server().authenticate_begin(known, user_verification=_VERIFIED)
    _hold(session, state, now=now)
    return dict(options.public_key)


def owner_of(session: SessionBase, sent: Mapping[str, Any], *, now: datetime) -> User:
    """Whose passkey signed what this session asked for; an open account. Raises Invalid for everything else, always in the same words."""
    texts = _as_texts(sent)
    with _nonsense_refused():
        response = AuthenticationResponse.from_dict(texts)
    passkey, asked = _known(bytes(response.raw_id)), _release(session, now=now)
    with _nonsense_refused():
        _server().authenticate_complete(asked, [_credential_of(passkey)], response)
    handle, data = response.response.user_handle, response.response.authenticator_data
    if handle and not hmac.compare_digest(bytes(handle), _handle_of(passkey.user)):
        _refuse()
    with within(passkey.org_id):
        if not _count(passkey, data.counter, now=now):
            _refuse()
    return passkey.user


def _known(credential_id: bytes) -> Passkey:
    """The passkey with this id, of an open account. Raises Invalid. Nobody knows whose org it is before."""
    org_id = org_of(Passkey, credential_id=credential_id)
    if org_id is None:
        _refuse()
    with within(org_id):
        found = Passkey.objects.select_related("user__org").filter(credential_id=credential_id, user__is_active=True).first()
    return found or _refuse()


def _count(passkey: Passkey, counted: int, *, now: datetime) -> bool:
    """Notes the use. False when the device's count did not grow: then somebody has a copy (section 6.1.1 of the standard)."""
    if counted <= passkey.sign_count and (counted or passkey.sign_count):
        return False
    known = Passkey.objects.filter(pk=passkey.pk, sign_count=passkey.sign_count)
    return known.update(sign_count=counted, last_used=now) == 1


@transaction.atomic
def remove(passkey: Passkey) -> None:
    tell(passkey.user, f"The passkey “{passkey.name}” was removed from your account.")
    passkey.delete()


def _credential_of(passkey: Passkey) -> AttestedCredentialData:
    return AttestedCredentialData(bytes(passkey.credential))


def _handle_of(person: User) -> bytes:
    """What a device knows the person by: the same for ever, and telling nothing about them."""
    return digest_of(f"passkey of {person.pk}")


def _hold(session: SessionBase, state: Mapping[str, Any], *, now: datetime) -> None:
    session[_STATE] = {"challenge": state["challenge"], "user_verification": str(_VERIFIED.value), "at": int(now.timestamp())}


def _release(session: SessionBase, *, now: datetime) -> dict[str, Any]:
    """What the session asked for, which it does only once. Raises Invalid for nothing, and for what is too old."""
    held: dict[str, Any] | None = session.pop(_STATE, None)
    if held is None or now.timestamp() - held["at"] > CEREMONY_S:
        _refuse()
    return held


def _as_texts(sent: Mapping[str, Any]) -> dict[str, Any]:
    """What the library reads of an answer, which is all text: it would take a number for the size of a field and make that many bytes.

    Raises Invalid for anything else where a text belongs.
    """
    read = {name: sent[name] for name in _READ & sent.keys()}
    inner = sent.get("response")
    texts = {name: inner[name] for name in _READ_INSIDE & inner.keys() if inner[name] is not None} if isinstance(inner, Mapping) else {}
    if any(not isinstance(text, str) for text in (*read.values(), *texts.values())):
        _refuse()
    return {**read, "response": texts}


@contextmanager
def _nonsense_refused() -> Iterator[None]:
    """Around the library alone: what it raises for bytes that no device made is refused, and our own faults stay faults."""
    try:
        yield
    except _NONSENSE as exc:
        _refuse(exc)


def _refuse(cause: Exception | None = None) -> NoReturn:
    wrong = FieldError(("credential",), "invalid", "The passkey is not known here, or it took too long. Try again.")
    raise Invalid("This passkey does not do.", errors=[wrong]) from cause
