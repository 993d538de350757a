"""The webhooks that are registered now, and which of them a write concerns. Pure but for reading the store.

Source of the rules of matching: `apiserver/pkg/admission/plugin/webhook` of Kubernetes 1.34.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from kaito.apiserver.resources import Resource
from kaito.apiserver.schema.expressions import EVALUATION_ERRORS, Expression
from kaito.apiserver.store import Store
from kaito.core.objects import Key, Object
from kaito.core.selectors import Selector

GROUP: Final = "admissionregistration.k8s.io"
_MUTATING: Final = f"{GROUP}/mutatingwebhookconfigurations"
_VALIDATING: Final = f"{GROUP}/validatingwebhookconfigurations"


class ConditionError(Exception):
    """A match condition could not be evaluated."""


@dataclass(frozen=True)
class Webhook:
    """One entry of a configuration."""

    configuration: str
    body: Object

    @property
    def name(self) -> str:
        """Its name, as errors print it."""
        return str(self.body["name"])

    @property
    def may_fail(self) -> bool:
        """Whether a write goes on when it cannot be asked."""
        return self.body.get("failurePolicy") == "Ignore"

    @property
    def seconds(self) -> int:
        """How long it is waited for."""
        return int(self.body.get("timeoutSeconds") or 10)

    def concerns(
        self, resource: Resource, operation: str, subresource: str, others: Callable[[], Iterable[Resource]]
    ) -> Resource | None:
        """Return the version in which it wants to see a write of `resource`; `others` returns its other versions."""
        rules = [rule for rule in self.body.get("rules") or () if _names(rule, resource.plural, subresource)]
        if not rules:
            return None
        for candidate in (resource, *(() if self.body.get("matchPolicy") == "Exact" else others())):
            if any(_rule_matches(rule, candidate, operation, subresource) for rule in rules):
                return candidate
        return None

    def selects(self, obj: Object | None, old: Object | None, namespace_labels: dict[str, str] | None) -> bool:
        """Say whether its selectors match: the object as it is or as it was; `namespace_labels` None: cluster scope."""
        if namespace_labels is not None and not _matches(self.body.get("namespaceSelector"), namespace_labels):
            return False
        selector = self.body.get("objectSelector")
        sides = [side for side in (obj, old) if side is not None]
        return any(_matches(selector, side["metadata"].get("labels") or {}) for side in sides)

    def wants(self, variables: dict[str, Any]) -> bool:
        """Say whether all match conditions hold. Raises ConditionError when none is false and one cannot be told."""
        broken = []
        for condition in self.body.get("matchConditions") or ():
            try:
                if _expression(condition["expression"]).evaluate(variables) is not True:
                    return False
            except EVALUATION_ERRORS as error:
                words = f"no such key: {error.args[0]}" if isinstance(error, KeyError) else str(error)
                broken.append(f"expression '{condition['expression']}' resulted in error: {words}")
        if broken:
            raise ConditionError(broken[0] if len(broken) == 1 else f"[{', '.join(broken)}]")
        return True


class Registered:
    """The webhooks in the store: by name of their configuration, then as they stand in it; read when they change."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._changes = {storage: store.watch(storage) for storage in (_MUTATING, _VALIDATING)}
        self._read: dict[str, list[Webhook]] = {}

    def mutating(self) -> list[Webhook]:
        """Return the mutating ones, in the order in which they are asked."""
        return self._webhooks(_MUTATING)

    def validating(self) -> list[Webhook]:
        """Return the validating ones."""
        return self._webhooks(_VALIDATING)

    def any(self) -> bool:
        """Say whether there is one at all."""
        return bool(self.mutating() or self.validating())

    def namespace_labels(self, resource: Resource, namespace: str, obj: Object | None) -> dict[str, str] | None:
        """Return the labels that a namespaceSelector is held against; None where it does not apply."""
        if resource.storage_key == "namespaces":
            found = obj
        elif resource.namespaced:
            found = self._store.read("namespaces", Key("", namespace))
        else:
            return None
        return dict((found or {}).get("metadata", {}).get("labels") or {})

    def _webhooks(self, storage: str) -> list[Webhook]:
        if self._changes[storage].drain() or storage not in self._read:
            self._read[storage] = self._stored(storage)
        return self._read[storage]

    def _stored(self, storage: str) -> list[Webhook]:
        configurations = sorted(self._store.objects(storage), key=lambda found: str(found["metadata"]["name"]))
        return [
            Webhook(f"{storage}/{configuration['metadata']['name']}", body)
            for configuration in configurations
            for body in configuration.get("webhooks") or ()
        ]


def _rule_matches(rule: Object, resource: Resource, operation: str, subresource: str) -> bool:
    scope = rule.get("scope") or "*"
    if scope != "*" and (scope == "Namespaced") != resource.namespaced:
        return False
    return (
        _holds(rule.get("operations"), operation)
        and _holds(rule.get("apiGroups"), resource.group)
        and _holds(rule.get("apiVersions"), resource.gv.version)
        and _names(rule, resource.plural, subresource)
    )


def _names(rule: Object, plural: str, subresource: str) -> bool:
    return any(_resource_matches(pattern, plural, subresource) for pattern in rule.get("resources") or ())


def _holds(patterns: Iterable[str] | None, value: str) -> bool:
    return any(pattern in ("*", value) for pattern in patterns or ())


def _resource_matches(pattern: str, plural: str, subresource: str) -> bool:
    """Match `pods`, `pods/status`, `*` (no subresource), `*/*`, `pods/*`, `*/status`."""
    wanted, _, wanted_subresource = pattern.partition("/")
    return (
        wanted in ("*", plural)
        and wanted_subresource in (("*", subresource) if "/" in pattern else (subresource,))
        and ("/" in pattern or not subresource)
    )


def _matches(selector: Object | None, labels: dict[str, str]) -> bool:
    return Selector.from_label_selector(selector or {}).matches(labels)


@lru_cache(maxsize=256)
def _expression(source: str) -> Expression:
    return Expression(source)
