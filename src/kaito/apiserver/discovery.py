"""Discovery: which groups, versions and resources there are, in the legacy form and in the aggregated one."""

from collections.abc import Iterable

from kaito.apiserver.registry import Registry
from kaito.apiserver.resources import GroupVersion, Resource
from kaito.core.objects import Object

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v={version};as=APIGroupDiscoveryList"
_SUBRESOURCE_KINDS = {
    "scale": (GroupVersion("autoscaling", "v1"), "Scale", ("get", "patch", "update")),
    "binding": (GroupVersion("", "v1"), "Binding", ("create",)),
    "eviction": (GroupVersion("policy", "v1"), "Eviction", ("create",)),
    "token": (GroupVersion("authentication.k8s.io", "v1"), "TokenRequest", ("create",)),
    "log": (GroupVersion("", "v1"), "Pod", ("get",)),
    "exec": (GroupVersion("", "v1"), "PodExecOptions", ("create", "get")),
    "attach": (GroupVersion("", "v1"), "PodAttachOptions", ("create", "get")),
    "portforward": (GroupVersion("", "v1"), "PodPortForwardOptions", ("create", "get")),
}
_STATUS_VERBS = ("get", "patch", "update")


def group_versions(registry: Registry) -> dict[str, dict[GroupVersion, list[Resource]]]:
    """Return the resources by group and version, in the order of preference."""
    groups: dict[str, dict[GroupVersion, list[Resource]]] = {}
    for resource in registry.all():
        groups.setdefault(resource.group, {}).setdefault(resource.gv, []).append(resource)
    return groups


def core_versions(address: str) -> Object:
    """Return the answer of `/api`: `address` is host and port of this server."""
    client = [{"clientCIDR": "0.0.0.0/0", "serverAddress": address}]
    return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": client}


def group_list(registry: Registry) -> Object:
    """Return the answer of `/apis`."""
    groups = [_group(name, versions) for name, versions in group_versions(registry).items() if name]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}


def group(registry: Registry, name: str) -> Object | None:
    """Return the answer of `/apis/<group>`, or None when there is no such group."""
    versions = group_versions(registry).get(name)
    return {"kind": "APIGroup", "apiVersion": "v1", **_group(name, versions)} if name and versions else None


def _group(name: str, versions: Iterable[GroupVersion]) -> Object:
    listed = [{"groupVersion": str(gv), "version": gv.version} for gv in versions]
    return {"name": name, "versions": listed, "preferredVersion": listed[0]}


def resource_list(registry: Registry, gv: GroupVersion) -> Object | None:
    """Return the answer of `/api/v1` or `/apis/<group>/<version>`, or None when there is no such version."""
    resources = group_versions(registry).get(gv.group, {}).get(gv)
    if not resources:
        return None
    listed = [entry for resource in resources for entry in _entries(resource)]
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": str(gv), "resources": listed}


def _entries(resource: Resource) -> Iterable[Object]:
    entry: Object = {
        "name": resource.plural,
        "singularName": resource.singular,
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": list(resource.verbs),
    }
    if resource.short_names:
        entry["shortNames"] = list(resource.short_names)
    if resource.categories:
        entry["categories"] = list(resource.categories)
    yield entry
    for name in _served_subresources(resource):
        gv, kind, verbs = _SUBRESOURCE_KINDS.get(name, (resource.gv, resource.kind, _STATUS_VERBS))
        sub: Object = {
            "name": f"{resource.plural}/{name}",
            "singularName": "",
            "namespaced": resource.namespaced,
            "kind": kind,
            "verbs": list(verbs),
        }
        if gv != resource.gv:
            sub |= {"group": gv.group, "version": gv.version}
        yield sub


def _served_subresources(resource: Resource) -> list[str]:
    return [name for name in resource.subresources if name in ("status", *_SUBRESOURCE_KINDS)]


def aggregated(registry: Registry, version: str, *, core: bool) -> Object:
    """Return all groups at once (`/apis`), or the core group (`/api`), as `apidiscovery.k8s.io/<version>`."""
    items = [
        {
            "metadata": {"name": name} if name else {},
            "versions": [_version(gv, found) for gv, found in versions.items()],
        }
        for name, versions in group_versions(registry).items()
        if core == (not name)
    ]
    return {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": f"apidiscovery.k8s.io/{version}",
        "metadata": {},
        "items": items,
    }


def _version(gv: GroupVersion, resources: Iterable[Resource]) -> Object:
    return {
        "version": gv.version,
        "freshness": "Current",
        "resources": [_aggregated(resource) for resource in resources],
    }


def _aggregated(resource: Resource) -> Object:
    entry: Object = {
        "resource": resource.plural,
        "responseKind": {"group": resource.group, "version": resource.gv.version, "kind": resource.kind},
        "scope": "Namespaced" if resource.namespaced else "Cluster",
        "singularResource": resource.singular,
        "verbs": list(resource.verbs),
    }
    if resource.short_names:
        entry["shortNames"] = list(resource.short_names)
    if resource.categories:
        entry["categories"] = list(resource.categories)
    subresources = []
    for name in _served_subresources(resource):
        gv, kind, verbs = _SUBRESOURCE_KINDS.get(name, (resource.gv, resource.kind, _STATUS_VERBS))
        kind_of = {"group": gv.group, "version": gv.version, "kind": kind}
        subresources.append({"subresource": name, "responseKind": kind_of, "verbs": list(verbs)})
    if subresources:
        entry["subresources"] = subresources
    return entry
