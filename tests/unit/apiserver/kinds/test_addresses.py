"""Addresses of Services."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaito.apiserver.kinds.addresses import AddressesExhausted, ServiceAddresses
from kaito.core import Key


def test_a_service_made_anew_finds_its_old_address():
    addresses = ServiceAddresses("127.96.0.0/16")
    first = addresses.allocate(Key("default", "web"))
    addresses.release(first)
    assert ServiceAddresses("127.96.0.0/16").allocate(Key("default", "web")) == first


@given(st.sets(st.text(min_size=1, max_size=5), min_size=1, max_size=13))
def test_no_two_services_share_an_address(names):
    addresses = ServiceAddresses("10.0.0.0/28")
    given = {addresses.allocate(Key("default", name)) for name in names}
    assert len(given) == len(names)
    assert not given & {"10.0.0.0", "10.0.0.1", "10.0.0.15"}


def test_a_full_range_says_so():
    addresses = ServiceAddresses("10.0.0.0/29")
    for number in range(5):
        addresses.allocate(Key("default", str(number)))
    with pytest.raises(AddressesExhausted, match=r"range is full: 10\.0\.0\.0/29"):
        addresses.allocate(Key("default", "one more"))


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("10.0.0.5", ""),
        ("10.0.0.4", "provided IP is already allocated"),
        ("10.9.0.4", "not in the valid range. The range of valid IPs is 10.0.0.0/29"),
        ("ten", "must be a valid IP address"),
    ],
)
def test_a_wanted_address_is_given_if_it_can_be(address, why):
    assert why in ServiceAddresses("10.0.0.0/29", ["10.0.0.4"]).claim(address)
    assert bool(why) == bool(ServiceAddresses("10.0.0.0/29", ["10.0.0.4"]).claim(address))


def test_a_range_without_room_is_refused():
    with pytest.raises(ValueError, match="holds no addresses"):
        ServiceAddresses("10.0.0.0/31")
