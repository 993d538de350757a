"""`kaito down`."""

from pathlib import Path

from rich.console import Console

from kaito.cli.connection import cluster_directory
from kaito.local.supervisor import find_running, shut_down


def stop(directory: Path | None, *, purge: bool) -> None:
    """End the cluster and say what was done. KaitoError when that is not allowed."""
    console = Console()
    paths = cluster_directory(directory)
    was_running = find_running(paths) is not None
    with console.status(f"Ending the cluster in {paths.root}"):
        ended = shut_down(paths, purge=purge)
    if was_running:
        said = f"The cluster in {paths.root} is down."
    elif ended:
        said = f"The cluster in {paths.root} had lost its supervisor; its processes are ended now."
    else:
        said = f"No cluster runs in {paths.root}."
    console.print(said, highlight=False, soft_wrap=True)
    if purge:
        console.print("Its directory is deleted.", highlight=False)
    elif was_running or ended:
        console.print(
            "Its state is kept: `kaito up` goes on with it, `kaito down --purge` deletes it.", highlight=False
        )
