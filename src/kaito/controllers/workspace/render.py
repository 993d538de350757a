"""Renders the workload from its templates. Every value goes through `tojson`: user text cannot change the structure.

A workload is rendered with the template version and the runtime image it was first rendered with, until its spec
changes: a new release of the controller restarts no pod.
"""

import hashlib
import json
import re
from functools import cache, lru_cache
from pathlib import PurePosixPath
from typing import Any, Final

import orjson
import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined

from kaito import contracts
from kaito.api import InferenceSpec, Workspace
from kaito.contracts import ADAPTER_SET_PATH, ADAPTER_STORE_BYTES, AdapterSet
from kaito.controllers.options import STAND_IN
from kaito.controllers.workspace.slots import RANK_ANNOTATION, lora_rank
from kaito.controllers.workspace.snapshot import Snapshot
from kaito.controllers.workspace.workload import (
    CREDENTIALS_ANNOTATION,
    adapter_set_name,
    adapter_volumes,
    admin_secret_name,
    config_map_name,
    credentials_name,
    node_terms,
    pod_labels,
    serve_args,
    stand_in_args,
    startup_seconds,
    weights_volume,
)
from kaito.core.objects import Object

TEMPLATE_VERSION: Final = "2"
TEMPLATE_VERSIONS: Final = frozenset({TEMPLATE_VERSION})
"""Versions that are kept, since workloads may still be rendered with them. Each is a folder below `templates/`."""

FILES: Final = ("service", "headless", "config", "deployment")
"""In the order in which they are applied: what the pod needs comes first."""

TEMPLATE_ANNOTATION: Final = "kaito.sh/template-version"
IMAGE_ANNOTATION: Final = "kaito.sh/runtime-image"
SPEC_ANNOTATION: Final = "kaito.sh/spec-digest"

ADAPTER_STORE_SIZE: Final = f"{ADAPTER_STORE_BYTES // 2**30 + 16}Gi"
"""What adapters may take of the node's disk before the kubelet ends the pod: the store and four downloads."""

_NOT_PLAIN: Final = re.compile(r"[^\x20-\x7e]")


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("kaito.controllers.workspace"),
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701 - YAML, not HTML; `tojson` quotes every value
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["json.dumps_function"] = _quoted
    environment.policies["json.dumps_kwargs"] = {}
    return environment


def _quoted(value: Any) -> str:
    """Return JSON that is YAML too: one escape per character, where JSON has two for those beyond 16 bits."""
    text = json.dumps(value, ensure_ascii=False)
    return _NOT_PLAIN.sub(lambda found: f"\\U{ord(found.group()):08x}", text)


def pod_digest(workspace: Workspace) -> str:
    """Return what tells two specs apart that ask for different pods; adapters that go to a running server do not."""
    spec = workspace.spec()
    inference = {key: value for key, value in (spec.get("inference") or {}).items() if key != "adapters"}
    volumes = adapter_volumes(workspace.inference or InferenceSpec())
    text = json.dumps([{**spec, "inference": inference}, volumes], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def is_same_pod(snapshot: Snapshot) -> bool:
    """Whether the spec asks for the very pod that the Deployment was last rendered for."""
    deployment = snapshot.deployment
    had = deployment.metadata.annotations if deployment is not None else {}
    return had.get(SPEC_ANNOTATION) == pod_digest(snapshot.workspace)


def rendered_with(snapshot: Snapshot) -> tuple[str, str]:
    """Return template version and runtime image: the live workload's own while its spec is the same, else today's."""
    if snapshot.deployment is not None and is_same_pod(snapshot):
        had = snapshot.deployment.metadata.annotations
        version, image = had.get(TEMPLATE_ANNOTATION, ""), had.get(IMAGE_ANNOTATION, "")
        if image and version in TEMPLATE_VERSIONS:
            return version, image
    return TEMPLATE_VERSION, snapshot.settings.runtime_image


def render(snapshot: Snapshot) -> tuple[Object, ...]:
    """Return the objects of the workload, parsed. Raises jinja2's UndefinedError where a template asks for too much."""
    version, image = rendered_with(snapshot)
    values = template_values(snapshot, version, image)
    return tuple(_render(f"{version}/{name}.yaml.j2", values) for name in FILES)


def render_adapter_set(snapshot: Snapshot, adapter_set: AdapterSet, *, has_credentials: bool) -> Object:
    """Return the ConfigMap that a server starts from; it says too whether there is a Secret beside it."""
    name = snapshot.workspace.metadata.name
    values = {
        "name": adapter_set_name(name),
        "namespace": snapshot.workspace.metadata.namespace,
        "labels": pod_labels(snapshot.workspace),
        "annotations": {CREDENTIALS_ANNOTATION: credentials_name(name)} if has_credentials else {},
        "file": PurePosixPath(ADAPTER_SET_PATH).name,
        "content": json.dumps(adapter_set, indent=2),
    }
    return _render(f"{TEMPLATE_VERSION}/adapters.yaml.j2", values)


def load_templates() -> None:
    """Compile every template, so that the first Workspace does not wait for it."""
    for name in _environment().list_templates():
        _environment().get_template(name)


def _render(name: str, values: dict[str, Any]) -> Object:
    document: Object = orjson.loads(_parse(name, _environment().get_template(name).render(values)))
    return document


@lru_cache(maxsize=512)
def _parse(name: str, text: str) -> bytes:
    """Return rendered YAML as JSON. Kept, because YAML takes ten times as long as all else here."""
    document = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - both are safe
    if not isinstance(document, dict) or not {"apiVersion", "kind", "metadata"} <= set(document):
        raise RuntimeError(f"template {name} did not render an object")
    return orjson.dumps(document)


def template_values(snapshot: Snapshot, version: str, image: str) -> dict[str, Any]:
    """Return all that the templates may use."""
    workspace, plan, settings = snapshot.workspace, snapshot.sized, snapshot.settings
    inference = workspace.inference or InferenceSpec()
    options = inference.preset.preset_options if inference.preset else None
    name = workspace.metadata.name
    rank = lora_rank(snapshot, same_pod=is_same_pod(snapshot))
    return {
        "name": name,
        "namespace": workspace.metadata.namespace,
        "labels": pod_labels(workspace),
        "image": image,
        "annotations": {
            TEMPLATE_ANNOTATION: version,
            IMAGE_ANNOTATION: image,
            SPEC_ANNOTATION: pod_digest(workspace),
            **({RANK_ANNOTATION: str(rank)} if rank else {}),
        },
        "args": serve_args(workspace, plan, settings, rank),
        "stand_in_args": stand_in_args(plan) if settings.weights == STAND_IN else [],
        "gpus": str(plan.sku.gpus),
        "node_terms": node_terms(workspace),
        "weights_volume": weights_volume(plan, settings),
        "adapters": adapter_volumes(inference),
        "config_map": inference.config or config_map_name(name),
        "own_config_map": config_map_name(name),
        "adapter_set": adapter_set_name(name),
        "adapter_credentials": credentials_name(name),
        "adapter_store_size": ADAPTER_STORE_SIZE,
        "admin_secret": admin_secret_name(name),
        "hub_secret": options.model_access_secret if options else None,
        "startup_seconds": startup_seconds(plan, settings),
        "contracts": contracts,
    }
