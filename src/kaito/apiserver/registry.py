"""The resources that are served now: the built-in ones, and those of the established CustomResourceDefinitions."""

from collections.abc import Iterable, Iterator

from kaito.apiserver import custom
from kaito.apiserver.resources import BUILTIN_RESOURCES, GroupVersion, Resource
from kaito.apiserver.schema import ANYTHING, StructuralSchema, builtin_schema
from kaito.apiserver.versions import stored_version
from kaito.core.objects import Object


class Registry:
    """Resources by group, version and plural. `generation` grows with every change, for caches of discovery."""

    def __init__(self) -> None:
        self._builtin = {(resource.gv, resource.plural): resource for resource in BUILTIN_RESOURCES}
        self._custom: dict[str, list[Resource]] = {}
        self._by_path = dict(self._builtin)
        self.generation = 0

    def find(self, gv: GroupVersion, plural: str) -> Resource | None:
        """Return the resource at a path, or None."""
        return self._by_path.get((gv, plural))

    def all(self) -> Iterator[Resource]:
        """Yield every resource: built-in ones first, then definitions as they came, preferred version first."""
        yield from self._by_path.values()

    def storages(self) -> dict[str, Resource]:
        """Return one resource for each place of the store whose objects can be deleted."""
        places: dict[str, Resource] = {}
        for resource in self.all():
            if "delete" in resource.verbs:
                places.setdefault(resource.storage_key, resource)
        return places

    def others(self, crd_name: str) -> Iterable[Resource]:
        """Return the resources of all other definitions and the built-in ones."""
        kept = [resource for name, resources in self._custom.items() if name != crd_name for resource in resources]
        return [*self._builtin.values(), *kept]

    def serve(self, crd: Object) -> None:
        """Serve what an established definition says; withdraw one that is not."""
        name = crd["metadata"]["name"]
        resources = custom.resources_of(crd) if custom.is_established(crd) else []
        self._custom[name] = resources
        self._rebuild()

    def withdraw(self, crd_name: str) -> None:
        """Serve a definition's resources no longer."""
        self._custom.pop(crd_name, None)
        self._rebuild()

    def _rebuild(self) -> None:
        self._by_path = dict(self._builtin)
        for resources in self._custom.values():
            self._by_path.update({(resource.gv, resource.plural): resource for resource in resources})
        self.generation += 1

    def schema(self, resource: Resource) -> StructuralSchema:
        """Return the schema of a resource's objects."""
        return self.published_schema(resource) or builtin_schema(stored_version(resource), resource.kind) or ANYTHING

    def published_schema(self, resource: Resource) -> StructuralSchema | None:
        """Return the schema in the version of the resource itself, None when nobody described it."""
        return resource.schema if resource.custom else builtin_schema(resource.api_version, resource.kind)
