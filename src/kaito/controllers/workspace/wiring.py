"""What the Workspace controller watches, and which Workspace each object belongs to."""

import secrets
from collections.abc import Iterable
from functools import partial

from kaito.api import MACHINE, WORKSPACE, WORKSPACE_LABEL, WORKSPACE_NAMESPACE_LABEL
from kaito.contracts import ADMIN_PORT
from kaito.controllers.options import ControllerOptions
from kaito.controllers.workspace.act import Actor
from kaito.controllers.workspace.credentials import CredentialCopier
from kaito.controllers.workspace.metrics import WorkspaceMetrics
from kaito.controllers.workspace.reconciler import WorkspaceReconciler
from kaito.controllers.workspace.render import load_templates
from kaito.controllers.workspace.servers import Servers
from kaito.controllers.workspace.snapshot import Gatherer, view
from kaito.controllers.workspace.views import Node
from kaito.core import Controller, Event, Manager
from kaito.core.kinds import CONFIG_MAP, DEPLOYMENT, NODE, POD, SERVICE
from kaito.core.objects import Key
from kaito.presets import load_presets, load_skus

TOKEN_BYTES = 32


def workspace_controller(manager: Manager, options: ControllerOptions, admin_port: int = ADMIN_PORT) -> Controller:
    """Return the controller of Workspaces, wired to a manager that was not started yet."""
    load_templates()
    for kind in (POD, NODE, DEPLOYMENT, SERVICE, CONFIG_MAP):
        manager.caching(kind, labels=WORKSPACE_LABEL)
    servers = Servers(manager.client, manager.clock, lambda key: controller.enqueue(key), admin_port)
    credentials = CredentialCopier(manager.client, manager.clock, lambda key: controller.enqueue(key))
    reconciler = WorkspaceReconciler(
        gatherer=Gatherer(manager.cache, options.settings, load_presets(), load_skus()),
        actor=Actor(manager.client, manager.cache, partial(secrets.token_urlsafe, TOKEN_BYTES), credentials),
        servers=servers,
        credentials=credentials,
        events=manager.events,
        metrics=WorkspaceMetrics(manager.registry),
        clock=manager.clock,
    )
    manager.add_runnable(servers.run)
    controller = (
        Controller("workspace", reconciler, workers=options.workers)
        .watching(WORKSPACE)
        .owning(DEPLOYMENT)
        .owning(SERVICE)
        .owning(CONFIG_MAP)
        .watching(MACHINE, to=by_owner_labels)
        .watching(NODE, to=by_owner_labels, when=node_matters)
        .watching(POD, to=by_pod_label)
    )
    return controller


def by_owner_labels(event: Event) -> Iterable[Key]:
    """Return the Workspace whose labels a claim or a node carries, or carried before."""
    keys = []
    for entry in (event.old, event.new):
        labels = entry.metadata.labels if entry is not None else {}
        if WORKSPACE_LABEL in labels and WORKSPACE_NAMESPACE_LABEL in labels:
            keys.append(Key(labels[WORKSPACE_NAMESPACE_LABEL], labels[WORKSPACE_LABEL]))
    return dict.fromkeys(keys)


def by_pod_label(event: Event) -> Iterable[Key]:
    """Return the Workspace that a pod names."""
    entry = event.new or event.old
    name = entry.metadata.labels.get(WORKSPACE_LABEL) if entry is not None else None
    return [Key(event.key.namespace, name)] if name else []


def node_matters(event: Event) -> bool:
    """Tell whether more than a node's heartbeat changed."""
    if event.old is None or event.new is None:
        return True
    old, new = view(event.old, Node), view(event.new, Node)
    return (old.ready, old.gpus, old.metadata.labels) != (new.ready, new.gpus, new.metadata.labels)
