"""Whether the model is known, may be had, and fits the machine."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TypeVar

from kaito.api import Workspace
from kaito.controllers.options import HUB
from kaito.controllers.workspace.reasons import Reason
from kaito.controllers.workspace.rules.catalogue import Catalogue
from kaito.controllers.workspace.rules.effect import count_without_effect
from kaito.controllers.workspace.rules.finding import Finding
from kaito.controllers.workspace.rules.names import names
from kaito.core.errors import KaitoError
from kaito.presets import Plan, Preset, make_plan

_INSTANCE_TYPE = "resource.instanceType"
T = TypeVar("T")


def plan_findings(workspace: Workspace, catalogue: Catalogue) -> tuple[Plan | None, tuple[Finding, ...]]:
    """Return the plan (None where there is none) and what stands against it. Only inference is planned so far."""
    wanted = workspace.preset
    if wanted is None:
        return None, ()
    size = workspace.resource.instance_type
    path = f"{_kind(workspace)}.preset.name"
    preset, unknown = _try(lambda: catalogue.presets.find(wanted.name), path, refused="/" not in wanted.name)
    _, no_size = _try(lambda: catalogue.skus.find(size), _INSTANCE_TYPE)
    found = [*unknown, *no_size]
    if preset is not None:
        found += [*names(workspace, preset), *_adapters(workspace, preset), *_access(workspace, preset, catalogue)]
    if unknown or no_size or workspace.tuning is not None:
        return None, tuple(found)
    plan, unfit = _try(lambda: make_plan(wanted.name, size, catalogue.presets, catalogue.skus), _INSTANCE_TYPE)
    notes = (*_notes(plan), *count_without_effect(workspace, plan)) if plan is not None else ()
    return plan, (*unfit, *found, *notes)


def _kind(workspace: Workspace) -> str:
    return "tuning" if workspace.tuning is not None else "inference"


def _try(make: Callable[[], T], field: str, *, refused: bool = True) -> tuple[T | None, tuple[Finding, ...]]:
    """Return what is made, or why it cannot be.

    A preset that is called as on the hub (owner/model) is only warned about, since KAITO takes any of those.
    """
    try:
        return make(), ()
    except KaitoError as error:
        message = error.message[:1].upper() + error.message[1:]
        found = Finding(error.reason, field, message, error.remedy, terminal=error.terminal)
        return None, (found if refused else replace(found, admission="warned"),)


def _adapters(workspace: Workspace, preset: Preset) -> Iterator[Finding]:
    if preset.lora is None and workspace.inference is not None and workspace.inference.adapters:
        yield Finding(
            Reason.ADAPTERS_NOT_SUPPORTED,
            "inference.adapters",
            f"inference.adapters is set, and preset {preset.name} takes no LoRA adapters.",
            "Remove the adapters, or make a Workspace with another preset.",
        )


def _access(workspace: Workspace, preset: Preset, catalogue: Catalogue) -> Iterator[Finding]:
    """Refuse a gated model without a token: the hub would, on a node that is paid for."""
    options = workspace.preset.preset_options if workspace.preset is not None else None
    if not preset.gated or catalogue.weights != HUB or (options and options.model_access_secret):
        return
    field = f"{_kind(workspace)}.preset.presetOptions.modelAccessSecret"
    yield Finding(
        Reason.MODEL_ACCESS_REQUIRED,
        field,
        f"{field} is not set, and {preset.repository} is given only to accounts that have accepted its licence.",
        f"Accept the licence at https://huggingface.co/{preset.repository}, put a token of that account "
        "into a Secret under the key HF_TOKEN, and name the Secret there.",
    )


def _notes(plan: Plan) -> Iterator[Finding]:
    """Tell before buying what the plan makes of the wish."""
    if plan.sku.retired:
        said = f"{_INSTANCE_TYPE} {plan.sku.name} is retired by its cloud, and can no longer be bought in most regions."
        yield _note(Reason.SKU_RETIRED, said, f"Its successor is {plan.sku.successor}.")
    if plan.max_model_len < plan.preset.context_length:
        said = (
            f"{_INSTANCE_TYPE} {plan.sku.name} has memory for a context of {plan.max_model_len} tokens; "
            f"{plan.preset.name} was made for {plan.preset.context_length}."
        )
        yield _note(Reason.CONTEXT_SHORTENED, said, "A size with more GPU memory takes longer ones.")


def _note(reason: Reason, message: str, remedy: str) -> Finding:
    return Finding(reason, _INSTANCE_TYPE, message, remedy, admission="warned", terminal=False)
