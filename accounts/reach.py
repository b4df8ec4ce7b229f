"""Telephone numbers in E.164."""

import phonenumbers


def e164(text: str) -> str:
    """The number as `+4930123456`. Raises ValueError with a sentence for what is no possible number with its country code."""
    try:
        number = phonenumbers.parse(text)
    except phonenumbers.NumberParseException as exc:
        raise ValueError("Write the number with its country code, such as +4930123456.") from exc
    if not phonenumbers.is_valid_number(number):
        raise ValueError("There can be no such number. Write it with its country code, such as +4930123456.")
    return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))
