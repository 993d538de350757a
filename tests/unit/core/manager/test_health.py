"""The answers of probes."""

import pytest

from kaito.core.manager.health import verdict


def well():
    return ""


def ill():
    return "a secret reason"


def broken():
    raise OSError("a defect of the check")


@pytest.mark.parametrize(
    ("checks", "verbose", "exclude", "status", "text"),
    [
        ({"ping": well}, False, (), 200, "ok"),
        ({"ping": well}, True, (), 200, "[+]ping ok\ncheck passed\n"),
        ({"a": ill, "ping": well}, False, (), 500, "[-]a failed: reason withheld\n[+]ping ok\ncheck failed\n"),
        ({"a": ill, "ping": well}, True, ("a", "unknown"), 200, "[+]a excluded: ok\n[+]ping ok\ncheck passed\n"),
        ({"a": ill}, False, ("a",), 200, "ok"),
        ({"a": ill, "b": well}, False, ("b",), 500, "[-]a failed: reason withheld\n[+]b excluded: ok\ncheck failed\n"),
        ({"a": broken}, False, (), 500, "[-]a failed: reason withheld\ncheck failed\n"),
        ({}, True, (), 200, "[+]ping ok\ncheck passed\n"),
    ],
)
def test_a_verdict_is_in_the_api_servers_format(checks, verbose, exclude, status, text):
    assert verdict(checks, verbose=verbose, exclude=frozenset(exclude)) == (status, text)
