"""Takes out of an event what opens doors, before it is stored."""

from typing import Any, Final

REMOVED: Final = "[removed]"
# Values that let their holder pay, or act as the customer, wherever they stand.
SECRET_NAMES: Final = frozenset({"client_secret", "secret", "ephemeral_key"})
# Objects whose address is a key to the customer's pages.
SECRET_ADDRESSES: Final = frozenset({"checkout.session", "billing_portal.session", "account_link"})


def without_secrets(value: Any) -> Any:
    """The same JSON value with REMOVED in place of secrets; without NUL characters, which PostgreSQL does not store."""
    if isinstance(value, dict):
        kind = value.get("object")
        hidden = SECRET_NAMES | ({"url"} if isinstance(kind, str) and kind in SECRET_ADDRESSES else set())
        return {_clean(name): REMOVED if name in hidden and inner else without_secrets(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [without_secrets(inner) for inner in value]
    return _clean(value) if isinstance(value, str) else value


def _clean(text: str) -> str:
    return text.replace("\x00", "\ufffd")
