"""The answers of probes."""

import pytest

from kaito.core import KaitoError
from kaito.core.manager.health import HealthServer, verdict


def well():
    return ""


def ill():
    return "a secret reason"


@pytest.mark.parametrize(
    ("checks", "verbose", "exclude", "status", "text"),
    [
        ({"ping": well}, False, (), 200, "ok"),
        ({"ping": well}, True, (), 200, "[+]ping ok\ncheck passed\n"),
        ({"a": ill, "ping": well}, False, (), 500, "[-]a failed: reason withheld\n[+]ping ok\ncheck failed\n"),
        ({"a": ill, "ping": well}, True, ("a", "unknown"), 200, "[+]a excluded: ok\n[+]ping ok\ncheck passed\n"),
        ({"a": ill}, False, ("a",), 200, "ok"),
    ],
)
def test_a_verdict_is_in_the_api_servers_format(checks, verbose, exclude, status, text):
    assert verdict(checks, verbose=verbose, exclude=frozenset(exclude)) == (status, text)


async def test_a_port_in_use_is_a_terminal_error_with_a_remedy():
    first = HealthServer("127.0.0.1:0", None, {}, {})
    await first.start()
    try:
        with pytest.raises(KaitoError) as caught:
            await HealthServer(f"127.0.0.1:{first.port}", None, {}, {}).start()
        assert caught.value.reason == "AddressInUse"
        assert "--metrics-address" in caught.value.remedy
    finally:
        await first.stop()


async def test_it_can_be_turned_off():
    server = HealthServer("0", None, {}, {})
    await server.start()
    assert server.port == 0
    await server.stop()
