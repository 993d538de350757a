"""What a caller may do: the administrator everything; anyone else may ask who it is and what it may, and discover.

That is what a real server grants `system:authenticated` before anybody binds a role (`system:basic-user`,
`system:discovery`, `system:public-info-viewer`). Pure.
"""

from dataclasses import dataclass
from typing import Final

from kaito.apiserver import status
from kaito.apiserver.identity import MASTERS, Identity
from kaito.core.errors import ApiError
from kaito.core.objects import Object

SELF_REVIEWS: Final = {
    ("authentication.k8s.io", "selfsubjectreviews"),
    ("authorization.k8s.io", "selfsubjectaccessreviews"),
    ("authorization.k8s.io", "selfsubjectrulesreviews"),
}
OPEN_PATHS: Final = (
    *("/api", "/api/*", "/apis", "/apis/*", "/healthz", "/livez", "/openapi", "/openapi/*", "/readyz"),
    *("/version", "/version/"),
)


@dataclass(frozen=True)
class Action:
    """What is to be done: a verb on a resource, or on a `path` that is none."""

    verb: str
    group: str = ""
    resource: str = ""
    namespace: str = ""
    name: str = ""
    path: str = ""


def may(who: Identity, action: Action) -> bool:
    """Whether the caller is allowed to do it."""
    if MASTERS in who.groups:
        return True
    if action.path:
        return action.verb in ("get", "head") and any(_covers(open_path, action.path) for open_path in OPEN_PATHS)
    return action.verb == "create" and (action.group, action.resource) in SELF_REVIEWS


def refusal(who: Identity, action: Action) -> ApiError:
    """Return the 403 for what the caller may not do."""
    if action.path:
        return status.forbidden_path(f'User "{who.username}" cannot {action.verb} path "{action.path}"')
    resource = action.resource.partition("/")[0]
    where = f'in the namespace "{action.namespace}"' if action.namespace else "at the cluster scope"
    words = (
        f'User "{who.username}" cannot {action.verb} resource "{action.resource}" in API group "{action.group}" {where}'
    )
    return status.forbidden(action.group, resource, action.name, words)


def rules(who: Identity) -> Object:
    """Return all that the caller may do, as the status of a SelfSubjectRulesReview."""
    resources = [
        {"verbs": ["create"], "apiGroups": [group], "resources": [name]} for group, name in sorted(SELF_REVIEWS)
    ]
    paths: list[Object] = [{"verbs": ["get"], "nonResourceURLs": list(OPEN_PATHS)}]
    if MASTERS in who.groups:
        resources.insert(0, {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]})
        paths.insert(0, {"verbs": ["*"], "nonResourceURLs": ["*"]})
    return {"resourceRules": resources, "nonResourceRules": paths, "incomplete": False}


def _covers(open_path: str, path: str) -> bool:
    return path == open_path or (open_path.endswith("*") and path.startswith(open_path[:-1]))
