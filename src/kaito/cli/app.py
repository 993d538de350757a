"""The commands. Each imports what it needs when it runs, so that `kaito --help` is quick."""

import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from kaito.cli.options import (
    DirectoryOption,
    KubeconfigOption,
    NamespaceOption,
    OutputFormat,
    OutputOption,
    PortOption,
    WeightsOption,
)

app = typer.Typer(
    name="kaito",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Example: kaito up\n\nServe models on GPUs with one Kubernetes object, on a cluster or on this machine.",
)
cloud = typer.Typer(
    rich_markup_mode=None,
    invoke_without_command=True,
    help="Example: kaito cloud quota Standard_NC6s_v3 0\n\nShow the local cloud, or tell it what to answer.",
)
app.add_typer(cloud, name="cloud", short_help="Show the local cloud, or tell it what to answer.")

ServiceCidr = Annotated[
    str, typer.Option(help="Service addresses (default: the first free of 127.96.0.0/16, 127.97.0.0/16 …).")
]
PodCidr = Annotated[
    str, typer.Option(help="Pod addresses (default: the first free of 127.244.0.0/16 …; else 10.244.0.0/16).")
]
Detach = Annotated[bool, typer.Option("--detach/--foreground", help="Return when the cluster runs, or stay.")]
Sku = Annotated[str, typer.Argument(help="A machine size, such as Standard_NC6s_v3.")]

Function = TypeVar("Function", bound=Callable[..., None])


def command(group: typer.Typer, example: str, name: str | None = None) -> Callable[[Function], Function]:
    """Register a command whose help is one real example, then its docstring."""

    def register(function: Function) -> Function:
        about = inspect.cleandoc(function.__doc__ or "")
        text = f"Example: {example}\n\n{about}"
        return group.command(name, help=text, short_help=about.splitlines()[0])(function)

    return register


def main() -> None:
    """Run the command line; a KaitoError becomes one line on stderr and exit code 1."""
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        from kaito.core.errors import KaitoError

        if not isinstance(error, KaitoError):
            raise
        typer.echo(f"kaito: {error.advice}", err=True)
        sys.exit(1)


@command(app, "kaito up --weights hub")
def up(
    directory: DirectoryOption = None,
    kubeconfig: KubeconfigOption = None,
    port: PortOption = 7443,
    weights: WeightsOption = "stand-in",
    service_cidr: ServiceCidr = "",
    pod_cidr: PodCidr = "",
    detach: Detach = True,
) -> None:
    """Start the local cluster: API server, controllers, provisioner and the local cloud.

    With --kubeconfig the rest of it runs on a Kubernetes cluster that you have.
    """
    from kaito.cli.up import start

    start(directory, kubeconfig, port, weights, service_cidr, pod_cidr, detach=detach)


@command(app, "kaito down --purge")
def down(
    directory: DirectoryOption = None,
    purge: Annotated[bool, typer.Option("--purge", help="Also delete the directory: state, logs, weights.")] = False,
) -> None:
    """End the local cluster with every process of it; also when half of it is dead."""
    from kaito.cli.down import stop

    stop(directory, purge=purge)


@command(app, "kaito status workspace-phi-3-mini --why")
def status(
    name: Annotated[str, typer.Argument(help="A Workspace; all of them when left out.")] = "",
    why: Annotated[bool, typer.Option("--why", help="Print the chain of causes, down to the remedy.")] = False,
    namespace: NamespaceOption = "",
    output: OutputOption = OutputFormat.TABLE,
    directory: DirectoryOption = None,
    kubeconfig: KubeconfigOption = None,
) -> None:
    """Show Workspaces with their phase and what they wait for."""
    from kaito.cli.status import show

    show(name, namespace, why=why, output=output, directory=directory, kubeconfig=kubeconfig)


@command(app, 'kaito chat workspace-phi-3-mini "What is Kubernetes?"')
def chat(
    name: Annotated[str, typer.Argument(help="A Workspace.")],
    prompt: Annotated[str, typer.Argument(help="What to ask.")],
    namespace: NamespaceOption = "",
    output: OutputOption = OutputFormat.TABLE,
    directory: DirectoryOption = None,
    kubeconfig: KubeconfigOption = None,
) -> None:
    """Ask a Workspace, through its Service, or its pod where port 80 needs root."""
    from kaito.cli.chat import ask

    ask(name, prompt, namespace, output=output, directory=directory, kubeconfig=kubeconfig)


@command(app, "kaito crds | kubectl apply --server-side -f -")
def crds(
    output: Annotated[Path | None, typer.Option("--output", help="Write one file per CRD into this folder.")] = None,
    check: Annotated[Path | None, typer.Option("--check", help="Fail when this folder's files differ.")] = None,
) -> None:
    """Print the CustomResourceDefinitions, write them, or check files against them."""
    from kaito.cli.crds import generate

    generate(output, check)


@command(app, "kaito demo")
def demo(
    directory: DirectoryOption = None,
    port: PortOption = 7443,
    timeout: Annotated[float, typer.Option(help="Seconds from apply until the Workspace must be ready.")] = 900,
    manifest: Annotated[Path | None, typer.Option("--file", "-f", help="The Workspace (default: the page's).")] = None,
) -> None:
    """Start the local cluster, apply the page's first Workspace, follow it, and ask it something."""
    from kaito.cli.demo import run

    run(directory, port, timeout, manifest)


@cloud.callback()
def show_cloud(
    context: typer.Context, directory: DirectoryOption = None, output: OutputOption = OutputFormat.TABLE
) -> None:
    """Show the local cloud's settings and machines when no command is given."""
    if context.invoked_subcommand is None:
        from kaito.cli.cloud import show

        show(directory, output)


@command(cloud, "kaito cloud quota Standard_NC6s_v3 0")
def quota(
    sku: Sku,
    machines: Annotated[int, typer.Argument(min=0, help="How many machines of it there may be.")],
    directory: DirectoryOption = None,
) -> None:
    """Limit how many machines of a size there may be; 0 shows what a quota error looks like."""
    from kaito.cli.cloud import set_quota

    set_quota(directory, sku, machines)


@command(cloud, "kaito cloud out-of-capacity Standard_NC6s_v3", "out-of-capacity")
def out_of_capacity(sku: Sku, directory: DirectoryOption = None) -> None:
    """Say that a machine size is sold out, until `kaito cloud reset`."""
    from kaito.cli.cloud import set_out_of_capacity

    set_out_of_capacity(directory, sku)


@command(cloud, "kaito cloud reset")
def reset(directory: DirectoryOption = None) -> None:
    """Give the local cloud its default settings back."""
    from kaito.cli.cloud import reset_settings

    reset_settings(directory)
