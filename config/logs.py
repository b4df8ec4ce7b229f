"""Structured logs: one event with fields per line, JSON or readable, with the id of the request that it belongs to."""

import re
from collections.abc import MutableMapping
from typing import Any, Final

import structlog

SECRET_NAMES: Final = frozenset({"authorization", "cookie", "key", "password", "secret", "token", "x_auth_token"})
SECRET_SHAPES: Final = re.compile(r"plb_[0-9a-f]{8}_[A-Za-z0-9_-]+|(?<=://)[^/@\s]+(?=@)|\b(?:[sr]k_(?:live|test)|whsec)_[A-Za-z0-9*]+")
# What a text must hold to be worth a look.
SECRET_SIGNS: Final = ("plb_", "@", "k_live_", "k_test_", "whsec_")
MASK: Final = "***"
# Django tells of every 4xx as a warning, which the access log has said already; Celery of every task, thousands an hour.
QUIET: Final = {
    "django.request": "ERROR", "matplotlib": "WARNING", "numba": "WARNING", "PIL": "WARNING", "celery.beat": "WARNING",
    "celery.worker.strategy": "WARNING", "celery.worker.request": "WARNING", "celery.app.trace": "WARNING", "stripe": "WARNING",
}  # fmt: skip


def mask_secrets(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Masks fields that are named like secrets, and tokens and URL credentials inside any text."""
    for name, value in event.items():
        if name.lower() in SECRET_NAMES:
            event[name] = MASK
        elif isinstance(value, str) and any(sign in value for sign in SECRET_SIGNS):
            event[name] = SECRET_SHAPES.sub(MASK, value)
    return event


SHARED: Final[list[Any]] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.add_log_level,
    structlog.stdlib.PositionalArgumentsFormatter(),
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.StackInfoRenderer(),
]


def logging_config(*, form: str, level: str, color: bool = False) -> dict[str, Any]:
    """Django's LOGGING: everything goes to standard error, in the form "json" or "text". Configures structlog to join in."""
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    formatter = {"()": structlog.stdlib.ProcessorFormatter, "foreign_pre_chain": SHARED, "processors": _renderers(form, color=color)}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"structured": formatter},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "structured"}},
        "root": {"handlers": ["stderr"], "level": level},
        # Django gives these handlers of their own, which would say everything twice or mail it.
        "loggers": {"django": {"handlers": [], "propagate": True}, "django.server": {"handlers": [], "propagate": True}}
        | {name: {"level": quiet} for name, quiet in QUIET.items()},
    }


def _renderers(form: str, *, color: bool) -> list[Any]:
    strip = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    if form == "json":
        return [strip, structlog.processors.format_exc_info, mask_secrets, structlog.processors.JSONRenderer(sort_keys=True)]
    return [strip, structlog.processors.format_exc_info, mask_secrets, structlog.dev.ConsoleRenderer(colors=color, pad_event_to=0)]


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """A logger whose methods take an event and fields: `log.info("points_folded", org=3, points=1200)`."""
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return logger
