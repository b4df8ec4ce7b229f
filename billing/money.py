"""How amounts of money are written."""

from typing import Final

# Currencies that have no smaller unit; every other one that the provider takes has hundredths, but for those with thousandths.
WHOLE: Final = frozenset({"bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "ugx", "vnd", "vuv", "xaf", "xof", "xpf"})
THOUSANDTHS: Final = frozenset({"bhd", "jod", "kwd", "omr", "tnd"})


def money(amount: int, currency: str) -> str:
    """`4900, "eur"` is "49.00 EUR"; the amount is in the smallest unit of the currency."""
    code = currency.lower()
    places = 0 if code in WHOLE else 3 if code in THOUSANDTHS else 2
    return f"{amount / 10**places:,.{places}f} {currency.upper()}"
