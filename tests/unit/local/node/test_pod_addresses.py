import pytest

from kaito.core import KaitoError
from kaito.local.node.pod_addresses import PodAddresses


def test_the_first_address_is_the_nodes_and_pods_get_the_next() -> None:
    addresses = PodAddresses("127.244.7.0/24")
    assert addresses.node == "127.244.7.1"
    assert [addresses.of("a"), addresses.of("b"), addresses.of("a")] == ["127.244.7.2", "127.244.7.3", "127.244.7.2"]


def test_a_freed_address_is_not_the_next_one_to_be_given() -> None:
    addresses = PodAddresses("127.244.7.0/29")
    first = addresses.of("a")
    addresses.release("a")
    assert addresses.of("b") != first


def test_addresses_of_before_are_kept_and_those_of_another_range_are_not() -> None:
    addresses = PodAddresses("127.244.7.0/29")
    addresses.restore([("a", "127.244.7.2"), ("b", "10.0.0.1")])
    assert addresses.of("a") == "127.244.7.2"
    assert addresses.of("c") == "127.244.7.3"


def test_a_full_range_is_said_with_what_to_do() -> None:
    addresses = PodAddresses("127.244.7.0/29")
    given = {addresses.of(str(number)) for number in range(5)}
    assert len(given) == 5
    with pytest.raises(KaitoError, match="larger --pod-cidr"):
        addresses.of("one more")
    addresses.release("0")
    assert addresses.of("one more") == "127.244.7.2"


def test_a_range_without_room_is_refused() -> None:
    with pytest.raises(ValueError, match="no room"):
        PodAddresses("127.244.7.0/31")
