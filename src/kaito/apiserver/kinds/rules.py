"""What each built-in kind does on the way in, beyond defaults and schema: one `KindRules` per kind that has rules."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from kaito.apiserver.kinds import pod, secret, service, webhook, workload
from kaito.apiserver.schema import FieldError, invalid
from kaito.core.objects import Object


def _nothing(_obj: Object) -> None:
    return


def _no_errors(_obj: Object) -> list[FieldError]:
    return []


def _no_update_errors(_new: Object, _old: Object) -> list[FieldError]:
    return []


@dataclass(frozen=True)
class KindRules:
    """`admit` brings any written object into its stored form, `begin` finishes a new one (it has its uid by then).

    `validate` and `validate_update(new, old)` return what is wrong; the latter may carry values over. Kinds that count
    changes of their spec are `generational`; `status_writes_metadata` lets status writes change labels and annotations.
    """

    admit: Callable[[Object], None] = _nothing
    begin: Callable[[Object], None] = _nothing
    validate: Callable[[Object], list[FieldError]] = _no_errors
    validate_update: Callable[[Object, Object], list[FieldError]] = _no_update_errors
    generational: bool = False
    status_writes_metadata: bool = False
    keeps_status: bool = False
    """Whether a new object may come with its status."""


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


_WORKLOAD = KindRules(validate=workload.validate_workload, validate_update=workload.same_selector, generational=True)


KIND_RULES: Mapping[str, KindRules] = {
    "namespaces": KindRules(begin=_begin_namespace, validate_update=_keep_finalizers),
    "nodes": KindRules(status_writes_metadata=True, keeps_status=True),
    "pods": KindRules(
        pod.admit_pod,
        pod.begin_pod,
        pod.validate_pod,
        pod.validate_pod_update,
        generational=True,
        status_writes_metadata=True,
    ),
    "services": KindRules(
        service.admit_service, validate=service.validate_service, validate_update=service.keep_address
    ),
    "secrets": KindRules(
        secret.admit_secret, validate=secret.validate_secret, validate_update=secret.validate_data_update
    ),
    "configmaps": KindRules(validate=secret.validate_keys, validate_update=secret.validate_data_update),
    "events": KindRules(validate=_validate_event),
    "discovery.k8s.io/endpointslices": KindRules(generational=True),
    "apps/deployments": _WORKLOAD,
    "apps/replicasets": _WORKLOAD,
    "apps/statefulsets": KindRules(
        validate=workload.validate_workload,
        validate_update=workload.validate_stateful_set_update,
        generational=True,
    ),
    "apps/daemonsets": _WORKLOAD,
    "batch/jobs": KindRules(
        begin=workload.begin_job,
        validate=workload.validate_job,
        validate_update=workload.validate_job_update,
        generational=True,
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
