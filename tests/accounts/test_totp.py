"""The codes of an authenticator app, against the figures of the standards."""

from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts import totp

SECRET = b"12345678901234567890"


CODES = ("755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871", "520489")


@pytest.mark.parametrize(("step", "code"), list(enumerate(CODES)))
def test_the_codes_of_rfc_4226_appendix_d(step, code):
    assert totp.code_at(SECRET, step) == code


@pytest.mark.parametrize(
    ("unix_s", "code"),
    [
        (59, "287082"),
        (1111111109, "081804"),
        (1111111111, "050471"),
        (1234567890, "005924"),
        (2000000000, "279037"),
        (20000000000, "353130"),
    ],
)
def test_the_codes_of_rfc_6238_appendix_b(unix_s, code):
    assert totp.code_at(SECRET, totp.step_at(unix_s)) == code
    assert totp.matching_step(SECRET, code, unix_s=unix_s) == unix_s // 30


@given(st.binary(min_size=20, max_size=20), st.integers(600, 2**33), st.integers(-3, 3))
def test_a_code_counts_half_a_minute_early_and_late_and_no_longer(secret, unix_s, off):
    code = totp.code_at(secret, unix_s // 30 + off)
    near = {totp.code_at(secret, unix_s // 30 + step): unix_s // 30 + step for step in (-1, 0, 1)}
    assert totp.matching_step(secret, code, unix_s=unix_s) == near.get(code)
    assert (code in near) >= (abs(off) <= 1)


@pytest.mark.parametrize("code", ["", "12345", "1234567", "２８７０８２", "abcdef"])
def test_what_is_no_code_matches_nothing(code):
    assert totp.matching_step(SECRET, code, unix_s=59) is None


def test_an_app_reads_the_secret_from_the_address():
    address = urlsplit(totp.as_address(SECRET, account="jo+x@example.com", issuer="Plumbline"))
    assert (address.scheme, address.netloc, unquote(address.path)) == ("otpauth", "totp", "/Plumbline:jo+x@example.com")
    told = {"secret": ["GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"], "issuer": ["Plumbline"], "digits": ["6"], "period": ["30"]}
    assert parse_qs(address.query) == told


def test_secrets_are_long_and_never_the_same():
    made = {totp.new_secret() for _ in range(100)}
    assert (len(made), {len(secret) for secret in made}) == (100, {20})
