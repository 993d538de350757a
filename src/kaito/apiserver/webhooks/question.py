"""What a webhook is asked, what it answers, and the words for what goes wrong. Pure.

Source of the words: `errors` and `request` of `apiserver/pkg/admission/plugin/webhook`, Kubernetes 1.34.
"""

import base64
import hashlib
from dataclasses import dataclass, field
from typing import Any

import orjson

from kaito.apiserver import status
from kaito.apiserver.webhooks.registered import Webhook
from kaito.core.errors import ApiError, Status, api_error
from kaito.core.objects import Object

_ENVELOPE = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview"}


@dataclass(frozen=True)
class Answer:
    """What a webhook said. `patch` is an RFC 6902 patch, `error` the refusal or the failure to answer."""

    warnings: tuple[str, ...] = ()
    patch: tuple[Any, ...] = ()
    error: ApiError | None = None


@dataclass(frozen=True)
class Question:
    """One request to one webhook, but for its uid: an answer counts for every question that is the same."""

    webhook: Webhook = field(compare=False)
    request: Object = field(compare=False)
    mutating: bool = field(compare=False)
    digest: bytes = b""

    @classmethod
    def of(cls, webhook: Webhook, request: Object, *, mutating: bool) -> "Question":
        """Return the question, with the digest that tells it from others."""
        parts = (webhook.configuration.encode(), orjson.dumps(webhook.body), orjson.dumps(request))
        return cls(webhook, request, mutating, hashlib.sha256(b"\0".join(parts)).digest())

    def body(self, uid: str) -> bytes:
        """Return the AdmissionReview to send."""
        return orjson.dumps({**_ENVELOPE, "request": {"uid": uid, **self.request}})

    def answered(self, uid: str, body: bytes) -> Answer:
        """Return what the body of an answer says; a body that makes no sense is a failure to answer."""
        try:
            review = _review(body)
        except ValueError as error:
            return self.failed(f"failed to call webhook: {error}")
        try:
            response = self._response(uid, review)
            warnings = tuple(str(text) for text in response.get("warnings") or ())
            if response.get("allowed") is not True:
                return Answer(warnings, error=self._denied(response.get("status") or {}))
            return Answer(warnings, self._patch(response))
        except (ValueError, TypeError, AttributeError) as error:
            return self.failed(f"received invalid webhook response: {error}")

    def _response(self, uid: str, review: Object) -> Object:
        response: Object | None = review.get("response")
        if response is None:
            raise ValueError("webhook response was absent")
        if response.get("uid") != uid:
            raise ValueError(f'expected response.uid="{uid}", got "{response.get("uid", "")}"')
        return response

    def _patch(self, response: Object) -> tuple[Any, ...]:
        patch = response.get("patch")
        if not patch:
            return ()
        if not self.mutating:
            raise ValueError("validating webhook may not return response.patch")
        if response.get("patchType") != "JSONPatch":
            raise ValueError(
                f'webhook returned response.patch with unsupported patchType "{response.get("patchType")}"'
            )
        return tuple(orjson.loads(base64.b64decode(patch)))

    def _denied(self, given: Object) -> ApiError:
        by = f'admission webhook "{self.webhook.name}" denied the request'
        message, reason = given.get("message"), given.get("reason", "")
        words = f"{by}: {message or reason}" if message or reason else f"{by} without explanation"
        code = given.get("code") or 0
        return api_error(Status(max(int(code), 400), reason, words, given.get("details") or {}))

    def failed(self, why: str) -> Answer:
        """Return the answer for a webhook that gave none: an error, or nothing where its failurePolicy lets it pass."""
        return self._unless_ignored(status.internal(f'failed calling webhook "{self.webhook.name}": {why}'))

    def undecided(self, why: str) -> Answer:
        """Return the answer for match conditions that cannot be told."""
        about = self.request["requestResource"]
        name = self.request["name"]
        return self._unless_ignored(status.forbidden(about["group"], about["resource"], name, why))

    def _unless_ignored(self, error: ApiError) -> Answer:
        return Answer() if self.webhook.may_fail else Answer(error=error)


def _review(body: bytes) -> Object:
    """Return the AdmissionReview of an answer's body. Raises ValueError where it is none."""
    try:
        review = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise ValueError(f"couldn't get version/kind; json parse error: {error}") from error
    if not isinstance(review, dict):
        raise ValueError("couldn't get version/kind; json parse error: the body is no JSON object")
    version, kind = review.get("apiVersion"), review.get("kind")
    if (version, kind) != (_ENVELOPE["apiVersion"], _ENVELOPE["kind"]):
        raise ValueError(f'no kind "{kind}" is registered for version "{version}"')
    return review


class ReviewNeededError(Exception):
    """A write cannot go on without these answers; nothing was stored."""

    def __init__(self, questions: list[Question]) -> None:
        super().__init__("admission webhooks have to be asked")
        self.questions = questions
