"""A container's environment: env, envFrom, `$(VAR)` and what kaito-node adds itself."""

import base64
import math
import os
import re
import socket
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from kaito.contracts import BIND_HOST_VARIABLE
from kaito.core.errors import KaitoError
from kaito.core.objects import Object
from kaito.core.quantity import parse_quantity
from kaito.local.node.images import OWN_PROGRAMS

HOST_NAMES = frozenset(
    [
        "HOME",
        "USER",
        "LOGNAME",
        "LANG",
        "LANGUAGE",
        "TZ",
        "TMPDIR",
        "LD_LIBRARY_PATH",
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
        "REQUESTS_CA_BUNDLE",
        "XDG_CACHE_HOME",
        "HF_HOME",
        "HF_HUB_CACHE",
        "HF_ENDPOINT",
        "HF_HUB_OFFLINE",
        "HF_HUB_DISABLE_XET",
        "http_proxy",
        "https_proxy",
        "no_proxy",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "NO_PROXY",
    ]
)
"""Variables of this machine that a program needs to work on it; nothing else of the host's environment is passed on."""
HOST_PREFIXES = ("LC_", "CUDA_", "NVIDIA_", "VLLM_", "OMP_")

_REFERENCE = re.compile(r"\$(\$|\(([-._a-zA-Z][-._a-zA-Z0-9]*)\))")
_SUBSCRIPT = re.compile(r"^metadata\.(labels|annotations)\['([^']+)'\]$")


@dataclass(frozen=True)
class Sources:
    """What an environment is made from. The look-ups return None for an object that does not exist."""

    pod: Object
    pod_ip: str
    host_ip: str
    config_map: Callable[[str], Object | None]
    secret: Callable[[str], Object | None]
    allocatable: Mapping[str, str]


def expand(text: str, variables: Mapping[str, str]) -> str:
    """Replace `$(NAME)`; `$$` is a dollar, an unknown name stays as written. Source: Kubernetes' expansion package."""

    def replacement(match: re.Match[str]) -> str:
        return "$" if match[1] == "$" else variables.get(match[2], match[0])

    return _REFERENCE.sub(replacement, text)


def host_environment(environ: Mapping[str, str], *, extra: Iterable[str] = ()) -> dict[str, str]:
    """Return what of the host's environment every container gets, PATH with our own programs first."""
    names = HOST_NAMES.union(extra)
    kept = {name: value for name, value in environ.items() if name in names or name.startswith(HOST_PREFIXES)}
    return {**kept, "PATH": own_path(environ.get("PATH", os.defpath))}


def own_path(path: str) -> str:
    """Return PATH with the folder of our own programs first."""
    rest = [part for part in path.split(os.pathsep) if part != OWN_PROGRAMS]
    return os.pathsep.join([OWN_PROGRAMS, *rest])


def container_environment(container: Object, sources: Sources, host: Mapping[str, str], *, own: bool) -> dict[str, str]:
    """Return the environment of a container; later entries win, as in the kubelet.

    Raises KaitoError CreateContainerConfigError when a required ConfigMap, Secret or key is missing.
    """
    pod = sources.pod
    values: dict[str, str] = {}
    for source in container.get("envFrom") or ():
        values.update(_from_object(source, sources))
    for entry in container.get("env") or ():
        value = _value(entry, container, sources, values)
        if value is not None:
            values[entry["name"]] = value
    added = {
        BIND_HOST_VARIABLE: sources.pod_ip,
        "HOSTNAME": pod["spec"].get("hostname") or pod["metadata"]["name"],
    }
    if pod["spec"].get("hostNetwork"):
        added = {"HOSTNAME": socket.gethostname()}
    merged = {**host, **added, **values}
    if own and "PATH" in values:
        merged["PATH"] = own_path(values["PATH"])
    return merged


def _value(entry: Object, container: Object, sources: Sources, known: Mapping[str, str]) -> str | None:
    source = entry.get("valueFrom")
    if not source:
        return expand(entry.get("value") or "", known)
    if "fieldRef" in source:
        return field_value(source["fieldRef"]["fieldPath"], sources)
    if "resourceFieldRef" in source:
        return resource_value(source["resourceFieldRef"], container, sources)
    for name, kind in (("configMapKeyRef", "ConfigMap"), ("secretKeyRef", "Secret")):
        if name in source:
            return _key_value(source[name], kind, sources)
    raise KaitoError(
        "CreateContainerConfigError",
        f"env {entry['name']}: this node cannot read a value from {', '.join(source)}.",
        remedy="Use value, fieldRef, resourceFieldRef, configMapKeyRef or secretKeyRef.",
    )


def _key_value(reference: Object, kind: str, sources: Sources) -> str | None:
    data = _data(reference["name"], kind, sources)
    key = reference["key"]
    if data is not None and key in data:
        return data[key]
    if reference.get("optional"):
        return None
    namespace = sources.pod["metadata"]["namespace"]
    if data is None:
        raise _missing(kind, reference["name"])
    raise KaitoError(
        "CreateContainerConfigError",
        f"couldn't find key {key} in {kind} {namespace}/{reference['name']}.",
        remedy="Add the key, or mark the reference optional.",
    )


def _from_object(source: Object, sources: Sources) -> dict[str, str]:
    name, kind = ("configMapRef", "ConfigMap") if "configMapRef" in source else ("secretRef", "Secret")
    reference = source[name]
    data = _data(reference["name"], kind, sources)
    if data is None:
        if reference.get("optional"):
            return {}
        raise _missing(kind, reference["name"])
    prefix = source.get("prefix") or ""
    return {prefix + key: value for key, value in data.items()}


def _missing(kind: str, name: str) -> KaitoError:
    return KaitoError(
        "CreateContainerConfigError",
        f'{kind.lower()} "{name}" not found.',
        remedy=f"Create the {kind}, or mark the reference optional.",
    )


def _data(name: str, kind: str, sources: Sources) -> dict[str, str] | None:
    obj = sources.config_map(name) if kind == "ConfigMap" else sources.secret(name)
    if obj is None:
        return None
    data: dict[str, Any] = obj.get("data") or {}
    if kind == "ConfigMap":
        return data
    return {key: base64.b64decode(value).decode(errors="surrogateescape") for key, value in data.items()}


def field_value(path: str, sources: Sources) -> str:
    """Return what a fieldRef names, as the downward API has it; raises KaitoError for a field it does not offer."""
    metadata, spec = sources.pod["metadata"], sources.pod["spec"]
    simple: dict[str, str] = {
        "metadata.name": metadata["name"],
        "metadata.namespace": metadata.get("namespace", ""),
        "metadata.uid": metadata.get("uid", ""),
        "spec.nodeName": spec.get("nodeName", ""),
        "spec.serviceAccountName": spec.get("serviceAccountName", "default"),
        "status.podIP": sources.pod_ip,
        "status.podIPs": sources.pod_ip,
        "status.hostIP": sources.host_ip,
        "status.hostIPs": sources.host_ip,
    }
    if path in simple:
        return simple[path]
    if match := _SUBSCRIPT.match(path):
        return str((metadata.get(match[1]) or {}).get(match[2], ""))
    if path in ("metadata.labels", "metadata.annotations"):
        entries = metadata.get(path.rpartition(".")[2]) or {}
        return "\n".join(f'{key}="{_escaped(value)}"' for key, value in sorted(entries.items()))
    raise KaitoError(
        "CreateContainerConfigError",
        f"unsupported fieldPath: {path}.",
        remedy="See the downward API's list of fields.",
    )


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def resource_value(reference: Object, container: Object, sources: Sources) -> str:
    """Return a container's limit or request in units of the divisor, rounded up; without a limit, what the node has."""
    kind, _, name = reference["resource"].partition(".")
    of = reference.get("containerName")
    if of:
        containers = [*(sources.pod["spec"].get("initContainers") or ()), *sources.pod["spec"]["containers"]]
        container = next((each for each in containers if each["name"] == of), container)
    resources = container.get("resources") or {}
    value = (resources.get(kind) or {}).get(name)
    if value is None and kind == "requests":
        value = (resources.get("limits") or {}).get(name, "0")
    if value is None:
        value = sources.allocatable.get(name, "0")
    divisor = parse_quantity(reference.get("divisor") or 1) or 1
    return str(math.ceil(parse_quantity(value) / divisor))
