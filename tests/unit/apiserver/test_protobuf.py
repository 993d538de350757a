"""Protobuf bodies, as typed Go clients send them."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaito.apiserver.protobuf import decode


def varint(number: int) -> bytes:
    number &= (1 << 64) - 1
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def field(number: int, value: bytes | str | int) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def envelope(api_version: str, kind: str, raw: bytes) -> bytes:
    return b"k8s\x00" + field(1, field(1, api_version) + field(2, kind)) + field(2, raw)


META = field(
    1, field(1, "web") + field(2, "") + field(7, 0) + field(8, b"") + field(11, field(1, "app") + field(2, "web"))
)


def test_a_deployment_is_read_with_everything_in_it():
    probe = field(1, field(2, field(1, "/healthz") + field(2, field(1, 0) + field(2, 5000) + field(3, "")))) + field(
        4, 5
    )
    limits = field(1, field(1, "cpu") + field(2, field(1, "500m")))
    container = field(1, "main") + field(3, "a") + field(3, "") + field(8, limits) + field(10, probe) + field(16, 0)
    volume = field(1, "shm") + field(2, field(2, field(1, "Memory")))
    template = field(1, META[2:]) + field(2, field(1, volume) + field(2, container))
    spec = field(1, 0) + field(3, template) + field(5, 0)
    read = decode(envelope("apps/v1", "Deployment", META + field(2, spec)))
    assert read["metadata"] == {"name": "web", "labels": {"app": "web"}}
    assert read["spec"]["replicas"] == 0
    assert "minReadySeconds" not in read["spec"]
    pod = read["spec"]["template"]["spec"]
    assert pod["volumes"] == [{"name": "shm", "emptyDir": {"medium": "Memory"}}]
    assert pod["containers"] == [
        {
            "name": "main",
            "command": ["a", ""],
            "resources": {"limits": {"cpu": "500m"}},
            "livenessProbe": {"httpGet": {"path": "/healthz", "port": 5000}, "periodSeconds": 5},
        }
    ]


def test_bytes_times_and_negative_numbers():
    secret = decode(envelope("v1", "Secret", META + field(2, field(1, "a") + field(2, b"\x00b"))))
    assert secret["data"] == {"a": "AGI="}
    named = field(1, field(1, "web") + field(9, field(1, 1767323045)))
    assert decode(envelope("v1", "ConfigMap", named))["metadata"]["deletionTimestamp"] == "2026-01-02T03:04:05Z"
    options = decode(envelope("policy/v1", "DeleteOptions", field(1, -1) + field(4, "Background")))
    assert (options["gracePeriodSeconds"], options["propagationPolicy"]) == (-1, "Background")
    micro = field(2, field(2, 10) + field(3, field(1, 1767323045) + field(2, 5000)))
    lease = decode(envelope("coordination.k8s.io/v1", "Lease", META + micro))
    assert lease["spec"] == {"leaseDurationSeconds": 10, "acquireTime": "2026-01-02T03:04:05.000005Z"}


def test_fields_of_a_newer_client_are_passed_over():
    assert decode(envelope("v1", "Namespace", META + field(99, "new") + field(98, 5)))["metadata"]["name"] == "web"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"{}", "magic number"),
        (envelope("example.org/v1", "Workspace", b""), "send JSON"),
        (envelope("v1", "Namespace", META[:-3]), "ends within"),
        (b"k8s\x00\xff", "ends within"),
        (b"k8s\x00\x0b", "wire type"),
    ],
)
def test_what_is_no_object_is_refused(body, words):
    with pytest.raises(ValueError, match=words):
        decode(body)


@given(st.binary(max_size=60))
def test_no_bytes_do_worse_than_a_value_error(data):
    with contextlib.suppress(ValueError):
        decode(envelope("v1", "Pod", data))
