"""What the flags mean for adapters: where they come from and are kept, and for which base model they are checked."""

import os
import tempfile
from pathlib import Path

import structlog
from prometheus_client import REGISTRY

from kaito.runtime.adapters.check import ServedBase, read_base
from kaito.runtime.adapters.follower import Places
from kaito.runtime.adapters.service import AdapterService
from kaito.runtime.adapters.sources import hub_forbidden
from kaito.runtime.config import Flags, ServeOptions
from kaito.runtime.serve.plan import Plan
from kaito.runtime.status import StatusBoard
from kaito.runtime.status.adapter_metrics import AdapterMetrics

_log = structlog.get_logger("kaito.runtime")


def adapter_service(options: ServeOptions, plan: Plan | None, board: StatusBoard, scratch: Path) -> AdapterService:
    """Return what manages the adapters. A store that cannot be written to costs its content, never the server."""
    store = options.adapter_store or scratch / "adapters"
    try:
        store.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=store).close()
    except OSError as error:
        _log.warning("adapters are not kept over restarts: the store cannot be written to", why=str(error))
        store = scratch / "adapters"
        store.mkdir()
    names = plan.config.names if plan else ()
    return AdapterService(
        board,
        AdapterMetrics(REGISTRY),
        Places(
            store,
            options.adapters_dir,
            options.adapter_set_file,
            options.adapter_credentials_dir,
            private_sources=options.adapter_private_sources,
            offline=hub_forbidden(os.environ),
        ),
        workspace="" if options.workspace in names else options.workspace,
        taken={name for name in (*names, options.workspace) if name},
    )


def served_base(options: ServeOptions, plan: Plan) -> ServedBase:
    """Return what is known of the base model that is served, under all its names."""
    names = (*plan.config.names, plan.weights.preset, plan.weights.source)
    return read_base(Path(options.model), names, as_written=_serves_as_written(plan.config.flags))


def _serves_as_written(flags: Flags) -> bool:
    """Say whether vLLM takes its own class for the architecture that config.json names."""
    told = flags.value("model-impl") not in {None, "auto", "vllm"}
    return not told and not any(flag.name.startswith(("hf-overrides", "hf-config")) for flag in flags)
