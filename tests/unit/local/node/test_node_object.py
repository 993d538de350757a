from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from kaito.local.node.node_object import Facts, capacity, metadata_patch, new_node, node_status, read_facts
from kaito.local.node.options import Options, parse_options, parse_taint
from kaito.local.node.status import same_status

NOW = datetime(2026, 1, 2, tzinfo=UTC)
FACTS = Facts(4, 8 * 2**30, 100 * 2**30, "amd64", "6.1", "Debian", "boot", "machine")
OPTIONS = Options(
    name="n",
    root=Path("/nowhere"),
    provider_id="local:///n",
    labels={"a": "b", "kubernetes.io/hostname": "other"},
    taints=({"key": "sku", "value": "gpu", "effect": "NoSchedule"},),
    capacity={"nvidia.com/gpu": "2", "cpu": "24"},
)
NAMED = {"name": "n", "uid": "u", "resourceVersion": "1"}


def test_capacity_of_the_options_replaces_the_machines_own() -> None:
    assert capacity(OPTIONS, FACTS) == {
        "cpu": "24",
        "memory": "8388608Ki",
        "ephemeral-storage": "104857600Ki",
        "pods": "110",
        "nvidia.com/gpu": "2",
    }


def test_the_taint_of_admission_is_removed_and_others_stay() -> None:
    node = new_node(OPTIONS, FACTS)
    node["metadata"].update(NAMED)
    foreign = {"key": "foreign", "effect": "NoExecute"}
    node["spec"]["taints"] = [{"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}, foreign]
    patch = metadata_patch(node, OPTIONS, FACTS)
    assert patch is not None
    assert patch["spec"] == {"taints": [foreign]}
    assert patch["metadata"] == {"uid": "u", "resourceVersion": "1"}


def test_a_node_that_says_it_all_needs_no_patch() -> None:
    node = new_node(OPTIONS, FACTS)
    node["metadata"].update(NAMED)
    assert node["metadata"]["labels"]["kubernetes.io/hostname"] == "other"
    assert metadata_patch(node, OPTIONS, FACTS) is None


def test_a_node_of_before_gets_the_labels_it_lacks() -> None:
    node = {"metadata": {**NAMED, "labels": {"kept": "yes"}}, "spec": {}}
    patch = metadata_patch(node, OPTIONS, FACTS)
    assert patch is not None
    assert patch["metadata"]["labels"]["a"] == "b"
    assert patch["spec"]["providerID"] == "local:///n"


def test_a_status_is_stable_until_something_changes() -> None:
    first = node_status(OPTIONS, FACTS, "127.1.0.1", 1000, {}, NOW)
    later = node_status(OPTIONS, FACTS, "127.1.0.1", 1000, first, NOW + timedelta(hours=1))
    assert same_status(first, later)
    assert not same_status(first, node_status(OPTIONS, FACTS, "127.1.0.1", 2000, first, NOW))


def test_a_node_that_was_marked_unknown_becomes_ready_with_a_new_time() -> None:
    old = {"conditions": [{"type": "Ready", "status": "Unknown", "lastTransitionTime": "2025-01-01T00:00:00Z"}]}
    status = node_status(OPTIONS, FACTS, "127.1.0.1", 1, old, NOW)
    ready = next(each for each in status["conditions"] if each["type"] == "Ready")
    assert (ready["status"], ready["lastTransitionTime"]) == ("True", "2026-01-02T00:00:00Z")


def test_this_machine_has_facts(tmp_path: Path) -> None:
    facts = read_facts(tmp_path)
    assert facts.cpus >= 1
    assert facts.memory > 2**28
    assert replace(facts, cpus=1).architecture in ("amd64", "arm64")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sku=gpu:NoSchedule", {"key": "sku", "value": "gpu", "effect": "NoSchedule"}),
        ("dedicated:NoExecute", {"key": "dedicated", "effect": "NoExecute"}),
    ],
)
def test_taints_are_read(text: str, expected: dict[str, str]) -> None:
    assert parse_taint(text) == expected


@pytest.mark.parametrize("arguments", [["--taint", "x"], ["--label", "x"], ["--mounts", "magic"]])
def test_a_wrong_option_ends_with_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse_options(["--name", "n", "--dir", "/d", *arguments])
    assert "usage: kaito-node" in capsys.readouterr().err


def test_the_command_line_is_read_whole() -> None:
    text = "--name n --dir /d --label a=b --capacity nvidia.com/gpu=1 --image app=run-app:x --stop-pods-on-exit"
    options = parse_options(text.split())
    assert options.labels == {"a": "b"}
    assert options.capacity == {"nvidia.com/gpu": "1"}
    assert options.images == {"app": ("run-app:x",)}
    assert options.stop_pods_on_exit
