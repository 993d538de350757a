"""`admission.k8s.io/v1` AdmissionReview: what is asked, and what is answered."""

import base64
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import jsonpatch
import msgspec
import orjson

from kaito.core.objects import Object

API_VERSION: Final = "admission.k8s.io/v1"


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

    `patch` is an RFC 6902 patch of the object, which only a mutating webhook may answer.
    """

    allowed: bool = True
    warnings: tuple[str, ...] = ()
    patch: tuple[Mapping[str, Any], ...] = ()
    causes: tuple[Cause, ...] = ()
    message: str = ""

    @classmethod
    def invalid(cls, causes: Sequence[Cause], warnings: Sequence[str] = ()) -> "Verdict":
        """Return the refusal of an object for what its fields say."""
        message = "; ".join(f"{one.field}: {one.message}" if one.field else one.message for one in causes)
        return cls(False, tuple(warnings), causes=tuple(causes), message=message)


Handler = Callable[[AdmissionRequest], Awaitable[Verdict]]
"""Answers one request. What it raises becomes a refusal of the request, worded as an internal error."""


class _Review(msgspec.Struct):
    """The request's envelope."""

    request: AdmissionRequest


_DECODER: Final = msgspec.json.Decoder(_Review)


def read_review(body: bytes) -> AdmissionRequest:
    """Return the request of an AdmissionReview. Raises ValueError where the body is none."""
    try:
        return _DECODER.decode(body).request
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"the body is no AdmissionReview: {error}") from error


def write_review(uid: str, verdict: Verdict, *, name: str = "", kind: str = "", group: str = "") -> bytes:
    """Return the AdmissionReview that answers the request `uid`."""
    response: Object = {"uid": uid, "allowed": verdict.allowed}
    if verdict.warnings:
        response["warnings"] = [" ".join(text.split()) for text in verdict.warnings]
    if verdict.allowed and verdict.patch:
        response["patchType"] = "JSONPatch"
        response["patch"] = base64.b64encode(orjson.dumps(list(verdict.patch))).decode()
    if not verdict.allowed:
        response["status"] = _status(verdict, name, kind, group)
    return orjson.dumps({"apiVersion": API_VERSION, "kind": "AdmissionReview", "response": response})


def _status(verdict: Verdict, name: str, kind: str, group: str) -> Object:
    if not verdict.causes:
        return {"code": 403, "reason": "Forbidden", "message": verdict.message}
    causes = [{"reason": one.reason, "message": one.message, "field": one.field} for one in verdict.causes]
    details = {"name": name, "group": group, "kind": kind, "causes": causes}
    return {"code": 422, "reason": "Invalid", "message": verdict.message, "details": details}


def patch_between(before: Object, after: Object) -> tuple[Mapping[str, Any], ...]:
    """Return the patch that turns one object into the other."""
    return tuple(jsonpatch.make_patch(before, after).patch)
