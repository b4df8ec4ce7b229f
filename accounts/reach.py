"""How a person is reached beside e-mail: telephone numbers in E.164, members of Slack."""

import re
from typing import Final

import phonenumbers

# Characters of a number as people write it.
PHONE_LIMIT: Final = 40


def e164(text: str) -> str:
    """The number as `+4930123456`. Raises ValueError with a sentence for what is no possible number with its country code."""
    try:
        number = phonenumbers.parse(text)
    except phonenumbers.NumberParseException as exc:
        raise ValueError("Write the number with its country code, such as +4930123456.") from exc
    if not phonenumbers.is_valid_number(number):
        raise ValueError("There can be no such number. Write it with its country code, such as +4930123456.")
    return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))


def slack_member(text: str) -> str:
    """The id of a member of a Slack workspace. Raises ValueError, with a sentence to show, if it is none."""
    if not re.fullmatch("[UW][A-Z0-9]{1,31}", text):
        raise ValueError("This is no member id of Slack, such as U012AB3CD: a profile there has \u201cCopy member ID\u201d.")
    return text
