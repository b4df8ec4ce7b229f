"""The clock of the rate limits, which stands still in tests: no call or try comes back by itself, however long a test takes."""

from config.api import throttling

_RUNNING = throttling.BUCKET


def standing(*, at_s: int = 0) -> str:
    """The script of a bucket, by a clock that stands."""
    clock, life = "redis.call('TIME')", "'PEXPIRE'"
    assert clock in _RUNNING
    assert life in _RUNNING
    return _RUNNING.replace(clock, f"{{{1_790_000_000 + at_s}, 0}}").replace(life, "'EXPIRE'")
