"""Ports for servers that start a moment later."""

import random
import socket
from pathlib import Path

import pytest

from kaito.core.errors import KaitoError
from kaito.local.ports import HIGHEST, LOWEST, free_ports, is_free, outgoing, stays_free


def test_ports_are_free_different_and_none_that_an_outgoing_connection_could_be_given() -> None:
    ports = free_ports(50)
    assert len(set(ports)) == 50
    assert all(is_free(port) and port not in outgoing() for port in ports)


def test_a_port_of_an_outgoing_connection_is_no_port_for_a_server_though_it_is_free() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    assert is_free(port)
    assert not stays_free(port)


def test_the_search_goes_on_at_the_lowest_one_and_passes_what_is_taken() -> None:
    (taken,) = free_ports(1)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", taken))
        listener.listen()
        found = free_ports(3, chance=_Pick(taken - LOWEST), but=range(0))
    assert taken not in found
    last, first = free_ports(2, chance=_Pick(-1), but=range(LOWEST + 1, HIGHEST))
    assert (last, first) == (HIGHEST, LOWEST)


def test_too_few_ports_are_counted_and_the_remedy_named() -> None:
    with pytest.raises(KaitoError, match="2 TCP ports are needed") as caught:
        free_ports(2, but=range(LOWEST, HIGHEST + 1))
    assert caught.value.reason == "NoFreePort"
    assert "ip_local_port_range" in caught.value.remedy


def test_the_kernels_range_is_read(tmp_path: Path) -> None:
    file = tmp_path / "range"
    file.write_text("15000\t20000\n")
    assert outgoing(file) == range(15000, 20001)
    assert outgoing(tmp_path / "none") == range(32768, 61000)


class _Pick(random.Random):
    """Begins the search at one place; negative: counted from the end."""

    def __init__(self, place: int) -> None:
        super().__init__(0)
        self.place = place

    def randrange(self, start: int, stop: int | None = None, step: int = 1) -> int:
        return self.place % start
