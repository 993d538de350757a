"""The built-in controllers of a local cluster, as far as our own workloads use them, written on `kaito.core`.

One package per concern: `decide` is pure, `reconciler` gathers and acts. On a real control plane none of them runs.
"""

from kaito.core import Controller, Manager
from kaito.local.controllers.deployment.reconciler import deployment_controller
from kaito.local.controllers.disruption.reconciler import disruption_controller
from kaito.local.controllers.endpoints.reconciler import endpoints_controller
from kaito.local.controllers.garbage.reconciler import garbage_collector
from kaito.local.controllers.job.reconciler import job_controller
from kaito.local.controllers.nodelifecycle.reconciler import node_lifecycle_controller
from kaito.local.controllers.podgc import pod_garbage_controller
from kaito.local.controllers.replicaset.reconciler import replica_set_controller
from kaito.local.controllers.scheduler.reconciler import scheduler_controller
from kaito.local.controllers.statefulset.reconciler import stateful_set_controller

__all__ = ["built_in_controllers", "garbage_collector"]


def built_in_controllers(manager: Manager) -> list[Controller]:
    """Return all of them but the garbage collector, which has to ask the server first."""
    return [
        deployment_controller(manager),
        replica_set_controller(manager),
        stateful_set_controller(manager),
        job_controller(manager),
        disruption_controller(manager),
        scheduler_controller(manager),
        endpoints_controller(manager),
        node_lifecycle_controller(manager),
        pod_garbage_controller(manager),
    ]
