"""The refusals of an API server, worded as Kubernetes words them: each function returns an error to raise.

Source: k8s.io/apimachinery `api/errors`. The 422 of invalid fields is `kaito.apiserver.schema.invalid_error`.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from kaito.core.errors import ApiError, Status, api_error
from kaito.core.objects import Object


def qualified(group: str, resource: str) -> str:
    """Return `resource.group`, or the bare resource for the core group."""
    return f"{resource}.{group}" if group else resource


def _error(
    code: int, reason: str, message: str, details: Mapping[str, Any] | None = None, retry_after: float | None = None
) -> ApiError:
    kept = {name: value for name, value in (details or {}).items() if value}
    return api_error(Status(code, reason, message, kept), retry_after=retry_after)


def status_body(status: Status) -> Object:
    """Return the `metav1.Status` that is sent for a refusal."""
    body: Object = {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {"continue": status.continue_token} if status.continue_token else {},
        "status": "Failure",
        "message": status.message,
        "reason": status.reason,
        "code": status.code,
    }
    if not status.reason:
        del body["reason"]
    if status.details:
        body["details"] = status.details
    return body


def not_found(group: str, resource: str, name: str) -> ApiError:
    """404 for an object that does not exist."""
    details = {"name": name, "group": group, "kind": resource}
    return _error(404, "NotFound", f'{qualified(group, resource)} "{name}" not found', details)


def missing(message: str) -> ApiError:
    """404 for something that is not an object of this server."""
    return _error(404, "NotFound", message)


def no_such_path() -> ApiError:
    """404 for a path that no resource serves."""
    return _error(404, "NotFound", "the server could not find the requested resource")


def already_exists(group: str, resource: str, name: str) -> ApiError:
    """409 for a create of a name that is taken."""
    details = {"name": name, "group": group, "kind": resource}
    return _error(409, "AlreadyExists", f'{qualified(group, resource)} "{name}" already exists', details)


def conflict(group: str, resource: str, name: str, why: str) -> ApiError:
    """409 for an operation on a state of the object that is no longer there."""
    details = {"name": name, "group": group, "kind": resource}
    message = f'Operation cannot be fulfilled on {qualified(group, resource)} "{name}": {why}'
    return _error(409, "Conflict", message, details)


def modified(group: str, resource: str, name: str) -> ApiError:
    """409 for a write with a stale resourceVersion."""
    why = "the object has been modified; please apply your changes to the latest version and try again"
    return conflict(group, resource, name, why)


_CAUSES = {
    "Required value": "FieldValueRequired",
    "Forbidden": "FieldValueForbidden",
    "Unsupported value": "FieldValueNotSupported",
}


def invalid_options(kind: str, cause: str) -> ApiError:
    """422 for options that contradict each other; `cause` is `field: what is wrong`."""
    field, _, words = cause.partition(": ")
    reason = _CAUSES[words.partition(":")[0]]
    details = {
        "group": "meta.k8s.io",
        "kind": kind,
        "causes": [{"reason": reason, "message": words, "field": field}],
    }
    return _error(422, "Invalid", f'{kind}.meta.k8s.io "" is invalid: {cause}', details)


def bad_request(message: str) -> ApiError:
    """400 for a request that makes no sense."""
    return _error(400, "BadRequest", message)


def forbidden(group: str, resource: str, name: str, why: str, causes: Iterable[Mapping[str, str]] = ()) -> ApiError:
    """403 for what the state of the cluster does not allow."""
    details = {"name": name, "group": group, "kind": resource, "causes": [dict(cause) for cause in causes]}
    subject = f'{qualified(group, resource)} "{name}"' if name else qualified(group, resource)
    message = f"{subject} is forbidden: {why}"
    return _error(403, "Forbidden", message, details)


def too_many_disruptions(why: str) -> ApiError:
    """429 for an eviction that a disruption budget does not allow now."""
    words = "Cannot evict pod as it would violate the pod's disruption budget."
    return _error(429, "TooManyRequests", words, {"causes": [{"reason": "DisruptionBudget", "message": why}]})


def forbidden_path(why: str) -> ApiError:
    """403 for a path that is no resource."""
    return _error(403, "Forbidden", f"forbidden: {why}")


def unauthorized() -> ApiError:
    """401 for a missing or wrong bearer token."""
    return _error(401, "Unauthorized", "Unauthorized")


def method_not_allowed(message: str = "the server does not allow this method on the requested resource") -> ApiError:
    """405 for a verb that the resource does not have."""
    return _error(405, "MethodNotAllowed", message)


def not_acceptable(accepted: Iterable[str]) -> ApiError:
    """406 for a request that accepts no format that is served."""
    message = f"only the following media types are accepted: {', '.join(accepted)}"
    return _error(406, "NotAcceptable", message)


def too_large_body(limit: int) -> ApiError:
    """413 for a body above the limit (bytes)."""
    return _error(413, "RequestEntityTooLarge", f"Request entity too large: limit is {limit}")


def unsupported_media_type(content_type: str, accepted: Iterable[str]) -> ApiError:
    """415 for a body in a format that is not served."""
    message = (
        "the body of the request was in an unknown format - accepted media types include: "
        f"{', '.join(accepted)} (got {content_type or 'none'})"
    )
    return _error(415, "UnsupportedMediaType", message)


def expired(message: str, *, continue_token: str = "") -> ApiError:
    """410 for a resourceVersion or continue token that the history no longer reaches."""
    return api_error(Status(410, "Expired", message, {}, continue_token))


def too_large_resource_version(asked: int, current: int) -> ApiError:
    """504 for a resourceVersion that is yet to come."""
    cause = {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}
    details = {"causes": [cause], "retryAfterSeconds": 1}
    message = f"Timeout: Too large resource version: {asked}, current: {current}"
    return _error(504, "Timeout", message, details, retry_after=1)


def unavailable(message: str) -> ApiError:
    """503 for something behind the API server that does not answer."""
    return _error(503, "ServiceUnavailable", message)


def version_of_a_new_object() -> ApiError:
    """500 without a reason, which is what apiserver makes of its storage's refusal."""
    return _error(500, "", "resourceVersion should not be set on objects to be created")


def internal(message: str) -> ApiError:
    """500 for a defect of ours."""
    return _error(500, "InternalError", f"Internal error occurred: {message}")
