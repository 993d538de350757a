"""The user's side of an end: works when half of the cluster is dead."""

import asyncio
import os
import shutil
import signal
import time
from collections.abc import Callable

from kaito.core.clock import SystemClock
from kaito.core.errors import KaitoError
from kaito.local.directory import ClusterDirectory
from kaito.local.processes import Records, end_leftovers
from kaito.local.supervisor.settings import SupervisorSettings, read_state
from kaito.local.supervisor.webhook import LocalWebhook

STOP_SECONDS = 120.0
"""How long the supervisor may take: the longest grace period of a pod, and the rest."""
POLL_SECONDS = 0.05


def shut_down(
    paths: ClusterDirectory, *, purge: bool = False, sleep: Callable[[float], None] = time.sleep
) -> list[str]:
    """End the cluster of a folder and everything it left; return what had to be ended without its supervisor.

    With `purge` the folder goes too. KaitoError (NotAllowed) when it is another user's, or no folder of ours.
    """
    if not paths.root.is_dir():
        return []
    if purge:
        _check_ours(paths)
    state = read_state(paths)
    if state is not None and state.identity.alive():
        _end_supervisor(state.identity.pid, state.identity.alive, sleep)
    if state is not None:
        _end_webhook(state.settings)
    ended = end_leftovers(Records(paths.run), paths.nodes, sleep=sleep)
    paths.state.unlink(missing_ok=True)
    if purge:
        shutil.rmtree(paths.root)
    return ended


def _end_supervisor(pid: int, alive: Callable[[], bool], sleep: Callable[[float], None]) -> None:
    try:
        os.kill(pid, signal.SIGTERM)
    except PermissionError as error:
        raise KaitoError(
            "NotAllowed",
            f"The supervisor (process {pid}) belongs to another user.",
            terminal=True,
            remedy="Run `kaito down` as the user who ran `kaito up`.",
        ) from error
    waited = 0.0
    while alive() and waited < STOP_SECONDS:
        sleep(POLL_SECONDS)
        waited += POLL_SECONDS
    if alive():
        os.kill(pid, signal.SIGKILL)


def _end_webhook(settings: SupervisorSettings) -> None:
    """Take the webhook off an API server that stays up, where a supervisor that crashed has left it."""
    if not settings.embedded and settings.webhook_port:
        webhook = LocalWebhook(settings.client_kubeconfig, settings.webhook_port, SystemClock())
        asyncio.run(webhook.remove())


def _check_ours(paths: ClusterDirectory) -> None:
    """Refuse to delete a folder that kaito did not make."""
    if any(paths.root.iterdir()) and not paths.format_file.is_file():
        raise KaitoError(
            "NotAllowed",
            f"{paths.root} was not made by kaito.",
            terminal=True,
            remedy="Delete it yourself if that is what you mean.",
        )
