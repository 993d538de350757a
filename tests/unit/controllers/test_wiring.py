"""Which Workspace an object belongs to, and which changes matter."""

import json

import msgspec

from kaito.controllers.workspace.wiring import by_owner_labels, by_pod_label, node_matters
from kaito.core import CacheEntry, Event, Key
from kaito.core.kinds import NODE, POD
from kaito.core.objects import Metadata

OWNER = {"kaito.sh/workspace": "phi", "kaito.sh/workspacenamespace": "team"}


def entry(kind, metadata, **parts):
    raw = json.dumps({"metadata": metadata, **parts}).encode()
    return CacheEntry(kind, msgspec.convert(metadata, Metadata), raw)


def event(kind, old, new):
    some = new or old
    return Event(kind, "MODIFIED", some.metadata.key, old, new)


def test_a_machine_or_node_wakes_the_workspace_of_its_labels_before_and_after():
    before = entry(NODE, {"name": "n", "labels": OWNER})
    after = entry(NODE, {"name": "n", "labels": {**OWNER, "kaito.sh/workspace": "other"}})
    assert list(by_owner_labels(event(NODE, before, after))) == [Key("team", "phi"), Key("team", "other")]
    assert list(by_owner_labels(event(NODE, before, before))) == [Key("team", "phi")]
    assert list(by_owner_labels(event(NODE, None, entry(NODE, {"name": "n", "labels": {}})))) == []


def test_a_pod_wakes_the_workspace_that_it_names_in_its_namespace():
    pod = entry(POD, {"name": "p", "namespace": "team", "labels": {"kaito.sh/workspace": "phi"}})
    assert by_pod_label(event(POD, pod, None)) == [Key("team", "phi")]
    assert by_pod_label(event(POD, entry(POD, {"name": "p", "namespace": "team"}), None)) == []


def node(*, ready="True", gpus="1", heartbeat="1"):
    condition = {"type": "Ready", "status": ready, "lastHeartbeatTime": heartbeat}
    return entry(NODE, {"name": "n"}, status={"conditions": [condition], "allocatable": {"nvidia.com/gpu": gpus}})


def test_a_heartbeat_of_a_node_wakes_nobody():
    assert not node_matters(event(NODE, node(), node(heartbeat="2")))
    assert node_matters(event(NODE, node(), node(ready="Unknown")))
    assert node_matters(event(NODE, node(), node(gpus="0")))
    assert node_matters(event(NODE, node(), None))
