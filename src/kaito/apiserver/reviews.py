"""Reviews: objects that are questions. They are answered and not kept."""

from kaito.apiserver.authorization import Action, may, rules
from kaito.apiserver.identity import Identity
from kaito.apiserver.request import part
from kaito.apiserver.schema import invalid, invalid_error, required
from kaito.core.objects import Object

GROUPS = ("authorization.k8s.io", "authentication.k8s.io")


def answered(body: Object, who: Identity) -> Object:
    """Return a review with its answer about the caller; 422 for a question that asks nothing, or two things."""
    match body["kind"]:
        case "SelfSubjectReview":
            return {**body, "status": {"userInfo": who.user_info}}
        case "SelfSubjectRulesReview":
            if not part(body, "spec").get("namespace"):
                raise invalid_error(GROUPS[0], body["kind"], "", [required("spec.namespace")])
            return {**body, "spec": {}, "status": rules(who)}
        case _:
            allowed = may(who, _action(body))
            return {**body, "status": {"allowed": allowed}}


def _action(body: Object) -> Action:
    spec = part(body, "spec")
    resource, path = part(spec, "resourceAttributes"), part(spec, "nonResourceAttributes")
    if bool(resource) == bool(path):
        words = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
        error = invalid("spec.resourceAttributes", None if not resource else "", words)
        raise invalid_error(GROUPS[0], "", "", [error])
    if path:
        return Action(str(path.get("verb", "")), path=str(path.get("path", "")))
    plural, subresource = str(resource.get("resource", "")), resource.get("subresource")
    return Action(
        str(resource.get("verb", "")),
        str(resource.get("group", "")),
        f"{plural}/{subresource}" if subresource else plural,
        str(resource.get("namespace", "")),
        str(resource.get("name", "")),
    )
