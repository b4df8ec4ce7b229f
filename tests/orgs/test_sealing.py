"""What is sealed can be read here and nowhere else."""

import pytest

from orgs.sealing import UnsealedError, seal, unseal


@pytest.mark.parametrize("text", [b"", b"plb_5a1c3f09_secret", b"x" * 100_000])
def test_what_is_sealed_is_read_again_and_does_not_show(text):
    sealed = seal(text, purpose="a")
    assert unseal(sealed, purpose="a") == text
    assert not text or text not in sealed
    assert seal(text, purpose="a") != sealed


@pytest.mark.parametrize("at", [0, 1, 12, 13, -1])
def test_what_was_altered_is_refused(at):
    sealed = bytearray(seal(b"secret", purpose="a"))
    sealed[at] ^= 1
    with pytest.raises(UnsealedError):
        unseal(bytes(sealed), purpose="a")


def test_another_purpose_or_another_key_reads_nothing(settings):
    sealed = seal(b"secret", purpose="a")
    with pytest.raises(UnsealedError):
        unseal(sealed, purpose="b")
    settings.TOKEN_PEPPER = "another pepper"
    with pytest.raises(UnsealedError):
        unseal(sealed, purpose="a")


@pytest.mark.parametrize("text", [b"", b"\x01", b"{}", b'{"token": "plain"}'])
def test_what_was_never_sealed_is_refused(text):
    with pytest.raises(UnsealedError):
        unseal(text, purpose="a")
