"""The pod that a template describes, before its owner adds what is its own. Pure.

Source: Kubernetes' `GetPodFromTemplate` (`pkg/controller/controller_utils.go`).
"""

from kaito.core import Kind, Object, owner_reference


def pod_of_template(template: Object, owner: Object, kind: Kind[Object]) -> Object:
    """Return a pod of `owner`, an object of `kind`; the server completes its name. It shares the template's values."""
    metadata = template.get("metadata") or {}
    result: Object = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "generateName": f"{owner['metadata']['name']}-",
            "namespace": owner["metadata"]["namespace"],
            "labels": dict(metadata.get("labels") or {}),
            "ownerReferences": [owner_reference({"apiVersion": kind.api_version, "kind": kind.kind, **owner})],
        },
        "spec": template["spec"],
    }
    for name in ("annotations", "finalizers"):
        if metadata.get(name):
            result["metadata"][name] = metadata[name]
    return result
