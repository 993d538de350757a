"""Size: what will be bought and how the model will run on it, before anything is."""

from kaito.controllers.options import HUB
from kaito.controllers.workspace.reasons import Reason
from kaito.controllers.workspace.snapshot import Snapshot
from kaito.controllers.workspace.step import Failure, Step
from kaito.core.errors import KaitoError
from kaito.presets import Plan, make_plan


def size(snapshot: Snapshot) -> Step:
    """Make the plan. Unknown names and a preset that does not fit the machine end the Workspace here."""
    preset = snapshot.workspace.preset
    if preset is None:
        raise RuntimeError("a Workspace without a preset was accepted")
    try:
        plan = make_plan(preset.name, snapshot.workspace.resource.instance_type, snapshot.presets, snapshot.skus)
    except KaitoError as error:
        return Step(outcome=Failure(error.reason, _capital(error.message), error.remedy, terminal=error.terminal))
    if (failure := _adapters(snapshot, plan) or _access(snapshot, plan)) is not None:
        return Step(outcome=failure)
    return Step(plan=plan)


def _adapters(snapshot: Snapshot, plan: Plan) -> Failure | None:
    inference = snapshot.workspace.inference
    if plan.preset.lora is not None or inference is None or not inference.adapters:
        return None
    return Failure(
        Reason.ADAPTERS_NOT_SUPPORTED,
        f"inference.adapters is set, and preset {plan.preset.name} takes no LoRA adapters.",
        remedy="Remove the adapters, or make a Workspace with another preset.",
        terminal=True,
    )


def _access(snapshot: Snapshot, plan: Plan) -> Failure | None:
    """Refuse a gated model without a token: the hub would, on a node that is paid for."""
    preset = snapshot.workspace.preset
    options = preset.preset_options if preset is not None else None
    if not plan.preset.gated or snapshot.settings.weights != HUB or (options and options.model_access_secret):
        return None
    return Failure(
        Reason.MODEL_ACCESS_REQUIRED,
        f"preset.presetOptions.modelAccessSecret is not set, and {plan.preset.repository} is given only to accounts "
        "that have accepted its licence.",
        remedy=f"Accept the licence at https://huggingface.co/{plan.preset.repository}, put a token of that account "
        "into a Secret under the key HF_TOKEN, and name the Secret there.",
        terminal=True,
    )


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
