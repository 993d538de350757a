"""Whether the model is known, may be had, and fits the machine."""

from collections.abc import Iterator

from kaito.api import Workspace
from kaito.controllers.options import HUB
from kaito.controllers.workspace.reasons import Reason
from kaito.controllers.workspace.rules.catalogue import Catalogue
from kaito.controllers.workspace.rules.finding import Finding
from kaito.core.errors import KaitoError
from kaito.presets import Plan, make_plan

_FIELDS = {Reason.UNKNOWN_SKU: "resource.instanceType", Reason.PRESET_DOES_NOT_FIT: "resource.instanceType"}


def plan_findings(workspace: Workspace, catalogue: Catalogue) -> tuple[Plan | None, tuple[Finding, ...]]:
    """Return the plan (None where there is none) and what stands against it."""
    preset = workspace.preset
    if preset is None:
        return None, ()
    try:
        plan = make_plan(preset.name, workspace.resource.instance_type, catalogue.presets, catalogue.skus)
    except KaitoError as error:
        return None, (_unplanned(workspace, error),)
    return plan, (*_adapters(workspace, plan), *_access(workspace, plan, catalogue))


def _unplanned(workspace: Workspace, error: KaitoError) -> Finding:
    kind = "tuning" if workspace.tuning is not None else "inference"
    field = _FIELDS.get(Reason(error.reason), f"{kind}.preset.name")
    message = error.message[:1].upper() + error.message[1:]
    return Finding(error.reason, field, message, error.remedy, terminal=error.terminal)


def _adapters(workspace: Workspace, plan: Plan) -> Iterator[Finding]:
    inference = workspace.inference
    if plan.preset.lora is None and inference is not None and inference.adapters:
        yield Finding(
            Reason.ADAPTERS_NOT_SUPPORTED,
            "inference.adapters",
            f"inference.adapters is set, and preset {plan.preset.name} takes no LoRA adapters.",
            "Remove the adapters, or make a Workspace with another preset.",
        )


def _access(workspace: Workspace, plan: Plan, catalogue: Catalogue) -> Iterator[Finding]:
    """Refuse a gated model without a token: the hub would, on a node that is paid for."""
    options = workspace.preset.preset_options if workspace.preset is not None else None
    if not plan.preset.gated or catalogue.weights != HUB or (options and options.model_access_secret):
        return
    kind = "tuning" if workspace.tuning is not None else "inference"
    yield Finding(
        Reason.MODEL_ACCESS_REQUIRED,
        f"{kind}.preset.presetOptions.modelAccessSecret",
        f"preset.presetOptions.modelAccessSecret is not set, and {plan.preset.repository} is given only to accounts "
        "that have accepted its licence.",
        f"Accept the licence at https://huggingface.co/{plan.preset.repository}, put a token of that account "
        "into a Secret under the key HF_TOKEN, and name the Secret there.",
    )
