"""How a kind of ours is presented by the API server: names, scope, versions and the columns that kubectl prints."""

from dataclasses import dataclass
from typing import Generic, TypeVar

from kaito.api.meta import Model
from kaito.core.objects import Kind

M = TypeVar("M", bound=Model)


@dataclass(frozen=True)
class PrinterColumn:
    """One column of `kubectl get`. Priority 0 is always shown, 1 only with `-o wide`.

    `type` is `string`, `integer`, `number`, `boolean` or `date`; `json_path` starts with a dot.
    """

    name: str
    json_path: str
    type: str = "string"
    description: str = ""
    priority: int = 0
    format: str = ""


@dataclass(frozen=True)
class CustomResource(Generic[M]):
    """One version of a custom resource. Versions of one kind differ in `version` (and may in model and columns).

    `model` has the top-level fields of the object; `metadata` needs no schema, `status` becomes the status subresource.
    Exactly one version of a kind has `storage` set. `deprecation` is the warning that clients of this version get.
    """

    group: str
    version: str
    kind: str
    plural: str
    model: type[M]
    namespaced: bool = True
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    columns: tuple[PrinterColumn, ...] = ()
    served: bool = True
    storage: bool = True
    deprecation: str = ""

    @property
    def api_version(self) -> str:
        """`group/version`, as objects carry it."""
        return f"{self.group}/{self.version}"

    @property
    def singular(self) -> str:
        """The kind in lower case."""
        return self.kind.lower()

    @property
    def crd_name(self) -> str:
        """Name of the CustomResourceDefinition: `plural.group`."""
        return f"{self.plural}.{self.group}"

    def as_kind(self) -> Kind[M]:
        """Return what core's client and cache call this resource by."""
        return Kind(self.api_version, self.kind, self.model, plural=self.plural, namespaced=self.namespaced)
