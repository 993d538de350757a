"""Which machines run."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaito.core.clock import timestamp
from kaito.local.machines.decide import Decision, decide, lowest_free_index, node_arguments, pod_cidr
from kaito.provisioner.clouds.local import LocalInstance

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
LONG_AGO = NOW - timedelta(hours=1)


def instance(name: str, *, age: float = 3600, state: str = "running", **extra: Any) -> LocalInstance:
    return LocalInstance.model_validate(
        {
            "name": name,
            "providerID": f"local:///{name}",
            "instanceType": "Standard_NC6s_v3",
            "zone": "local-1",
            "createdAt": timestamp(NOW - timedelta(seconds=age)),
            "state": state,
            **extra,
        }
    )


def test_a_machine_boots_once_its_time_is_over() -> None:
    fresh = instance("a", age=0)
    assert decide([fresh], [], [], 2.0, LONG_AGO, NOW) == Decision(look_again=2.0)
    assert decide([fresh], [], [], 2.0, LONG_AGO, NOW + timedelta(seconds=2)).start == (fresh,)


def test_after_a_restart_of_the_cluster_old_machines_boot_again() -> None:
    old = instance("a")
    assert decide([old], [], [], 1.0, NOW, NOW).look_again == 1.0


def test_a_running_machine_is_left_alone() -> None:
    assert decide([instance("a")], ["a"], [], 1.0, LONG_AGO, NOW) == Decision()


@pytest.mark.parametrize("instances", [[], [instance("a", state="terminating")]], ids=["file gone", "terminating"])
def test_a_machine_is_taken_down_when_its_file_goes_or_says_so(instances: Any) -> None:
    assert decide(instances, ["a"], [], 1.0, LONG_AGO, NOW).stop == ("a",)


def test_the_file_goes_only_when_the_machine_is_down() -> None:
    ending = instance("a", state="terminating")
    assert decide([ending], [], ["a"], 1.0, LONG_AGO, NOW) == Decision()
    assert decide([ending], [], [], 1.0, LONG_AGO, NOW).remove == ("a",)


@given(st.sets(st.integers(1, 20)))
def test_the_lowest_free_index_is_free_and_lowest(taken: set[int]) -> None:
    index = lowest_free_index(taken)
    assert index not in taken
    assert set(range(1, index)) <= taken


def test_pod_ranges_of_machines_follow_their_index() -> None:
    assert pod_cidr("127.244.0.0/16", 1) == "127.244.1.0/24"
    assert pod_cidr("127.244.0.0/16", 255) == "127.244.255.0/24"
    with pytest.raises(ValueError, match="no room"):
        pod_cidr("127.244.0.0/16", 256)


def test_the_command_line_carries_labels_taints_and_capacity() -> None:
    one = instance(
        "a",
        labels={"b": "2", "a": "1"},
        taints=[{"key": "sku", "value": "gpu", "effect": "NoSchedule"}],
        capacity={"nvidia.com/gpu": "1"},
    )
    argv = node_arguments(one, "127.244.1.0/24", kubeconfig="/k", folder="/n/a", kubelet_token="/t")
    text = " ".join(argv)
    assert text.startswith("kaito-node --kubeconfig /k --name a --dir /n/a --provider-id local:///a")
    assert "--label a=1 --label b=2" in text
    assert "--taint sku=gpu:NoSchedule" in text
    assert "--capacity nvidia.com/gpu=1" in text
    assert "--stop-pods-on-exit" in argv


@pytest.mark.parametrize(
    ("trust", "flags"),
    [
        ({"kubelet_token": "/t"}, ["--kubelet-token-file", "/t"]),
        ({"kubelet_client_ca": "/ca"}, ["--kubelet-client-ca-file", "/ca"]),
        ({}, []),
    ],
)
def test_the_node_is_told_how_the_api_server_shows_who_it_is(trust: dict[str, str], flags: list[str]) -> None:
    argv = node_arguments(instance("a"), "127.244.1.0/24", kubeconfig="/k", folder="/n/a", **trust)
    told = [part for part in argv if part in ("--kubelet-token-file", "--kubelet-client-ca-file", "/t", "/ca")]
    assert told == flags
