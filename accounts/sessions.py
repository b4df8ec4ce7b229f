"""Sessions: a person's is a row in the database; an anonymous one costs nothing until it holds something, and then lives in the cache.

The first letter of an id says which it is, and an anonymous id proves by itself that it was made here and when. So it never costs a query,
and it can never become a person's: logging in and out always gives a new id. The table holds keyed hashes of ids, which open nothing.
"""

import time
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import orjson
import redis
from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends import db
from django.utils import timezone
from django.utils.crypto import constant_time_compare, get_random_string, salted_hmac
from redis.exceptions import RedisError

from orgs import tenancy
from orgs.keys import digest_of

if TYPE_CHECKING:
    from accounts.models import Session, User

# How long an anonymous id is good for after it was made, and how long what it holds is kept after it was written.
ANONYMOUS_S: Final = 24 * 3600
HELD_S: Final = 3600
ID_LENGTH: Final = 32
TIMEOUT_S: Final = 0.5
# Where a person's session began: `{"at": unix seconds, "address": ..., "agent": ...}`.
BEGAN: Final = "began"
# Who is behind a session in which an operator acts as the person.
ACTED: Final = "acted"
# When it was last used, in unix seconds; written now and then.
SEEN: Final = "seen"
_ANONYMOUS: Final = "a"
_PERSON: Final = "u"
_MINUTES: Final = 7
_PROOF: Final = 14
_LETTERS: Final = "abcdefghijklmnopqrstuvwxyz0123456789"


def is_anonymous(key: str | None) -> bool:
    return (key or "").startswith(_ANONYMOUS)


def is_live(key: str, *, now_s: float) -> bool:
    """Whether this anonymous id was made here, not too long ago."""
    body, proof = key[:-_PROOF], key[-_PROOF:]
    if len(key) != ID_LENGTH or not constant_time_compare(proof, _proof_of(body)):
        return False
    age_s = now_s - 60 * int(body[1 : 1 + _MINUTES], 16)
    return -60 < age_s < ANONYMOUS_S


def _new_anonymous() -> str:
    """`a`, the minute of its birth, random letters, and the proof of all that."""
    body = f"{_ANONYMOUS}{int(time.time() // 60):0{_MINUTES}x}"
    body += get_random_string(ID_LENGTH - _PROOF - len(body), _LETTERS)
    return body + _proof_of(body)


def _proof_of(body: str) -> str:
    return salted_hmac("plumbline anonymous session", body, algorithm="sha256").hexdigest()[:_PROOF]


def stored_key(key: str) -> str:
    """What the table holds in place of a session's id."""
    return digest_of(f"session {key}").hex()[:40]


class SessionStore(db.SessionStore):
    """Without Redis anonymous sessions are forgotten at once; those of people go on.

    `person` is whose session it is, with the org, once it has been loaded, and `services` in which the org had channels then: one query
    for all of them.
    """

    person: "User | None" = None
    services: frozenset[str] = frozenset()

    @classmethod
    def get_model_class(cls) -> "type[Session]":
        from accounts.models import Session

        return Session

    @property
    def _is_of_a_person(self) -> bool:
        return SESSION_KEY in getattr(self, "_session_cache", {})

    def _get_new_session_key(self) -> str:
        return _PERSON + get_random_string(ID_LENGTH - 1, _LETTERS) if self._is_of_a_person else _new_anonymous()

    def begin(self) -> None:
        """Gives a session without an id that of a new anonymous one. Nothing is written unless it holds something."""
        held: dict[str, Any] = getattr(self, "_session_cache", {})
        self._session_key, self._session_cache = _new_anonymous(), held

    def load(self) -> dict[str, Any]:
        if not is_anonymous(self.session_key):
            return self._load_row()
        if not is_live(str(self.session_key), now_s=time.time()):
            self._session_key = None
            return {}
        return _cached(str(self.session_key)) or {}

    def _load_row(self) -> dict[str, Any]:
        from accounts.session_rows import live_row

        live = live_row(stored_key(str(self.session_key)), now=timezone.now())
        if live is None:
            self._session_key = None
            return {}
        self.person, self.services = live.session.user, live.services
        found: dict[str, Any] = self.decode(live.session.session_data)
        return found

    def exists(self, session_key: str) -> bool:
        return _cached(session_key) is not None if is_anonymous(session_key) else super().exists(stored_key(session_key))

    def create_model_instance(self, data: dict[str, Any]) -> "Session":
        """The row of a person's session: beside the data, what the person is told of it."""
        began = data.get(BEGAN) or {}
        return self.get_model_class()(
            session_key=stored_key(str(self.session_key)),
            session_data=self.encode(data),
            expire_date=self.get_expiry_date(),
            user_id=int(data[SESSION_KEY]),
            began=_moment(began.get("at")),
            seen=_moment(data.get(SEEN)),
            address=str(began.get("address", ""))[:45],
            agent=str(began.get("agent", ""))[:300],
        )

    def save(self, must_create: bool = False) -> None:
        if self.session_key is None:
            self.create()
            return
        data = self._get_session(no_load=must_create)  # type: ignore[attr-defined]  # django-stubs leave it out
        if is_anonymous(self.session_key) == self._is_of_a_person:
            self._change_kind()
            must_create = True
        if is_anonymous(self.session_key):
            _keep(str(self.session_key), dict(data))
        else:
            self._save_row(int(data[SESSION_KEY]), must_create=must_create)

    def _save_row(self, person: int, *, must_create: bool) -> None:
        """In the name of the person's org, whoever's request it is."""
        from accounts.models import User

        with tenancy.home_of(User, id=person):
            super().save(must_create)

    def _change_kind(self) -> None:
        old = self.session_key
        self._session_key = self._get_new_session_key()
        self.delete(old)

    def delete(self, session_key: str | None = None) -> None:
        key = session_key or self.session_key
        if not is_anonymous(key):
            stored = stored_key(str(key))
            with tenancy.home_of(self.get_model_class(), session_key=stored):
                super().delete(stored)
            return
        try:
            _redis().delete(_place(str(key)))
        except RedisError:
            return


def _moment(unix_s: object) -> datetime:
    """Now where none was kept."""
    return datetime.fromtimestamp(unix_s, UTC) if isinstance(unix_s, int) else timezone.now()


def _place(key: str) -> str:
    return f"plumbline:session:{key}"


@cache
def _redis() -> redis.Redis:
    """One client for the process: Django's cache makes one per call, which costs more than the call."""
    return redis.Redis.from_url(settings.REDIS_URL, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S)


def _cached(key: str) -> dict[str, Any] | None:
    try:
        found = _redis().get(_place(key))
    except RedisError:
        return None
    return orjson.loads(found) if isinstance(found, bytes) else None


def _keep(key: str, data: dict[str, Any]) -> None:
    try:
        _redis().set(_place(key), orjson.dumps(data), ex=HELD_S)
    except RedisError:
        return
