"""The gate that one write passes twice: once with what webhooks change, once for their consent."""

import copy
import random
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal, Protocol

import jsonpatch
from jsonpatch import JsonPatchException
from jsonpointer import JsonPointerException

from kaito.apiserver import status
from kaito.apiserver.registry import Registry
from kaito.apiserver.request import Options, Target
from kaito.apiserver.resources import Resource
from kaito.apiserver.webhooks.question import Answer, Question, ReviewNeededError
from kaito.apiserver.webhooks.registered import GROUP, ConditionError, Registered, Webhook
from kaito.core.objects import Object

Operation = Literal["CREATE", "UPDATE", "DELETE"]
_OPTIONS = {"CREATE": "CreateOptions", "UPDATE": "UpdateOptions", "DELETE": "DeleteOptions"}


class Concerned(Protocol):
    """What a write says of itself (see `admission.Write`)."""

    @property
    def resource(self) -> Resource:
        """What kind is written."""
        ...

    @property
    def target(self) -> Target:
        """Which object."""
        ...

    @property
    def options(self) -> Options:
        """The request's options."""
        ...


@dataclass
class Gate:
    """The answers that one request has collected. `user` is who sent it; `seed` draws the same uid on every run."""

    registered: Registered
    registry: Registry
    user: Object
    seed: int
    answers: dict[bytes, Answer] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    chance: random.Random = field(default_factory=random.Random)

    def restart(self) -> None:
        """Begin to run the write (again)."""
        self.warnings = []
        self.chance = random.Random(self.seed)  # noqa: S311 - as the server drew it

    def may_mutate(self, write: Concerned, operation: Operation) -> bool:
        """Say whether a mutating webhook wants to see writes of this kind at all."""
        resource, subresource = write.resource, write.target.subresource
        if resource.group == GROUP:
            return False
        others = partial(self._others, resource)
        return any(webhook.concerns(resource, operation, subresource, others) for webhook in self.registered.mutating())

    def mutate(self, write: Concerned, operation: Operation, obj: Object, old: Object | None) -> Object:
        """Return the object with what mutating webhooks change; the same object where none does.

        Raises ReviewNeededError, and what a webhook refuses.
        """
        seen: list[tuple[Webhook, Object]] = []
        for webhook in self.registered.mutating():
            changed = self._mutated(write, operation, webhook, obj, old)
            if changed is None:
                continue
            seen.append((webhook, changed))
            obj = changed
        for webhook, left in seen:
            if webhook.body.get("reinvocationPolicy") == "IfNeeded" and left != obj:
                obj = self._mutated(write, operation, webhook, obj, old) or obj
        return obj

    def _mutated(
        self, write: Concerned, operation: Operation, webhook: Webhook, obj: Object, old: Object | None
    ) -> Object | None:
        """Return the object as one webhook leaves it; None where it is not asked."""
        question = self._question(write, operation, webhook, obj, old, mutating=True)
        if question is None:
            return None
        (answer,) = self._answers([question])
        if not answer.patch:
            return obj
        shown = question.request["object"]
        try:
            changed = jsonpatch.JsonPatch(list(answer.patch)).apply(copy.deepcopy(shown))
        except (JsonPatchException, JsonPointerException, TypeError, KeyError) as error:
            raise status.internal(f"{error}") from error
        if not isinstance(changed, dict) or not isinstance(changed.get("metadata"), dict):
            raise status.internal("the patch of an admission webhook leaves no object")
        return {**changed, "apiVersion": obj["apiVersion"], "kind": obj["kind"]}

    def validate(self, write: Concerned, operation: Operation, obj: Object | None, old: Object | None) -> None:
        """Let all validating webhooks consent. Raises ReviewNeededError, and the first refusal."""
        if write.resource.group == GROUP:
            return
        asked = (
            self._question(write, operation, webhook, obj, old, mutating=False)
            for webhook in self.registered.validating()
        )
        self._answers([question for question in asked if question is not None])

    def _answers(self, questions: list[Question]) -> list[Answer]:
        unknown = [question for question in questions if question.digest not in self.answers]
        if unknown:
            raise ReviewNeededError(unknown)
        found = [self.answers[question.digest] for question in questions]
        for answer in found:
            self.warnings.extend(answer.warnings)
        for answer in found:
            if answer.error is not None:
                raise answer.error
        return found

    def _question(
        self,
        write: Concerned,
        operation: Operation,
        webhook: Webhook,
        obj: Object | None,
        old: Object | None,
        *,
        mutating: bool,
    ) -> Question | None:
        """Return what this webhook is to be asked, None for nothing. Raises 400 for a dry run that it cannot do."""
        resource, target = write.resource, write.target
        seen_as = webhook.concerns(resource, operation, target.subresource, partial(self._others, resource))
        if seen_as is None:
            return None
        labels = self.registered.namespace_labels(resource, target.namespace, obj or old)
        if not webhook.selects(obj, old, labels):
            return None
        request = self._request(write, operation, seen_as, obj, old)
        variables = {"object": request["object"], "oldObject": request["oldObject"], "request": request}
        question = Question.of(webhook, request, mutating=mutating)
        try:
            if not webhook.wants(variables):
                return None
        except ConditionError as error:
            self.answers[question.digest] = question.undecided(str(error))
            return question
        if write.options.dry_run and webhook.body.get("sideEffects") not in ("None", "NoneOnDryRun"):
            raise status.bad_request(f'admission webhook "{webhook.name}" does not support dry run')
        return question

    def _others(self, resource: Resource) -> list[Resource]:
        same = (other for other in self.registry.all() if other.storage_key == resource.storage_key)
        return [other for other in same if other.gv != resource.gv and other.plural == resource.plural]

    def _request(
        self, write: Concerned, operation: Operation, seen_as: Resource, obj: Object | None, old: Object | None
    ) -> Object:
        resource, target = write.resource, write.target
        request: Object = {
            "kind": _kind(seen_as),
            "resource": _resource(seen_as),
            "requestKind": _kind(resource),
            "requestResource": _resource(resource),
            "name": (obj or old or {})["metadata"].get("name") or target.name,
            "operation": operation,
            "userInfo": self.user,
            "object": _as_version(obj, seen_as),
            "oldObject": _as_version(old, seen_as),
            "dryRun": write.options.dry_run,
            "options": {"apiVersion": "meta.k8s.io/v1", "kind": _OPTIONS[operation]},
        }
        if resource.namespaced:
            request["namespace"] = target.namespace
        if target.subresource:
            request["subResource"] = request["requestSubResource"] = target.subresource
        return request


def _kind(resource: Resource) -> dict[str, str]:
    return {"group": resource.group, "version": resource.gv.version, "kind": resource.kind}


def _resource(resource: Resource) -> dict[str, str]:
    return {"group": resource.group, "version": resource.gv.version, "resource": resource.plural}


def _as_version(obj: Object | None, resource: Resource) -> Any:
    """Return a copy of the object in a version; versions of one kind differ in their apiVersion alone."""
    if obj is None:
        return None
    return copy.deepcopy({**obj, "apiVersion": resource.api_version, "kind": resource.kind})
