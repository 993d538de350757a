"""One node: its parts put together, and ended together."""

import os
from dataclasses import dataclass

from kaito.core import KaitoError, Manager
from kaito.core.kinds import CONFIG_MAP, NODE, POD
from kaito.core.logs import get_logger
from kaito.local.node.containers import Containers
from kaito.local.node.environment import host_environment
from kaito.local.node.hooks import Hooks
from kaito.local.node.images import Images
from kaito.local.node.kubelet import KubeletCredentials, KubeletServer
from kaito.local.node.layout import Layout, private_folder
from kaito.local.node.mounts import namespaces_allowed
from kaito.local.node.node_object import capacity, read_facts
from kaito.local.node.options import Options
from kaito.local.node.pod_addresses import PodAddresses
from kaito.local.node.pod_range import give_back, make_local
from kaito.local.node.pods import NodeAddresses, PodReconciler
from kaito.local.node.preparation import Machine
from kaito.local.node.probes import Prober, Probes
from kaito.local.node.registration import NodeReconciler
from kaito.local.node.tokens import Tokens

log = get_logger()


@dataclass
class Node:
    """A node that has joined a cluster's Manager; `close` ends what is this process's own, not the containers."""

    pods: PodReconciler
    registration: NodeReconciler
    containers: Containers
    probes: Probes
    hooks: Hooks
    kubelet: KubeletServer
    pod_cidr: str

    async def close(self) -> None:
        """Stop serving, probing and watching."""
        await self.kubelet.stop()
        await self.hooks.close()
        await self.probes.close()
        self.containers.close()

    async def stop_containers(self, grace: float) -> None:
        """End all containers, each within `grace` seconds, and give their addresses back when they have ended."""
        await self.containers.stop_all(grace)
        give_back(self.pod_cidr)


async def join(manager: Manager, options: Options) -> Node:
    """Add this node's controllers to `manager`, find the containers of before. Raises KaitoError and OSError."""
    layout = Layout(options.root)
    private_folder(layout.pods)
    make_local(options.pod_cidr)
    addresses = PodAddresses(options.pod_cidr)
    ip = options.node_ip or addresses.node
    facts = read_facts(options.root)
    clock = manager.clock
    machine = Machine(
        layout, Images(options.images), host_environment(os.environ, extra=options.host_env), await _namespaced(options)
    )
    node = NodeAddresses(options.name, ip, capacity(options, facts))

    def changed(uid: str) -> None:
        pods.changed(uid)

    containers = Containers(layout, clock, changed)
    pods = PodReconciler(node, machine, containers, addresses, clock)
    prober = Prober(containers)
    probes = Probes(prober, clock, changed, pods.unhealthy)
    hooks = Hooks(containers, prober, clock, changed, pods.hook_failed)
    registration = NodeReconciler(options, facts, ip, clock)
    kubelet = KubeletServer(
        options.name, ip, layout, containers, pods.pods, clock, manager.registry, _credentials(options)
    )
    containers.adopt()
    pods.restore()
    registration.port = await kubelet.start(options.kubelet_port)
    manager.caching(POD, fields=f"spec.nodeName={options.name}")
    manager.caching(NODE, fields=f"metadata.name={options.name}")
    manager.caching(CONFIG_MAP)
    tokens = Tokens(manager.client, clock)
    manager.add(registration.attach(manager.cache, manager.client, manager.events))
    manager.add(pods.attach(manager.cache, manager.client, manager.events, probes, hooks, tokens))
    manager.add_runnable(registration.heartbeat)
    manager.add_runnable(pods.sweep)
    return Node(pods, registration, containers, probes, hooks, kubelet, options.pod_cidr)


def _credentials(options: Options) -> KubeletCredentials:
    return KubeletCredentials(options.kubelet_token_file, options.kubelet_client_ca_file)


async def _namespaced(options: Options) -> bool:
    """Return whether containers get mount namespaces. Raises KaitoError when they are asked for and not allowed."""
    if options.mounts == "rewrite":
        return False
    reason = await namespaces_allowed(options.root)
    if reason and options.mounts == "namespace":
        raise KaitoError(
            "MountNamespaceRefused",
            f"This machine allows no mount namespace: {reason}.",
            terminal=True,
            remedy="Use --mounts rewrite, or run as root.",
        )
    if reason:
        log.info("no mount namespaces here; mount paths are rewritten", because=reason)
    return not reason
