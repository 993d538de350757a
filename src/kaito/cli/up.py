"""`kaito up`."""

import asyncio
from pathlib import Path

from rich.console import Console

from kaito.cli.connection import cluster_directory
from kaito.cli.steps import StepPrinter
from kaito.core.errors import KaitoError
from kaito.local.supervisor import SupervisorSettings, find_running, launch, prepare, supervise

DEMO_MANIFEST = "examples/inference/kaito_workspace_phi_3.yaml"
SMALL_MANIFEST = "examples/inference/kaito_workspace_qwen_2.5_0.5b.yaml"
"""Whose real weights a CPU can serve."""


def start(
    directory: Path | None,
    kubeconfig: Path | None,
    port: int,
    weights: str,
    service_cidr: str,
    pod_cidr: str,
    *,
    detach: bool,
) -> None:
    """Start a cluster and print how to use it; one that runs already is left as it is. KaitoError: it cannot start."""
    console = Console()
    paths = cluster_directory(directory)
    running = find_running(paths)
    if running is not None:
        had = running.state.settings.weights
        others = f", with --weights {had}; `kaito down` before you start it with others" if had != weights else ""
        console.print(f"A cluster runs in {paths.root} already{others}.", highlight=False, soft_wrap=True)
        print_next(console, running.state.settings)
        return
    settings = SupervisorSettings(
        directory=str(paths.root),
        port=port,
        kubeconfig=_existing(kubeconfig),
        weights=_weights(weights),
        service_cidr=service_cidr,
        pod_cidr=pod_cidr,
    )
    settings = prepare(settings)
    report = StepPrinter(console)
    if not detach:
        print_next(console, settings)
        if asyncio.run(supervise(settings, report)):
            raise KaitoError(
                "StartFailed", "The cluster did not start.", remedy=f"The lines above and {paths.logs} say why."
            )
        return
    for step in launch(settings):
        report(step)
    print_next(console, settings)


def print_next(console: Console, settings: SupervisorSettings) -> None:
    """Print the commands that a user types next."""
    console.print("\nNext:", highlight=False)
    for command in (
        f"export KUBECONFIG={settings.client_kubeconfig}",
        f"kubectl apply -f {SMALL_MANIFEST if settings.weights == 'hub' else DEMO_MANIFEST}",
        "kubectl get workspace -w",
    ):
        console.print(f"  {command}", highlight=False, soft_wrap=True)


def _existing(kubeconfig: Path | None) -> str:
    if kubeconfig is None:
        return ""
    path = kubeconfig.expanduser().absolute()
    if not path.is_file():
        raise KaitoError(
            "NoKubeconfig", f"There is no kubeconfig {path}.", terminal=True, remedy="Correct --kubeconfig."
        )
    return str(path)


def _weights(weights: str) -> str:
    """Return `stand-in`, `hub` or an absolute folder. KaitoError for anything else."""
    if weights in ("stand-in", "hub"):
        return weights
    path = Path(weights).expanduser().absolute()
    if not path.is_dir():
        raise KaitoError(
            "NoWeights",
            f"--weights {weights} is neither stand-in nor hub nor a folder.",
            terminal=True,
            remedy="Name one of these three.",
        )
    return str(path)
