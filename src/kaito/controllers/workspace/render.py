"""Renders the workload from its templates. Every value goes through `tojson`: user text cannot change the structure.

A workload is rendered with the template version and the runtime image it was first rendered with, until its spec
changes: a new release of the controller restarts no pod.
"""

import hashlib
import json
import re
from functools import cache, lru_cache
from typing import Any, Final

import orjson
import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined

from kaito import contracts
from kaito.api import InferenceSpec
from kaito.controllers.options import STAND_IN
from kaito.controllers.workspace.snapshot import Snapshot
from kaito.controllers.workspace.workload import (
    adapter_volumes,
    admin_secret_name,
    config_map_name,
    node_terms,
    pod_labels,
    serve_args,
    stand_in_args,
    startup_seconds,
    weights_volume,
)
from kaito.core.objects import Object

TEMPLATE_VERSION: Final = "1"
TEMPLATE_VERSIONS: Final = frozenset({TEMPLATE_VERSION})
"""Versions that are kept, since workloads may still be rendered with them. Each is a folder below `templates/`."""

FILES: Final = ("service", "headless", "config", "deployment")
"""In the order in which they are applied: what the pod needs comes first."""

TEMPLATE_ANNOTATION: Final = "kaito.sh/template-version"
IMAGE_ANNOTATION: Final = "kaito.sh/runtime-image"
SPEC_ANNOTATION: Final = "kaito.sh/spec-digest"

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


def spec_digest(spec: dict[str, Any]) -> str:
    """Return what tells two specs apart."""
    return hashlib.sha256(json.dumps(spec, sort_keys=True).encode()).hexdigest()[:16]


def rendered_with(snapshot: Snapshot) -> tuple[str, str]:
    """Return template version and runtime image: the live workload's own while its spec is the same, else today's."""
    deployment = snapshot.deployment
    if deployment is not None:
        had = deployment.metadata.annotations
        version, image = had.get(TEMPLATE_ANNOTATION, ""), had.get(IMAGE_ANNOTATION, "")
        same = had.get(SPEC_ANNOTATION) == spec_digest(snapshot.workspace.spec())
        if same and image and version in TEMPLATE_VERSIONS:
            return version, image
    return TEMPLATE_VERSION, snapshot.settings.runtime_image


def render(snapshot: Snapshot) -> tuple[Object, ...]:
    """Return the objects of the workload, parsed. Raises jinja2's UndefinedError where a template asks for too much."""
    version, image = rendered_with(snapshot)
    values = template_values(snapshot, version, image)
    return tuple(_render(f"{version}/{name}.yaml.j2", values) for name in FILES)


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
    return {
        "name": name,
        "namespace": workspace.metadata.namespace,
        "labels": pod_labels(workspace),
        "image": image,
        "annotations": {
            TEMPLATE_ANNOTATION: version,
            IMAGE_ANNOTATION: image,
            SPEC_ANNOTATION: spec_digest(workspace.spec()),
        },
        "args": serve_args(workspace, plan, settings),
        "stand_in_args": stand_in_args(plan) if settings.weights == STAND_IN else [],
        "gpus": str(plan.sku.gpus),
        "node_terms": node_terms(workspace),
        "weights_volume": weights_volume(plan, settings),
        "adapters": adapter_volumes(inference),
        "config_map": inference.config or config_map_name(name),
        "own_config_map": config_map_name(name),
        "admin_secret": admin_secret_name(name),
        "hub_secret": options.model_access_secret if options else None,
        "startup_seconds": startup_seconds(plan, settings),
        "contracts": contracts,
    }
