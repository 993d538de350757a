"""Workloads: their selectors, their templates, and what an update may not touch."""

from kaito.apiserver.kinds.pod import container_errors, container_warnings
from kaito.apiserver.schema import Cause, FieldError, invalid, not_supported, required
from kaito.core.objects import Object
from kaito.core.selectors import Selector

_STATEFUL_SET_MUTABLE = {
    "replicas",
    "ordinals",
    "template",
    "updateStrategy",
    "persistentVolumeClaimRetentionPolicy",
    "minReadySeconds",
    "revisionHistoryLimit",
}


def validate_workload(obj: Object) -> list[FieldError]:
    """Return what is wrong with selector, replicas and template of anything that keeps pods running."""
    spec = obj["spec"]
    errors = []
    selector, labels = spec.get("selector"), spec["template"].get("metadata", {}).get("labels")
    if selector is None:
        errors.append(required("spec.selector"))
    elif not (selector.get("matchLabels") or selector.get("matchExpressions")):
        errors.append(invalid("spec.selector", selector, f"empty selector is invalid for {obj['kind'].lower()}"))
    elif not Selector.from_label_selector(selector).matches(labels or {}):
        errors.append(invalid("spec.template.metadata.labels", labels, "`selector` does not match template `labels`"))
    if isinstance(spec.get("replicas"), int) and spec["replicas"] < 0:
        errors.append(invalid("spec.replicas", spec["replicas"], "must be greater than or equal to 0"))
    template = spec["template"]["spec"]
    errors += container_errors(template, "spec.template.spec")
    if template.get("restartPolicy") != "Always":
        errors.append(not_supported("spec.template.spec.restartPolicy", template.get("restartPolicy"), ["Always"]))
    if template.get("activeDeadlineSeconds") is not None:
        words = "activeDeadlineSeconds in ReplicaSet is not Supported"
        errors.append(FieldError(Cause.FORBIDDEN, "spec.template.spec.activeDeadlineSeconds", None, words))
    return errors


def warnings(new: Object, old: Object) -> list[str]:
    """Return what the writer of a workload should know of its template, unless nothing but metadata has changed."""
    if old and old["metadata"]["generation"] == new["metadata"]["generation"]:
        return []
    return container_warnings(new["spec"]["template"]["spec"], "spec.template.spec")


def same_selector(new: Object, old: Object) -> list[FieldError]:
    """Return an error when an update changes the selector."""
    if new["spec"].get("selector") == old["spec"].get("selector"):
        return []
    return [invalid("spec.selector", new["spec"].get("selector"), "field is immutable")]


def validate_stateful_set_update(new: Object, old: Object) -> list[FieldError]:
    """Return an error when an update changes what cannot change in a StatefulSet."""
    names = (set(new["spec"]) | set(old["spec"])) - _STATEFUL_SET_MUTABLE
    if all(new["spec"].get(name) == old["spec"].get(name) for name in names):
        return []
    words = (
        "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', "
        "'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden"
    )
    return [FieldError(Cause.FORBIDDEN, "spec", None, words)]


def begin_job(job: Object) -> None:
    """Give a new Job the selector and pod labels that make its pods its own. Source: the Job registry's strategy."""
    spec, uid, name = job["spec"], job["metadata"]["uid"], job["metadata"]["name"]
    if spec.get("manualSelector"):
        return
    labels = spec["template"].setdefault("metadata", {}).setdefault("labels", {})
    for prefix in ("", "batch.kubernetes.io/"):
        labels[f"{prefix}controller-uid"] = uid
        labels[f"{prefix}job-name"] = name
    spec.setdefault("selector", {}).setdefault("matchLabels", {})["batch.kubernetes.io/controller-uid"] = uid
    if not job["metadata"].get("labels"):
        job["metadata"]["labels"] = dict(labels)


def validate_job(job: Object) -> list[FieldError]:
    """Return what is wrong with the template of a Job."""
    template = job["spec"]["template"]["spec"]
    errors = container_errors(template, "spec.template.spec")
    if template.get("restartPolicy") not in ("Never", "OnFailure"):
        errors.append(required("spec.template.spec.restartPolicy", 'valid values: "OnFailure", "Never"'))
    return errors


def validate_job_update(new: Object, old: Object) -> list[FieldError]:
    """Return an error for each field of a Job that an update may not change."""
    return [
        invalid(f"spec.{name}", new["spec"].get(name), "field is immutable")
        for name in ("completions", "selector", "template", "completionMode")
        if new["spec"].get(name) != old["spec"].get(name)
    ]
