"""`admission.k8s.io` AdmissionReview, v1 and v1beta1: what is asked, and what is answered."""

import base64
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import jsonpatch
import msgspec
import orjson

from kaito.core.errors import ApiError, Status
from kaito.core.objects import Object

API_VERSION: Final = "admission.k8s.io/v1"
_VERSIONS: Final = ("", API_VERSION, "admission.k8s.io/v1beta1")


class GroupVersionKind(msgspec.Struct, frozen=True):
    """`metav1.GroupVersionKind`."""

    group: str = ""
    version: str = ""
    kind: str = ""


class GroupVersionResource(msgspec.Struct, frozen=True):
    """`metav1.GroupVersionResource`."""

    group: str = ""
    version: str = ""
    resource: str = ""


class UserInfo(msgspec.Struct, frozen=True):
    """`authentication.k8s.io/v1` UserInfo, as far as a handler may care."""

    username: str = ""
    groups: tuple[str, ...] = ()


class AdmissionRequest(msgspec.Struct, frozen=True, rename="camel"):
    """One write that is asked about. `object` is None for a DELETE, `old_object` for a CREATE."""

    uid: str
    operation: Literal["CREATE", "UPDATE", "DELETE", "CONNECT"]
    kind: GroupVersionKind = GroupVersionKind()
    resource: GroupVersionResource = GroupVersionResource()
    sub_resource: str = ""
    name: str = ""
    namespace: str = ""
    user_info: UserInfo = UserInfo()
    object: dict[str, Any] | None = None
    old_object: dict[str, Any] | None = None
    dry_run: bool = False


@dataclass(frozen=True)
class Cause:
    """One thing that is wrong: the field's JSON path, and what is wrong with it and what to do about it."""

    field: str
    message: str
    reason: str = "FieldValueInvalid"


@dataclass(frozen=True)
class Verdict:
    """The answer to one request. `causes` are those of a refusal.

    `patch` is an RFC 6902 patch of the object, which only a mutating webhook may answer. `status` is what the writer
    is told of a refusal; without one it is a 422 if there are causes, else a 403.
    """

    allowed: bool = True
    warnings: tuple[str, ...] = ()
    patch: tuple[Mapping[str, Any], ...] = ()
    causes: tuple[Cause, ...] = ()
    message: str = ""
    status: Status | None = None

    @classmethod
    def invalid(cls, causes: Sequence[Cause], warnings: Sequence[str] = ()) -> "Verdict":
        """Return the refusal of an object for what its fields say."""
        message = "; ".join(f"{one.field}: {one.message}" if one.field else one.message for one in causes)
        return cls(False, tuple(warnings), causes=tuple(causes), message=message)

    @classmethod
    def refused(cls, error: Exception, warnings: Sequence[str] = ()) -> "Verdict":
        """Return the refusal that an error means: an ApiError keeps its code and details, any other is a 403."""
        status = error.status if isinstance(error, ApiError) else None
        return cls(False, tuple(warnings), message=getattr(error, "advice", str(error)), status=status)


Handler = Callable[[AdmissionRequest], Awaitable[Verdict]]
"""Answers one request. A KaitoError that it raises is a refusal, any other exception a defect: an internal error."""


class _Review(msgspec.Struct, rename="camel"):
    """The request's envelope."""

    request: AdmissionRequest
    api_version: str = ""


_DECODER: Final = msgspec.json.Decoder(_Review)


def read_review(body: bytes) -> tuple[AdmissionRequest, str]:
    """Return the request of an AdmissionReview, and its version. Raises ValueError where the body is none."""
    if not body:
        raise ValueError("the request has no body")
    try:
        review = _DECODER.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"the body is no AdmissionReview: {error}") from error
    if review.api_version not in _VERSIONS:
        raise ValueError(f"AdmissionReview of {review.api_version!r} is none that is known here")
    return review.request, review.api_version or API_VERSION


def write_review(request: AdmissionRequest, verdict: Verdict, api_version: str = API_VERSION) -> bytes:
    """Return the AdmissionReview that answers a request in the version that it came in."""
    response: Object = {"uid": request.uid, "allowed": verdict.allowed}
    if verdict.warnings:
        response["warnings"] = [" ".join(text.split()) for text in verdict.warnings]
    if verdict.allowed and verdict.patch:
        response["patchType"] = "JSONPatch"
        response["patch"] = base64.b64encode(orjson.dumps(list(verdict.patch))).decode()
    response["status"] = {"code": 200} if verdict.allowed else _status(request, verdict)
    return orjson.dumps({"apiVersion": api_version, "kind": "AdmissionReview", "response": response})


def _status(request: AdmissionRequest, verdict: Verdict) -> Object:
    if (status := verdict.status) is not None:
        told = {"code": status.code, "reason": status.reason, "message": status.message, "details": status.details}
        return {name: value for name, value in told.items() if value}
    if not verdict.causes:
        return {"code": 403, "reason": "Forbidden", "message": verdict.message}
    causes = [{"reason": one.reason, "message": one.message, "field": one.field} for one in verdict.causes]
    details = {"name": request.name, "group": request.kind.group, "kind": request.kind.kind, "causes": causes}
    return {"code": 422, "reason": "Invalid", "message": verdict.message, "details": details}


def patch_between(before: Object, after: Object) -> tuple[Mapping[str, Any], ...]:
    """Return the patch that turns one object into the other."""
    return tuple(jsonpatch.make_patch(before, after).patch)
