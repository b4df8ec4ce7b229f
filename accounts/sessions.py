"""Sessions: a person's is a row in the database, an anonymous one lives in the cache for an hour.

The first letter of an id says which it is. So an anonymous id never costs a query, and it can never become a person's: logging in and
out always gives a new id.
"""

from typing import Any, Final

from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends import db
from django.core.cache import cache
from django.utils.crypto import get_random_string
from redis.exceptions import RedisError

ANONYMOUS_S: Final = 3600
ID_LENGTH: Final = 32
_ANONYMOUS: Final = "a"
_PERSON: Final = "u"
_LETTERS: Final = "abcdefghijklmnopqrstuvwxyz0123456789"


def is_anonymous(key: str | None) -> bool:
    return (key or "").startswith(_ANONYMOUS)


class SessionStore(db.SessionStore):
    """Without Redis anonymous sessions are forgotten at once; those of people go on."""

    @property
    def _is_of_a_person(self) -> bool:
        return SESSION_KEY in getattr(self, "_session_cache", {})

    def _get_new_session_key(self) -> str:
        return (_PERSON if self._is_of_a_person else _ANONYMOUS) + get_random_string(ID_LENGTH - 1, _LETTERS)

    def load(self) -> dict[str, Any]:
        if not is_anonymous(self.session_key):
            return super().load()
        data = _cached(str(self.session_key))
        if data is None:
            self._session_key = None
        return data or {}

    def exists(self, session_key: str) -> bool:
        return _cached(session_key) is not None if is_anonymous(session_key) else super().exists(session_key)

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
            super().save(must_create)

    def _change_kind(self) -> None:
        old = self.session_key
        self._session_key = self._get_new_session_key()
        self.delete(old)

    def delete(self, session_key: str | None = None) -> None:
        key = session_key or self.session_key
        if not is_anonymous(key):
            super().delete(key)
            return
        try:
            cache.delete(_place(str(key)))
        except RedisError:
            return


def _place(key: str) -> str:
    return f"session.{key}"


def _cached(key: str) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] | None = cache.get(_place(key))
    except RedisError:
        return None
    return found


def _keep(key: str, data: dict[str, Any]) -> None:
    try:
        cache.set(_place(key), data, ANONYMOUS_S)
    except RedisError:
        return
