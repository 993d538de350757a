"""A model from the hub: its files are here before vLLM is imported, and the plan is made anew for their folder."""

import os
import re
from dataclasses import replace
from pathlib import Path

from kaito.runtime.config import EffectiveConfig, Flags, ServeOptions
from kaito.runtime.failure import FatalError
from kaito.runtime.serve.plan import Plan, make_plan
from kaito.runtime.status import StatusBoard
from kaito.runtime.weights import inspect_weights

_COMMIT = re.compile(r"[0-9a-f]{40}")


def fetch_model(options: ServeOptions, plan: Plan, board: StatusBoard) -> tuple[ServeOptions, Plan]:
    """Download the model; return options and plan for the folder it is in.

    Raises HubError, NotEnoughMemory, and InvalidFlag for code of its own at a revision that can change.
    """
    from huggingface_hub import constants

    from kaito.runtime.hub import ALLOWED, HubModel, fetch

    known, revision = plan.weights, plan.config.flags.value("revision") or "main"
    allowed = (*ALLOWED, *_code(plan.config.flags, known.source, revision))
    model = HubModel(known.source, revision, _download_folder(plan.config), allowed)
    folder = fetch(model, board, lambda size: make_plan(options, replace(known, total_bytes=size)))
    constants.HF_HUB_OFFLINE = True  # read from the environment at import
    options = replace(options, model=str(folder))
    found = inspect_weights(options.model)
    weights = replace(found, kind="hub", source=known.source) if found.kind == "path" else found
    return options, make_plan(options, weights)


def _code(flags: Flags, source: str, revision: str) -> tuple[str, ...]:
    """Return what else is downloaded where vLLM may run the model's own code: it comes at the model's revision."""
    trust = flags.get("trust-remote-code", "no-trust-remote-code")
    if trust is None or trust.name != "trust-remote-code":
        return ()
    if not _COMMIT.fullmatch(revision):
        raise FatalError(
            "InvalidFlag",
            f"--trust-remote-code runs code that comes with {source}, and --revision names no commit of it.",
            remedy="Give --revision the full hash (40 digits) of a commit you have read.",
        )
    return ("*.py",)


def _download_folder(config: EffectiveConfig) -> Path:
    given = config.flags.value("download-dir") or os.environ.get("HF_HUB_CACHE")
    return Path(given) if given else Path(os.environ.get("HF_HOME", "~/.cache/huggingface")).expanduser() / "hub"
