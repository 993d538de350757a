"""A model from the hub: its files are here before vLLM is imported, and the plan is made anew for their folder."""

import os
from dataclasses import replace
from pathlib import Path

from kaito.runtime.config import EffectiveConfig, ServeOptions
from kaito.runtime.serve.plan import Plan, make_plan
from kaito.runtime.status import StatusBoard
from kaito.runtime.weights import inspect_weights


def fetch_model(options: ServeOptions, plan: Plan, board: StatusBoard) -> tuple[ServeOptions, Plan]:
    """Download the model; return options and plan for the folder it is in. Raises HubError, and NotEnoughMemory."""
    from huggingface_hub import constants

    from kaito.runtime.hub import HubModel, fetch

    known, flags = plan.weights, plan.config.flags
    model = HubModel(known.source, flags.value("revision") or "main", _download_folder(plan.config))
    folder = fetch(model, board, lambda size: make_plan(options, replace(known, total_bytes=size)))
    constants.HF_HUB_OFFLINE = True  # read from the environment at import
    options = replace(options, model=str(folder))
    found = inspect_weights(options.model)
    weights = replace(found, kind="hub", source=known.source) if found.kind == "path" else found
    return options, make_plan(options, weights)


def _download_folder(config: EffectiveConfig) -> Path:
    given = config.flags.value("download-dir") or os.environ.get("HF_HUB_CACHE")
    return Path(given) if given else Path(os.environ.get("HF_HOME", "~/.cache/huggingface")).expanduser() / "hub"
