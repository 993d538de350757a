"""What the inference pod is started with: command line, volumes, labels. Pure; the templates only write it down."""

from typing import Any, Final

from kaito import contracts
from kaito.api import WORKSPACE_LABEL, InferenceSpec, Workspace
from kaito.controllers.options import HUB, STAND_IN, Settings
from kaito.controllers.workspace.claims import claim_labels
from kaito.presets import GPU_MEMORY_UTILIZATION, Plan

CREDENTIALS_ANNOTATION: Final = "kaito.sh/adapter-credentials"
"""On the ConfigMap of the adapters: the Secret beside it, for as long as there may be one."""

STARTUP_SECONDS = (1800, 10800)
"""Shortest and longest time that a server may take until it is ready."""


def admin_secret_name(workspace_name: str) -> str:
    """Return the name of the Secret with the admin port's token."""
    return f"{workspace_name}-admin"


def config_map_name(workspace_name: str) -> str:
    """Return the name of the ConfigMap with the server's settings."""
    return f"{workspace_name}-inference-config"


def adapter_set_name(workspace_name: str) -> str:
    """Return the name of the ConfigMap with the adapters that its servers are to have."""
    return f"{workspace_name}-adapters"


def credentials_name(workspace_name: str) -> str:
    """Return the name of the Secret with the copies of its adapters' pull secrets."""
    return f"{workspace_name}-adapter-credentials"


def startup_seconds(plan: Plan, settings: Settings) -> int:
    """Return how long the server may take: 15 minutes and 18 s per GiB of weights, within bounds. Source: KAITO.

    A download may take the longest: it says itself what is in its way, and what ends it half-way has it begin anew.
    """
    if settings.weights == HUB:
        return STARTUP_SECONDS[1]
    wanted = 900 + 18 * plan.preset.weight_bytes / (1 << 30)
    return int(min(max(wanted, STARTUP_SECONDS[0]), STARTUP_SECONDS[1]))


def serve_args(workspace: Workspace, plan: Plan, settings: Settings, lora_rank: int) -> list[str]:
    """Return the arguments of `kaito-runtime serve`: vLLM's flags, then ours."""
    preset = plan.preset
    if settings.weights == HUB:
        model = [
            f"--model={preset.repository}",
            f"--revision={preset.revision}",
            f"--download-dir={contracts.WEIGHTS_PATH}",
        ]
    else:
        model = [f"--model={contracts.WEIGHTS_PATH}"]
    args = [
        *model,
        f"--served-model-name={preset.name}",
        f"--port={contracts.SERVING_PORT}",
        f"--max-model-len={plan.max_model_len}",
        f"--dtype={plan.dtype}",
        f"--gpu-memory-utilization={GPU_MEMORY_UTILIZATION}",
    ]
    if plan.spread.tensor > 1:
        args.append(f"--tensor-parallel-size={plan.spread.tensor}")
    if plan.spread.data > 1:
        args.append(f"--data-parallel-size={plan.spread.data}")
    if preset.lora is not None:
        args += [
            "--enable-lora",
            f"--max-loras={preset.lora.slots}",
            f"--max-cpu-loras={preset.lora.cpu_slots}",
            f"--max-lora-rank={lora_rank}",
        ]
    return [
        *args,
        f"{contracts.WORKSPACE_NAME_FLAG}={workspace.metadata.name}",
        f"{contracts.ADAPTERS_FLAG}={contracts.ADAPTERS_PATH}",
        f"{contracts.ADAPTER_SET_FLAG}={contracts.ADAPTER_SET_PATH}",
        f"{contracts.ADAPTER_CREDENTIALS_FLAG}={contracts.ADAPTER_CREDENTIALS_PATH}",
        f"{contracts.ADAPTER_STORE_FLAG}={contracts.ADAPTER_STORE_PATH}",
        f"{contracts.CONFIG_FLAG}={contracts.CONFIG_PATH}",
        f"{contracts.ADMIN_PORT_FLAG}={contracts.ADMIN_PORT}",
        f"{contracts.ADMIN_TOKEN_FLAG}={contracts.ADMIN_TOKEN_PATH}",
    ]


def stand_in_args(plan: Plan) -> list[str]:
    """Return the arguments of `kaito-runtime stand-in`, which makes the weights where the server looks for them."""
    return [
        f"--preset={plan.preset.name}",
        f"--architecture={plan.preset.architecture}",
        f"--output={contracts.WEIGHTS_PATH}",
    ]


def weights_volume(plan: Plan, settings: Settings) -> dict[str, Any]:
    """Return the volume that holds the weights: kept on the node. Downloads share one folder, the hub's own cache."""
    if settings.weights in (HUB, STAND_IN):
        folder = HUB if settings.weights == HUB else plan.preset.name
        path = f"{settings.weights_cache_dir.rstrip('/')}/{folder}"
        return {"hostPath": {"path": path, "type": "DirectoryOrCreate"}}
    return {"hostPath": {"path": f"{settings.weights.rstrip('/')}/{plan.preset.name}", "type": "Directory"}}


def weights_source(plan: Plan, settings: Settings) -> str:
    """Return where the weights come from, in a user's words."""
    if settings.weights == HUB:
        return f"{plan.preset.repository}@{plan.preset.revision[:12]}"
    if settings.weights == STAND_IN:
        return f"stand-in: a tiny {plan.preset.architecture}, not {plan.preset.repository}"
    return f"{settings.weights.rstrip('/')}/{plan.preset.name} on the node"


def node_terms(workspace: Workspace) -> list[dict[str, Any]]:
    """Return the required node affinity: this Workspace's own nodes, whoever shares its labels."""
    labels = claim_labels(workspace)
    return [{"key": key, "operator": "In", "values": [labels[key]]} for key in sorted(labels)]


def adapter_volumes(inference: InferenceSpec) -> list[dict[str, Any]]:
    """Return name, mount path and volume of each adapter that is a volume, numbered among themselves.

    The other adapters must not show in what the pod is made of.
    """
    volumes = [adapter.source for adapter in inference.adapters if adapter.source.volume_source is not None]
    return [
        {
            "name": f"adapter-{index}",
            "path": f"{contracts.ADAPTERS_PATH}/{source.name}",
            "volume": source.volume_source,
        }
        for index, source in enumerate(volumes)
    ]


def pod_labels(workspace: Workspace) -> dict[str, str]:
    """Return the labels that the Services and we find the pods by."""
    return {WORKSPACE_LABEL: workspace.metadata.name}
