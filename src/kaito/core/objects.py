"""What an object is called: kinds, keys and metadata. Everything else in core speaks in these terms."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Generic, NamedTuple, TypeVar

import msgspec

Object = dict[str, Any]
"""A Kubernetes object as JSON: always private to its reader."""

T = TypeVar("T")

PARTIAL_OBJECT_METADATA: Final = "PartialObjectMetadata"
"""The kind of an object that was asked for by its metadata alone."""


class Key(NamedTuple):
    """Namespace and name of an object; the namespace is empty for a cluster-scoped one."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}" if self.namespace else self.name


@dataclass(frozen=True)
class Kind(Generic[T]):
    """A resource and the type its objects are read as.

    `model` is a pydantic model or a msgspec struct; `dict` reads plain JSON, PartialObjectMetadata the metadata alone.
    `plural` and `namespaced` are discovered from the server when they are not given.
    """

    api_version: str
    kind: str
    model: type[T]
    plural: str = ""
    namespaced: bool | None = None

    @property
    def group(self) -> str:
        """API group; empty for the core group."""
        return self.api_version.rpartition("/")[0]

    @property
    def version(self) -> str:
        """Version within the group, such as `v1`."""
        return self.api_version.rpartition("/")[2]

    def reference(self, metadata: "Metadata") -> Object:
        """Return what names an object of this kind: enough for an owner, an event, or a patch of this very one."""
        identity = {"name": metadata.name, "uid": metadata.uid}
        if metadata.namespace:
            identity["namespace"] = metadata.namespace
        return {"apiVersion": self.api_version, "kind": self.kind, "metadata": identity}

    def __str__(self) -> str:
        return f"{self.kind}.{self.api_version}"


class OwnerReference(msgspec.Struct, frozen=True, rename="camel", gc=False):
    """`metav1.OwnerReference`."""

    api_version: str
    kind: str
    name: str
    uid: str
    controller: bool = False
    block_owner_deletion: bool = False

    @property
    def group(self) -> str:
        """API group of the owner; owners are matched by group and kind, whatever the version."""
        return self.api_version.rpartition("/")[0]


class Metadata(msgspec.Struct, frozen=True, rename="camel", gc=False):
    """`metav1.ObjectMeta` without managedFields: what the cache keeps decoded for every object."""

    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    creation_timestamp: str = ""
    deletion_timestamp: str | None = None
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    owner_references: tuple[OwnerReference, ...] = ()
    finalizers: tuple[str, ...] = ()

    @property
    def key(self) -> Key:
        """Namespace and name."""
        return Key(self.namespace, self.name)

    @property
    def controller(self) -> OwnerReference | None:
        """The owner that controls this object, if it has one."""
        return next((owner for owner in self.owner_references if owner.controller), None)


class PartialObjectMetadata(msgspec.Struct, frozen=True, rename="camel"):
    """An object's metadata without the object. A `Kind` with this model is asked for in this form."""

    metadata: Metadata
    api_version: str = ""
    kind: str = ""


def key_of(obj: Mapping[str, Any]) -> Key:
    """Return the key of a JSON object."""
    metadata = obj["metadata"]
    return Key(metadata.get("namespace", ""), metadata.get("name", ""))


def owner_reference(owner: Mapping[str, Any], *, controller: bool = True, block_owner_deletion: bool = True) -> Object:
    """Return the JSON owner reference to `owner`, which must carry apiVersion, kind, name and uid."""
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": controller,
        "blockOwnerDeletion": block_owner_deletion,
    }
