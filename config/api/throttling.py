"""The rate limit: a token bucket in Redis per token, person or address. Without Redis nobody is limited and nothing fails."""

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import redis
from django.conf import settings
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from config.api.addresses import client_address
from config.api.authentication import caller_of

if TYPE_CHECKING:
    from rest_framework.views import APIView

# After Redis failed, it is not asked again for so long: a dead Redis must not cost each request a time-out.
PAUSE_S: Final = 5.0
TIMEOUT_S: Final = 0.1

# KEYS[1] bucket; ARGV: tokens a second, burst. Redis' own clock, so that web processes need not agree on the time.
# Returns allowed (0/1), whole tokens left, milliseconds until the next token.
BUCKET: Final = """
local rate, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local t = redis.call('TIME')
local now = t[1] + t[2] / 1000000
local had = redis.call('HMGET', KEYS[1], 'n', 't')
local n = math.min(burst, (tonumber(had[1]) or burst) + math.max(0, now - (tonumber(had[2]) or now)) * rate)
local allowed = 0
if n >= 1 then n = n - 1; allowed = 1 end
redis.call('HSET', KEYS[1], 'n', tostring(n), 't', tostring(now))
redis.call('PEXPIRE', KEYS[1], math.ceil(burst / rate * 1000) + 1000)
return {allowed, math.floor(n), math.ceil(math.max(0, 1 - n) / rate * 1000)}
"""


@dataclass(frozen=True)
class Allowance:
    """What the bucket said about one request."""

    allowed: bool
    remaining: int
    wait_s: float


class _Buckets:
    """The connection to Redis, opened on first use, and when it last failed."""

    def __init__(self) -> None:
        self._client: redis.Redis | None = None
        self._silent_until = 0.0

    def take(self, key: str, *, rate_s: float, burst: int) -> Allowance | None:
        """One token from the bucket `key`; None while Redis is away."""
        if time.monotonic() < self._silent_until:
            return None
        try:
            allowed, remaining, wait_ms = self._open().eval(BUCKET, 1, key, str(rate_s), str(burst))
        except redis.RedisError:
            self._silent_until = time.monotonic() + PAUSE_S
            return None
        return Allowance(allowed=bool(allowed), remaining=int(remaining), wait_s=int(wait_ms) / 1000)

    def _open(self) -> redis.Redis:
        if self._client is None:
            self._client = redis.Redis.from_url(settings.REDIS_URL, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S)
        return self._client


buckets = _Buckets()


class BucketThrottle(BaseThrottle):
    """Takes one token per request; the allowance stays on the request for the `RateLimit-*` headers."""

    waiting: float | None = None

    def allow_request(self, request: Request, view: "APIView") -> bool:
        found = buckets.take(self._key(request), rate_s=settings.API_RATE_PER_MINUTE / 60, burst=settings.API_BURST)
        if found is None:
            return True
        request._request.api_allowance = found  # type: ignore[attr-defined]  # for the headers of the answer
        self.waiting = found.wait_s
        return found.allowed

    def _key(self, request: Request) -> str:
        return f"rate:{caller_of(request) or client_address(request._request)}"

    def wait(self) -> float | None:
        return self.waiting


def rate_headers(allowance: Allowance) -> dict[str, str]:
    """`RateLimit-*` of an answer: the burst, what is left of it, and seconds until it is full again."""
    missing = settings.API_BURST - allowance.remaining
    return {
        "RateLimit-Limit": str(settings.API_BURST),
        "RateLimit-Remaining": str(allowance.remaining),
        "RateLimit-Reset": str(-(-missing * 60 // settings.API_RATE_PER_MINUTE)),
    }
