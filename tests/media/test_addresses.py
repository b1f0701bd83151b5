"""Which addresses candidates name."""

from __future__ import annotations

import ipaddress

import pytest

from media.addresses import MAX_ADDRESSES, advertised_addresses, choose


def test_configured_addresses_are_taken_as_they_are() -> None:
    """In their order, once each; what is no address is an error."""
    given = ["198.51.100.7", " 2001:db8::1 ", "198.51.100.7", ""]
    assert advertised_addresses("0.0.0.0", given) == ["198.51.100.7", "2001:db8::1"]
    with pytest.raises(ValueError, match="address"):
        advertised_addresses("0.0.0.0", ["relay.example"])


def test_bound_address_is_the_one() -> None:
    """Bound to one address, only that one reaches the relay."""
    assert advertised_addresses("127.0.0.1") == ["127.0.0.1"]
    assert advertised_addresses("::1") == ["::1"]


def test_own_addresses_before_loopback() -> None:
    """Firefox ignores loopback: the host's own come first; link-local ones reach nobody."""
    own = ["127.0.0.1", "10.0.0.5", "fe80::1", "::1", "2001:db8::5", "169.254.1.1", "10.0.0.5"]
    assert choose(own, ipv6=False) == ["10.0.0.5", "127.0.0.1"]
    assert choose(own, ipv6=True) == ["10.0.0.5", "2001:db8::5", "::1", "127.0.0.1"]
    assert choose([], ipv6=False) == ["127.0.0.1"]
    many = choose([f"10.0.0.{n}" for n in range(1, 40)], ipv6=False)
    assert len(many) == MAX_ADDRESSES
    assert many[-1] == "127.0.0.1"


def test_this_host_has_some() -> None:
    """Whatever this machine has, the result can be put into candidates."""
    for address in advertised_addresses("0.0.0.0"):
        assert ipaddress.ip_address(address).version == 4
