"""CustomResourceDefinitions: what they must say, the conditions they get, and the resources that follow from them."""

import re
from collections.abc import Iterable

from kaito.apiserver.resources import CustomVersion, GroupVersion, Resource, ScalePaths
from kaito.apiserver.schema import FieldError, StructuralSchema, definition_errors, invalid, not_supported, required
from kaito.core.objects import Object

_VERSION_NAME = re.compile(r"v(\d+)(?:(alpha|beta)(\d+))?")
_VERBS = ("delete", "deletecollection", "get", "list", "patch", "create", "update", "watch")
"""In the order in which a real server lists those of custom resources."""

_STAGES = {"alpha": 0, "beta": 1, None: 2}
_NAME = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_NAME_RULE = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, "
    "and end with an alphanumeric character"
)


def validate_definition(crd: Object) -> list[FieldError]:
    """Return what is wrong with a definition; its schemas are compiled to see that they can be."""
    spec = crd["spec"]
    names, versions = spec["names"], spec.get("versions") or []
    errors = [required(f"spec.{name}") for name in ("group", "scope") if not spec.get(name)]
    if spec.get("scope") not in ("Namespaced", "Cluster", None):
        errors.append(not_supported("spec.scope", spec["scope"], ("Cluster", "Namespaced")))
    wanted = f"{names.get('plural')}.{spec.get('group')}"
    if crd["metadata"].get("name") != wanted:
        errors.append(invalid("metadata.name", crd["metadata"].get("name"), 'must be spec.names.plural+"."+spec.group'))
    errors.extend(
        invalid(f"spec.names.{name}", names.get(name), _NAME_RULE)
        for name in ("plural", "kind")
        if not _NAME.fullmatch(str(names.get(name, "")).lower())
    )
    if sum(1 for version in versions if version.get("storage")) != 1:
        errors.append(invalid("spec.versions", versions, "must have exactly one version marked as storage version"))
    if spec["conversion"].get("strategy") != "None":
        errors.append(not_supported("spec.conversion.strategy", spec["conversion"].get("strategy"), ("None",)))
    for index, version in enumerate(versions):
        errors.extend(_schema_errors(version, f"spec.versions[{index}].schema.openAPIV3Schema"))
    return errors


def _schema_errors(version: Object, path: str) -> list[FieldError]:
    schema = (version.get("schema") or {}).get("openAPIV3Schema")
    if not schema:
        return [required(path, "schemas are required")]
    if schema.get("type") != "object":
        return [invalid(f"{path}.type", schema.get("type", ""), "must be object at the root")]
    try:
        StructuralSchema.from_openapi(schema)
    except ValueError as error:
        return [invalid(path, "schema", str(error))]
    return list(definition_errors(schema, path))


def establish(crd: Object, taken: Iterable[Resource], now: str) -> None:
    """Write the status of a definition: accepted names, conditions, stored versions. `taken` are other resources."""
    spec, status = crd["spec"], crd.setdefault("status", {})
    names = spec["names"]
    clash = next((other for other in taken if _clashes(other, crd)), None)
    if clash is None:
        accepted = ("True", "NoConflicts", "no conflicts found")
        established = ("True", "InitialNamesAccepted", "the initial names have been accepted")
        status["acceptedNames"] = names
    else:
        words = (
            f'"{clash.plural}" is already in use'
            if clash.plural == names["plural"]
            else f'"{clash.kind}" is already in use'
        )
        accepted = ("False", "PluralConflict" if clash.plural == names["plural"] else "KindConflict", words)
        established = ("False", "NotAccepted", "not all names are accepted")
        status.setdefault("acceptedNames", {"plural": "", "kind": ""})
    kept = {condition["type"]: condition for condition in status.get("conditions") or ()}
    for kind, (state, reason, message) in (("NamesAccepted", accepted), ("Established", established)):
        old = kept.get(kind, {})
        since = old["lastTransitionTime"] if old.get("status") == state else now
        kept[kind] = {"type": kind, "status": state, "reason": reason, "message": message, "lastTransitionTime": since}
    status["conditions"] = list(kept.values())
    storage = next(version["name"] for version in spec["versions"] if version["storage"])
    stored = status.get("storedVersions") or []
    status["storedVersions"] = stored if storage in stored else [*stored, storage]


def _clashes(other: Resource, crd: Object) -> bool:
    spec = crd["spec"]
    names = spec["names"]
    return bool(other.group == spec["group"] and (other.plural == names["plural"] or other.kind == names["kind"]))


def is_established(crd: Object) -> bool:
    """Return whether the definition's resources are served."""
    conditions: list[Object] = crd.get("status", {}).get("conditions") or []
    return any((condition["type"], condition["status"]) == ("Established", "True") for condition in conditions)


def resources_of(crd: Object) -> list[Resource]:
    """Return one resource for each served version, the preferred one first."""
    spec = crd["spec"]
    storage = next(version["name"] for version in spec["versions"] if version["storage"])
    served = sorted((version for version in spec["versions"] if version.get("served")), key=_preference, reverse=True)
    return [_resource(spec, version, storage) for version in served]


def _preference(version: Object) -> tuple[int, int, int]:
    match = _VERSION_NAME.fullmatch(version["name"])
    if match is None:
        return (-1, 0, 0)
    return (_STAGES[match[2]], int(match[1]), int(match[3] or 0))


def _resource(spec: Object, version: Object, storage: str) -> Resource:
    names = spec["names"]
    subresources = version.get("subresources") or {}
    scale = subresources.get("scale")
    return Resource(
        gv=GroupVersion(spec["group"], version["name"]),
        plural=names["plural"],
        kind=names["kind"],
        namespaced=spec["scope"] == "Namespaced",
        singular=names.get("singular", ""),
        short_names=tuple(names.get("shortNames") or ()),
        categories=tuple(names.get("categories") or ()),
        subresources=tuple(name for name in ("status", "scale") if name in subresources),
        verbs=_VERBS,
        list_kind=names.get("listKind", ""),
        custom=CustomVersion(
            storage_version=storage,
            printer_columns=tuple(version.get("additionalPrinterColumns") or ()),
            selectable_fields=tuple(item["jsonPath"].lstrip(".") for item in version.get("selectableFields") or ()),
            deprecation_warning=_deprecation(spec, version),
        ),
        scale=ScalePaths(
            spec_replicas=scale["specReplicasPath"].lstrip("."),
            status_replicas=scale["statusReplicasPath"].lstrip("."),
            label_selector=scale.get("labelSelectorPath", "").lstrip("."),
        )
        if scale
        else None,
        schema=StructuralSchema.from_openapi(version["schema"]["openAPIV3Schema"]),
    )


def _deprecation(spec: Object, version: Object) -> str:
    if not version.get("deprecated"):
        return ""
    default = f"{spec['group']}/{version['name']} {spec['names']['kind']} is deprecated"
    return str(version.get("deprecationWarning") or default)
