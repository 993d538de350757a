"""The Node object of this machine: what it says, as a pure function of the options and the machine's facts."""

import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from kaito.core.clock import timestamp
from kaito.core.objects import Object
from kaito.local.node.options import Options

KUBELET_VERSION = "v1.34.0-kaito"
NOT_READY_TAINT = "node.kubernetes.io/not-ready"
CONDITIONS = (
    ("MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
    ("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
    ("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
    ("Ready", "True", "KubeletReady", "kubelet is posting ready status"),
)
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


@dataclass(frozen=True)
class Facts:
    """What this machine is. `memory` and `disk` in bytes."""

    cpus: int
    memory: int
    disk: int
    architecture: str
    kernel: str
    os_image: str
    boot_id: str
    machine_id: str


def read_facts(folder: Path) -> Facts:
    """Read the machine's facts; `folder` is on the disk whose size counts."""
    disk = os.statvfs(folder)
    return Facts(
        cpus=os.cpu_count() or 1,
        memory=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        disk=disk.f_frsize * disk.f_blocks,
        architecture=_ARCHITECTURES.get(platform.machine(), platform.machine()),
        kernel=platform.release(),
        os_image=platform.freedesktop_os_release().get("PRETTY_NAME", "Linux")
        if Path("/etc/os-release").exists()
        else "Linux",
        boot_id=_text("/proc/sys/kernel/random/boot_id"),
        machine_id=_text("/etc/machine-id"),
    )


def _text(path: str) -> str:
    file = Path(path)
    return file.read_text().strip() if file.is_file() else ""


def capacity(options: Options, facts: Facts) -> dict[str, str]:
    """Return the Node's capacity: this machine's, and what the options add or replace."""
    own = {
        "cpu": str(facts.cpus),
        "memory": f"{facts.memory // 1024}Ki",
        "ephemeral-storage": f"{facts.disk // 1024}Ki",
        "pods": "110",
    }
    return {**own, **options.capacity}


def labels(options: Options, facts: Facts) -> dict[str, str]:
    """Return the Node's labels; those of the options win."""
    well_known = {
        "kubernetes.io/hostname": options.name,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": facts.architecture,
    }
    return {**well_known, **options.labels}


def new_node(options: Options, facts: Facts) -> Object:
    """Return the Node to create, without its status."""
    spec: Object = {"podCIDR": options.pod_cidr, "podCIDRs": [options.pod_cidr]}
    if options.provider_id:
        spec["providerID"] = options.provider_id
    if options.taints:
        spec["taints"] = list(options.taints)
    metadata = {"name": options.name, "labels": labels(options, facts)}
    return {"apiVersion": "v1", "kind": "Node", "metadata": metadata, "spec": spec}


def metadata_patch(node: Object, options: Options, facts: Facts) -> Object | None:
    """Return the merge patch that a Node of before needs (labels, provider ID, taint), None when nothing is missing."""
    missing = {
        name: value
        for name, value in labels(options, facts).items()
        if (node["metadata"].get("labels") or {}).get(name) != value
    }
    patch: Object = {}
    if missing:
        patch["metadata"] = {"labels": missing}
    spec = node.get("spec") or {}
    changes: Object = {}
    if options.provider_id and not spec.get("providerID"):
        changes["providerID"] = options.provider_id
    kept = [taint for taint in spec.get("taints") or () if taint["key"] != NOT_READY_TAINT]
    if len(kept) != len(spec.get("taints") or ()):
        changes["taints"] = kept or None
    if changes:
        patch["spec"] = changes
    if patch:
        patch.setdefault("metadata", {}).update(
            {"uid": node["metadata"]["uid"], "resourceVersion": node["metadata"]["resourceVersion"]}
        )
    return patch or None


def node_status(options: Options, facts: Facts, ip: str, port: int, old: Object, now: datetime) -> Object:
    """Return the Node's status. `old` is the status of before: transition times and foreign conditions are kept."""
    known = {condition["type"]: condition for condition in old.get("conditions") or ()}
    conditions = []
    for kind, status, reason, message in CONDITIONS:
        previous = known.pop(kind, None)
        same = previous is not None and previous["status"] == status
        conditions.append(
            {
                "type": kind,
                "status": status,
                "reason": reason,
                "message": message,
                "lastTransitionTime": previous["lastTransitionTime"] if previous and same else timestamp(now),
                "lastHeartbeatTime": previous.get("lastHeartbeatTime") if previous and same else timestamp(now),
            }
        )
    amount = capacity(options, facts)
    return {
        "capacity": amount,
        "allocatable": amount,
        "conditions": [*known.values(), *conditions],
        "addresses": [{"type": "InternalIP", "address": ip}, {"type": "Hostname", "address": options.name}],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": port}},
        "nodeInfo": _node_info(facts),
    }


def _node_info(facts: Facts) -> Mapping[str, str]:
    return {
        "machineID": facts.machine_id,
        "systemUUID": facts.machine_id,
        "bootID": facts.boot_id,
        "kernelVersion": facts.kernel,
        "osImage": facts.os_image,
        "containerRuntimeVersion": f"processes://{platform.python_version()}",
        "kubeletVersion": KUBELET_VERSION,
        "kubeProxyVersion": "",
        "operatingSystem": "linux",
        "architecture": facts.architecture,
    }


def lease(node: Object, renew_time: str) -> Object:
    """Return the Lease that says this node lives. Source: kubelet's node lease, 40 s renewed every 10 s."""
    name, uid = node["metadata"]["name"], node["metadata"]["uid"]
    owner = {"apiVersion": "v1", "kind": "Node", "name": name, "uid": uid}
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": name, "namespace": "kube-node-lease", "ownerReferences": [owner]},
        "spec": {"holderIdentity": name, "leaseDurationSeconds": 40, "renewTime": renew_time},
    }
