"""Size: what will be bought and how the model will run on it, before anything is."""

from kaito.controllers.workspace.reasons import Reason
from kaito.controllers.workspace.snapshot import Snapshot
from kaito.controllers.workspace.step import Failure, Step
from kaito.core.errors import KaitoError
from kaito.presets import make_plan


def size(snapshot: Snapshot) -> Step:
    """Make the plan. Unknown names and a preset that does not fit the machine end the Workspace here."""
    preset = snapshot.workspace.preset
    if preset is None:
        raise RuntimeError("a Workspace without a preset was accepted")
    try:
        plan = make_plan(preset.name, snapshot.workspace.resource.instance_type, snapshot.presets, snapshot.skus)
    except KaitoError as error:
        return Step(outcome=Failure(error.reason, _capital(error.message), error.remedy, terminal=error.terminal))
    if plan.preset.lora is None and snapshot.workspace.inference and snapshot.workspace.inference.adapters:
        return Step(
            outcome=Failure(
                Reason.ADAPTERS_NOT_SUPPORTED,
                f"inference.adapters is set, and preset {plan.preset.name} takes no LoRA adapters.",
                remedy="Remove the adapters, or make a Workspace with another preset.",
                terminal=True,
            )
        )
    return Step(plan=plan)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
