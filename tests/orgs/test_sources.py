"""Networks to which a secret is bound."""

import pytest

from orgs.errors import Invalid
from orgs.sources import checked_sources, is_within, may_come_from


def test_networks_are_kept_in_their_short_form_and_once():
    assert checked_sources([" 10.0.0.0/8", "192.0.2.7", "2001:DB8::/32", "10.0.0.0/8"]) == ["10.0.0.0/8", "192.0.2.7/32", "2001:db8::/32"]


@pytest.mark.parametrize("text", ["10.0.0.1/8", "10.0.0.0/33", "10.0.0", "localhost", "", "::/129"])
def test_what_is_no_network_is_named(text):
    with pytest.raises(Invalid) as refused:
        checked_sources(["10.0.0.0/8", text])
    assert [error.loc for error in refused.value.errors] == [("body", "sources", 1)]


def test_more_than_fifty_are_refused():
    assert len(checked_sources([f"10.0.{n}.0/24" for n in range(50)])) == 50
    with pytest.raises(Invalid):
        checked_sources([f"10.0.{n}.0/24" for n in range(51)])


@pytest.mark.parametrize(
    ("address", "allowed"),
    [
        ("10.1.2.3", True),
        ("::ffff:10.1.2.3", True),
        ("11.0.0.1", False),
        ("::1", False),
        ("", False),
        ("unix:", False),
        ("10.1.2.3:80", False),
    ],
)
def test_an_address_outside_or_unreadable_may_not(address, allowed):
    assert may_come_from(["10.0.0.0/8", "2001:db8::/32"], address) is allowed


def test_without_networks_everybody_may():
    assert may_come_from([], "") is True


@pytest.mark.parametrize(
    ("sources", "bounds", "within"),
    [
        ([], [], True),
        (["10.0.0.0/8"], [], True),
        ([], ["10.0.0.0/8"], False),
        (["10.1.0.0/16", "10.2.0.0/16"], ["10.0.0.0/8"], True),
        (["10.1.0.0/16", "11.0.0.0/8"], ["10.0.0.0/8"], False),
        (["0.0.0.0/0"], ["10.0.0.0/8"], False),
        (["::/0"], ["0.0.0.0/0"], False),
    ],
)
def test_what_is_within_bounds_allows_nothing_more(sources, bounds, within):
    assert is_within(sources, bounds) is within
