"""What each built-in kind does on the way in, beyond defaults and schema: one `KindRules` per kind that has rules."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from kaito.apiserver.kinds import disruption, node, pod, secret, service, webhook, workload
from kaito.apiserver.schema import FieldError, invalid
from kaito.core.objects import Object


def _nothing(_obj: Object) -> None:
    return


def _no_change(_new: Object, _old: Object) -> None:
    return


def _no_warnings(_new: Object, _old: Object) -> list[str]:
    return []


def _no_errors(_obj: Object) -> list[FieldError]:
    return []


def _no_update_errors(_new: Object, _old: Object) -> list[FieldError]:
    return []


@dataclass(frozen=True)
class KindRules:
    """`admit` brings any written object into its stored form, `begin` finishes a new one (it has its uid by then).

    `validate` and `validate_update(new, old)` return what is wrong; the latter may carry values over. Kinds that count
    changes of their spec are `generational`; a write of the status may also change the `status_metadata`.
    """

    admit: Callable[[Object], None] = _nothing
    begin: Callable[[Object], None] = _nothing
    validate: Callable[[Object], list[FieldError]] = _no_errors
    validate_update: Callable[[Object, Object], list[FieldError]] = _no_update_errors
    generational: bool = False
    status_metadata: tuple[str, ...] = ()
    keeps_status: bool = False
    """Whether a new object may come with its status."""
    created_by_update: bool = False
    """Whether an update of what is not there creates it."""
    counts_annotations: bool = False
    """Whether a change of the annotations counts in the generation, as a Deployment's does."""
    finish_status: Callable[[Object, Object], None] = _no_change
    """Finish an object whose status was written; the second is the one before."""
    warn: Callable[[Object, Object], list[str]] = _no_warnings
    """Return what the writer of an object (the second is the one before, empty for none) should know."""


def _begin_namespace(obj: Object) -> None:
    obj["spec"], obj["status"] = {"finalizers": ["kubernetes"]}, {"phase": "Active"}


def _keep_finalizers(new: Object, old: Object) -> list[FieldError]:
    new["spec"] = old["spec"]
    return []


def _validate_event(obj: Object) -> list[FieldError]:
    place = (obj.get("involvedObject") or {}).get("namespace") or "default"
    if obj["metadata"]["namespace"] != place:
        return [invalid("involvedObject.namespace", place, "does not match event.namespace")]
    return []


_WORKLOAD = KindRules(
    validate=workload.validate_workload,
    validate_update=workload.same_selector,
    generational=True,
    warn=workload.warnings,
)


KIND_RULES: Mapping[str, KindRules] = {
    "namespaces": KindRules(begin=_begin_namespace, validate_update=_keep_finalizers),
    "nodes": KindRules(
        begin=node.begin_node, validate=node.validate_node, status_metadata=("labels", "annotations"), keeps_status=True
    ),
    "pods": KindRules(
        pod.admit_pod,
        pod.begin_pod,
        pod.validate_pod,
        pod.validate_pod_update,
        generational=True,
        status_metadata=("labels", "annotations"),
        finish_status=pod.keep_quality,
        warn=pod.warnings,
    ),
    "services": KindRules(
        service.admit_service,
        validate=service.validate_service,
        validate_update=service.keep_address,
        created_by_update=True,
        warn=service.warnings,
    ),
    "endpoints": KindRules(created_by_update=True),
    "coordination.k8s.io/leases": KindRules(validate=node.validate_lease, created_by_update=True),
    "secrets": KindRules(validate=secret.validate_secret, validate_update=secret.validate_data_update),
    "configmaps": KindRules(validate=secret.validate_keys, validate_update=secret.validate_data_update),
    "events": KindRules(validate=_validate_event, created_by_update=True),
    "discovery.k8s.io/endpointslices": KindRules(generational=True),
    "apps/deployments": replace(_WORKLOAD, counts_annotations=True, status_metadata=("annotations",)),
    "apps/replicasets": _WORKLOAD,
    "apps/statefulsets": KindRules(
        validate=workload.validate_workload,
        validate_update=workload.validate_stateful_set_update,
        generational=True,
        warn=workload.warnings,
    ),
    "apps/daemonsets": _WORKLOAD,
    "batch/jobs": KindRules(
        begin=workload.begin_job,
        validate=workload.validate_job,
        validate_update=workload.validate_job_update,
        generational=True,
        warn=workload.warnings,
    ),
    "policy/poddisruptionbudgets": KindRules(
        begin=disruption.begin_budget, validate=disruption.validate_budget, generational=True
    ),
    "apiextensions.k8s.io/customresourcedefinitions": KindRules(generational=True),
    "admissionregistration.k8s.io/validatingwebhookconfigurations": KindRules(
        begin=_nothing, validate=webhook.validate_webhooks, generational=True
    ),
    "admissionregistration.k8s.io/mutatingwebhookconfigurations": KindRules(
        begin=_nothing, validate=webhook.validate_webhooks, generational=True
    ),
}
"""By storage key."""

NO_RULES = KindRules()
CUSTOM_RULES = KindRules(generational=True)
