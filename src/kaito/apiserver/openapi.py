"""The published OpenAPI documents, made on request and kept until the resources change."""

import hashlib
from collections.abc import Iterable
from typing import Any

import orjson

from kaito.apiserver import openapi_protobuf
from kaito.apiserver.discovery import group_versions
from kaito.apiserver.registry import Registry
from kaito.apiserver.resources import GroupVersion, Resource
from kaito.apiserver.schema import PublishedKind, openapi_v2_document, openapi_v3_document
from kaito.core.objects import Object


class OpenApi:
    """Serves `/openapi/v3`, its documents by group version, and `/openapi/v2`."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._documents: dict[str, bytes] = {}
        self._generation = registry.generation

    def index(self) -> Object:
        """Return the answer of `/openapi/v3`: where each group version's document is, with a hash to cache it by."""
        paths = {}
        for gv in self._versions():
            digest = hashlib.sha256(self.document(gv.path) or b"").hexdigest().upper()
            paths[gv.path] = {"serverRelativeURL": f"/openapi/v3/{gv.path}?hash={digest}"}
        return {"paths": paths}

    def document(self, path: str) -> bytes | None:
        """Return the document of a group version by its path (`apis/apps/v1`), or None."""
        if self._generation != self._registry.generation:
            self._documents.clear()
            self._generation = self._registry.generation
        if path not in self._documents:
            gv = next((gv for gv in self._versions() if gv.path == path), None)
            if gv is None:
                return None
            self._documents[path] = orjson.dumps(openapi_v3_document(str(gv), self._kinds(self._versions()[gv])))
        return self._documents[path]

    def v2(self) -> bytes:
        """Return the answer of `/openapi/v2`, as JSON."""
        return orjson.dumps(self._v2())

    def v2_protobuf(self) -> bytes:
        """Return the answer of `/openapi/v2` to kubectl."""
        return openapi_protobuf.encode(self._v2())

    def _v2(self) -> dict[str, Any]:
        groups = {str(gv): self._kinds(resources) for gv, resources in self._versions().items()}
        return openapi_v2_document(groups)

    def _versions(self) -> dict[GroupVersion, list[Resource]]:
        groups = group_versions(self._registry)
        return {gv: resources for versions in groups.values() for gv, resources in versions.items()}

    def _kinds(self, resources: Iterable[Resource]) -> list[PublishedKind]:
        return [
            PublishedKind(
                resource.plural,
                resource.kind,
                resource.namespaced,
                self._registry.published_schema(resource),
                tuple(name for name in resource.subresources if name in ("status", "scale")),
            )
            for resource in resources
        ]
