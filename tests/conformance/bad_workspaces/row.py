"""One row of a table, and how it is made into a Workspace."""

import copy
import re
from dataclasses import dataclass, field
from typing import Any

import yaml

REMOVED = object()
"""The value of a field that is not there."""

GOOD: dict[str, dict[str, Any]] = {
    "inference": yaml.safe_load("""
        apiVersion: kaito.sh/v1beta1
        kind: Workspace
        metadata: {name: good}
        resource: {instanceType: Standard_NC24ads_A100_v4, labelSelector: {matchLabels: {apps: good}}}
        inference: {preset: {name: phi-3-mini-4k-instruct}}
    """),
    "adapters": yaml.safe_load("""
        apiVersion: kaito.sh/v1beta1
        kind: Workspace
        metadata: {name: good}
        resource: {instanceType: Standard_NC24ads_A100_v4, labelSelector: {matchLabels: {apps: good}}}
        inference:
          preset: {name: phi-3-mini-4k-instruct}
          adapters:
          - {source: {name: poems, image: "registry.example.org/poems:1"}, strength: "0.5"}
          - {source: {name: prose, volumeSource: {hostPath: {path: /adapters/prose}}}}
    """),
    "template": yaml.safe_load("""
        apiVersion: kaito.sh/v1beta1
        kind: Workspace
        metadata: {name: good}
        resource: {instanceType: Standard_D4s_v3, labelSelector: {matchLabels: {apps: good}}}
        inference: {template: {spec: {containers: [{name: web, image: nginx}]}}}
    """),
    "tuning": yaml.safe_load("""
        apiVersion: kaito.sh/v1beta1
        kind: Workspace
        metadata: {name: good}
        resource: {instanceType: Standard_NC24ads_A100_v4, labelSelector: {matchLabels: {apps: good}}}
        tuning:
          preset: {name: phi-3-mini-4k-instruct}
          method: qlora
          input: {urls: ["https://example.org/data.parquet"]}
          output: {image: "registry.example.org/tuned:1", imagePushSecret: push}
    """),
}
"""Workspaces that nothing is wrong with."""


@dataclass(frozen=True)
class Bad:
    """A good Workspace with `changes` (JSON path to value), of which the API server's answer names `field`."""

    case: str
    good: str
    changes: dict[str, Any]
    field: str
    says: str
    cause: str = "FieldValueInvalid"

    def workspace(self, version: str = "v1beta1") -> dict[str, Any]:
        return {**edited(self.good, self.changes), "apiVersion": f"kaito.sh/{version}"}


@dataclass(frozen=True)
class BadEdit:
    """A Workspace (`good` with `first`) that must not become what `changes` make of it."""

    case: str
    good: str
    changes: dict[str, Any]
    field: str
    says: str
    first: dict[str, Any] = field(default_factory=dict)

    def before(self) -> dict[str, Any]:
        return edited(self.good, self.first)

    def after(self) -> dict[str, Any]:
        return edited(self.good, self.first | self.changes)


@dataclass(frozen=True)
class Judged:
    """A Workspace that any API server takes, and that the rules of kaito have something to say about."""

    case: str
    good: str
    changes: dict[str, Any]
    field: str
    reason: str
    says: str
    refused: bool = True

    def workspace(self) -> dict[str, Any]:
        return edited(self.good, self.changes)


def edited(good: str, changes: dict[str, Any]) -> dict[str, Any]:
    """Return a good Workspace with some fields set, or REMOVED. Paths are as `inference.adapters[0].source`."""
    document = copy.deepcopy(GOOD[good])
    for path, value in changes.items():
        *parents, last = _steps(path)
        target: Any = document
        for step in parents:
            target = target.setdefault(step, {}) if isinstance(target, dict) else target[int(step)]
        if value is REMOVED:
            target.pop(last, None)
        elif isinstance(target, list):
            target[int(last)] = value
        else:
            target[last] = value
    return document


def _steps(path: str) -> list[str]:
    """Split `a.b[0].c[d.e/f]` into its names and indices."""
    return [name or key for name, key in re.findall(r"([^.\[\]]+)|\[([^\]]+)\]", path)]
