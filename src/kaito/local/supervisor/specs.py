"""The command lines of a local cluster's processes. Pure."""

import sys

from kaito.local.processes import ChildSpec
from kaito.local.supervisor.service_accounts import NAMESPACE
from kaito.local.supervisor.settings import SupervisorSettings

API_SERVER = "kaito-apiserver"
CLUSTER = "kaito-cluster"
PROXY = "kaito-proxy"
NODE = "kaito-node"
DRAIN_SECONDS = 20
"""Nobody on a laptop waits five minutes for a disruption budget."""
CONTROLLER = "kaito-controller"
PROVISIONER = "kaito-provisioner"
RUNTIME_IMAGE = "kaito-runtime:0.1.0"


def api_server(settings: SupervisorSettings) -> ChildSpec:
    """Return the embedded API server."""
    paths = settings.paths
    argv = (
        API_SERVER,
        *("--data-dir", str(paths.api_server)),
        *("--bind", "127.0.0.1"),
        *("--port", str(settings.port)),
        *("--token-file", str(paths.token_file)),
        *("--kubelet-token-file", str(paths.kubelet_token_file)),
        *("--service-cidr", settings.service_cidr),
        *("--audit-log-path", str(paths.audit_log)),
    )
    return ChildSpec(API_SERVER, argv, paths.log_of(API_SERVER))


def cluster(settings: SupervisorSettings) -> ChildSpec:
    """Return the built-in controllers and the service proxy; on a real API server the proxy alone."""
    argv = (
        sys.executable,
        *("-m", "kaito.local.cluster"),
        *("--kubeconfig", str(settings.kubeconfig_of(PROXY))),
        *("--metrics-address", f"127.0.0.1:{settings.cluster_port}"),
        *(() if settings.embedded else ("--proxy-only",)),
    )
    return ChildSpec(CLUSTER, argv, settings.paths.log_of(CLUSTER))


def controller(settings: SupervisorSettings) -> ChildSpec:
    """Return the Workspace controller."""
    argv = (
        CONTROLLER,
        *("--kubeconfig", str(settings.kubeconfig_of(CONTROLLER))),
        *("--metrics-address", f"127.0.0.1:{settings.controller_port}"),
        *("--weights", settings.weights),
        *("--weights-cache-dir", str(settings.paths.weights)),
        *("--runtime-image", RUNTIME_IMAGE),
        *("--node-provisioner", "machine"),
        *("--webhook", "--webhook-port", str(settings.webhook_port), "--webhook-namespace", NAMESPACE),
        *_leader_election(settings),
    )
    return ChildSpec(CONTROLLER, argv, settings.paths.log_of(CONTROLLER))


def provisioner(settings: SupervisorSettings) -> ChildSpec:
    """Return the provisioner on the local cloud."""
    argv = (
        PROVISIONER,
        *("--kubeconfig", str(settings.kubeconfig_of(PROVISIONER))),
        *("--metrics-address", f"127.0.0.1:{settings.provisioner_port}"),
        *("--cloud", "local"),
        *("--cloud-dir", str(settings.paths.cloud)),
        *("--drain-timeout", str(DRAIN_SECONDS)),
        *_leader_election(settings),
    )
    return ChildSpec(PROVISIONER, argv, settings.paths.log_of(PROVISIONER))


def _leader_election(settings: SupervisorSettings) -> tuple[str, ...]:
    """On a cluster that others see too, a second `kaito up` waits for the first: two provisioners would buy twice."""
    return () if settings.embedded else ("--leader-elect", "--leader-election-namespace", NAMESPACE)
