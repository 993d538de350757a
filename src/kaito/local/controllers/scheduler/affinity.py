"""Whether a node matches a pod's nodeSelector and required node affinity, and how much it is preferred. Pure.

Source: Kubernetes' `component-helpers/scheduling/corev1/nodeaffinity`.
"""

from kaito.core import Object


def matches_node(pod: Object, node: Object) -> bool:
    """Whether the node has all labels of `nodeSelector` and satisfies one term of the required affinity."""
    spec = pod["spec"]
    labels = node["metadata"].get("labels") or {}
    if any(labels.get(name) != value for name, value in (spec.get("nodeSelector") or {}).items()):
        return False
    required = _node_affinity(pod).get("requiredDuringSchedulingIgnoredDuringExecution")
    if required is None:
        return True
    return any(matches_term(term, node) for term in required.get("nodeSelectorTerms") or ())


def preference(pod: Object, node: Object) -> int:
    """Return the weights of the preferred terms that the node matches, added up."""
    terms = _node_affinity(pod).get("preferredDuringSchedulingIgnoredDuringExecution") or ()
    return sum(int(term.get("weight") or 0) for term in terms if matches_term(term.get("preference") or {}, node))


def matches_term(term: Object, node: Object) -> bool:
    """Whether all expressions and fields of a term hold; an empty term matches nothing."""
    expressions = term.get("matchExpressions") or ()
    fields = term.get("matchFields") or ()
    if not expressions and not fields:
        return False
    labels = node["metadata"].get("labels") or {}
    names = {"metadata.name": node["metadata"]["name"]}
    return all(_holds(one, labels) for one in expressions) and all(_holds(one, names) for one in fields)


def _node_affinity(pod: Object) -> Object:
    return (pod["spec"].get("affinity") or {}).get("nodeAffinity") or {}


def _holds(requirement: Object, labels: dict[str, str]) -> bool:
    value = labels.get(requirement["key"])
    values = requirement.get("values") or []
    match requirement["operator"]:
        case "In":
            return value in values
        case "NotIn":
            return value not in values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case "Gt":
            return _compare(value, values) > 0
        case "Lt":
            return _compare(value, values) < 0
    return False


def _compare(value: str | None, values: list[str]) -> int:
    """Return the sign of label minus bound; 0 (neither greater nor less) when either is no integer."""
    try:
        label, bound = int(value or ""), int(values[0])
    except (ValueError, IndexError):
        return 0
    return (label > bound) - (label < bound)
